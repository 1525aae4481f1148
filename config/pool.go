package config

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"go4.org/netipx"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/api/v1beta1"
)

// Pool is one IPAddressPool.
type Pool struct {
	Name string
	// Ranges are the entries of spec.addresses as listed, which is the order
	// they are handed out in. Each is of one family; none overlaps another.
	Ranges []netipx.IPRange
	// AutoAssign offers the pool to Services that name neither pool nor address.
	AutoAssign bool
	// AvoidBuggyIPs withholds IPv4 addresses that end in .0 or .255.
	AvoidBuggyIPs bool
	// Retention is how long an address is kept for the Service that held it,
	// after it was deleted; 0 keeps none.
	Retention time.Duration
	// IgnoreConflicts leaves alone whether hosts outside the cluster use addresses
	// of the pool: none is asked for before it is announced or assigned.
	IgnoreConflicts bool
	// Allocation restricts and ranks the pool; nil when the object says nothing.
	Allocation *Allocation
	// Suspended pools are invalid objects: nothing new is taken from them, and
	// what Services hold from them stays theirs.
	Suspended bool
	// L2 and BGP are the advertisements that select this pool, each sorted by
	// name.
	L2  []*L2Advertisement
	BGP []*BGPAdvertisement
}

// Allocation is the serviceAllocation block of a pool with its namespace
// selectors resolved.
type Allocation struct {
	// Priority ranks pools: 1 is tried first, 0 (unset) after all others.
	Priority int
	// AnyNamespace is set when the block restricts no namespaces at all. A
	// selector that matches no namespace is a restriction nothing meets.
	AnyNamespace bool
	// Namespaces are the admitted ones, sorted.
	Namespaces []string
	// Services must match one of these; empty admits all.
	Services Selectors
}

// Admits reports whether a Service in that namespace with those labels may
// take addresses from the pool. A pool without Allocation admits everyone.
func (p *Pool) Admits(namespace string, set labels.Set) bool {
	a := p.Allocation
	if a == nil {
		return true
	}
	if !a.AnyNamespace {
		if _, ok := slices.BinarySearch(a.Namespaces, namespace); !ok {
			return false
		}
	}
	return len(a.Services) == 0 || a.Services.Match(set)
}

// Withholds reports whether AvoidBuggyIPs keeps this address back.
func (p *Pool) Withholds(a netip.Addr) bool {
	if !p.AvoidBuggyIPs || !a.Is4() {
		return false
	}
	last := a.As4()[3]
	return last == 0 || last == 255
}

// Contains reports whether one of the entries lists the address.
func (p *Pool) Contains(a netip.Addr) bool {
	return slices.ContainsFunc(p.Ranges, func(r netipx.IPRange) bool { return r.Contains(a) })
}

// Addresses yields the addresses of one family in the order in which they are
// handed out, without those that are withheld.
func (p *Pool) Addresses(f Family) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, r := range p.Ranges {
			if FamilyOf(r.From()) != f {
				continue
			}
			for a := r.From(); r.Contains(a); a = a.Next() {
				if !p.Withholds(a) && !yield(a) {
					return
				}
			}
		}
	}
}

// Has reports whether the pool has any address of that family.
func (p *Pool) Has(f Family) bool {
	return slices.ContainsFunc(p.Ranges, func(r netipx.IPRange) bool { return FamilyOf(r.From()) == f })
}

// compilePools fills s.Pools and the address index.
func compilePools(s *Snapshot, o Objects) []Problem {
	var found []Problem
	for _, obj := range eldestFirst(o.Pools) {
		ps := problems{kind: "IPAddressPool", meta: &obj.ObjectMeta}
		pool := ps.pool(obj, o)
		if len(ps.found) == 0 {
			ps.occupy(s, pool, obj.Spec.Addresses)
		}
		pool.Suspended = len(ps.found) > 0
		s.Pools = append(s.Pools, pool)
		found = append(found, ps.found...)
	}
	slices.SortFunc(s.Pools, func(a, b *Pool) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// pool reads one object; what is wrong with it is added to the problems.
func (p *problems) pool(obj *v1beta1.IPAddressPool, o Objects) *Pool {
	pool := &Pool{
		Name:          obj.Name,
		AutoAssign:    obj.Spec.AutoAssign == nil || *obj.Spec.AutoAssign,
		AvoidBuggyIPs: obj.Spec.AvoidBuggyIPs,
		Retention:     p.retention(obj, o.Retention),

		IgnoreConflicts: p.ignoreConflicts(obj),
	}
	if len(obj.Spec.Addresses) == 0 {
		p.add("spec.addresses", "", "must list at least one CIDR or range")
	}
	for i, text := range obj.Spec.Addresses {
		r, err := ParseRange(text)
		if err != nil {
			p.add(fmt.Sprintf("spec.addresses[%d]", i), text, err.Error())
			continue
		}
		pool.Ranges = append(pool.Ranges, r)
	}
	if obj.Spec.ServiceAllocation != nil {
		pool.Allocation = p.allocation(obj.Spec.ServiceAllocation, o)
	}
	return pool
}

// AnnotationRetention on a pool overrides how long its addresses are kept for
// Services that were deleted: a duration such as "1h30m", or "0".
const AnnotationRetention = annotationPrefix + "address-retention"

func (p *problems) retention(obj *v1beta1.IPAddressPool, otherwise time.Duration) time.Duration {
	text, ok := obj.Annotations[AnnotationRetention]
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		p.add("metadata.annotations["+AnnotationRetention+"]", text, `must be a duration such as "30m", or "0"`)
		return otherwise
	}
	return d
}

// AnnotationConflictDetection on a pool says whether hosts outside the cluster
// that use its addresses are looked for: "on", which is the default, or "off".
const AnnotationConflictDetection = annotationPrefix + "conflict-detection"

func (p *problems) ignoreConflicts(obj *v1beta1.IPAddressPool) bool {
	text, ok := obj.Annotations[AnnotationConflictDetection]
	if ok && text != "on" && text != "off" {
		p.add("metadata.annotations["+AnnotationConflictDetection+"]", text, `must be "on" or "off"`)
	}
	return text == "off"
}

func (p *problems) allocation(in *v1beta1.ServiceAllocation, o Objects) *Allocation {
	const field = "spec.serviceAllocation"

	a := &Allocation{
		Priority:     in.Priority,
		AnyNamespace: len(in.Namespaces) == 0 && len(in.NamespaceSelectors) == 0,
		Services:     p.selectors(field+".serviceSelectors", in.ServiceSelectors),
	}
	if in.Priority < 0 {
		p.add(field+".priority", fmt.Sprint(in.Priority), "must not be negative")
	}
	a.Namespaces = slices.Clone(in.Namespaces)
	selectors := p.selectors(field+".namespaceSelectors", in.NamespaceSelectors)
	for i := range o.Namespaces {
		if selectors.Match(o.Namespaces[i].Labels) {
			a.Namespaces = append(a.Namespaces, o.Namespaces[i].Name)
		}
	}
	slices.Sort(a.Namespaces)
	a.Namespaces = slices.Compact(a.Namespaces)
	return a
}

// occupy enters the pool's ranges into the address index, or says what they
// overlap and enters none. Text is what the user wrote for each range.
func (p *problems) occupy(s *Snapshot, pool *Pool, text []string) {
	spans := slices.Clone(s.spans)
	for i, r := range pool.Ranges {
		at, _ := slices.BinarySearchFunc(spans, r.From(), func(sp span, a netip.Addr) int {
			return sp.from.Compare(a)
		})
		// Spans are disjoint: if any overlaps r, so does the one before the
		// place of r or the one at it.
		near := spans[max(at-1, 0):min(at+1, len(spans))]
		hit := slices.IndexFunc(near, func(sp span) bool {
			return r.Overlaps(netipx.IPRangeFrom(sp.from, sp.to))
		})
		if hit < 0 {
			spans = slices.Insert(spans, at, span{from: r.From(), to: r.To(), pool: pool})
			continue
		}
		of := "another entry of this pool"
		if near[hit].pool != pool {
			of = fmt.Sprintf("pool %q, which takes precedence", near[hit].pool.Name)
		}
		p.add(fmt.Sprintf("spec.addresses[%d]", i), text[i],
			fmt.Sprintf("overlaps %s of %s", rangeText(netipx.IPRangeFrom(near[hit].from, near[hit].to)), of))
	}
	if len(p.found) == 0 {
		s.spans = spans
	}
}
