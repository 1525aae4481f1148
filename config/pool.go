package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

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
	// Allocation restricts and ranks the pool; nil when the object says nothing.
	Allocation *Allocation
	// Suspended pools are invalid objects: nothing new is taken from them, and
	// what Services hold from them stays theirs.
	Suspended bool
	// L2 are the advertisements that select this pool, sorted by name.
	L2 []*L2Advertisement
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

// Has reports whether the pool has any address of that family.
func (p *Pool) Has(f Family) bool {
	return slices.ContainsFunc(p.Ranges, func(r netipx.IPRange) bool { return FamilyOf(r.From()) == f })
}

// compilePools fills s.Pools and the address index.
func compilePools(s *Snapshot, o Objects) []Problem {
	order := make([]*v1beta1.IPAddressPool, len(o.Pools))
	for i := range o.Pools {
		order[i] = &o.Pools[i]
	}
	slices.SortFunc(order, func(a, b *v1beta1.IPAddressPool) int { return elder(&a.ObjectMeta, &b.ObjectMeta) })

	var found []Problem
	for _, obj := range order {
		ps := problems{kind: "IPAddressPool", meta: &obj.ObjectMeta}
		pool := ps.pool(obj, o)
		if len(ps.found) == 0 {
			ps.occupy(s, pool)
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
// overlap and enters none.
func (p *problems) occupy(s *Snapshot, pool *Pool) {
	spans := slices.Clone(s.spans)
	for i, r := range pool.Ranges {
		at, _ := slices.BinarySearchFunc(spans, r.From(), func(sp span, a netip.Addr) int {
			return sp.from.Compare(a)
		})
		for _, j := range []int{at - 1, at} {
			if j < 0 || j >= len(spans) || !r.Overlaps(netipx.IPRangeFrom(spans[j].from, spans[j].to)) {
				continue
			}
			other := "another entry of this pool"
			if spans[j].pool != pool {
				other = fmt.Sprintf("pool %q, which is older", spans[j].pool.Name)
			}
			p.add(fmt.Sprintf("spec.addresses[%d]", i), rangeText(r),
				fmt.Sprintf("overlaps %s of %s", rangeText(netipx.IPRangeFrom(spans[j].from, spans[j].to)), other))
			break
		}
		spans = slices.Insert(spans, at, span{from: r.From(), to: r.To(), pool: pool})
	}
	if len(p.found) == 0 {
		s.spans = spans
	}
}

// ParseRange reads one entry of spec.addresses: a CIDR, or first-last.
//
// As in MetalLB, host bits of a CIDR are masked, blanks around the ends of a
// range are tolerated and those around a CIDR are not, and IPv4-mapped IPv6
// addresses mean the IPv4 ones. A range of two families is refused.
func ParseRange(text string) (netipx.IPRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		return parseCIDR(text)
	}
	from, err := parseAddr(strings.TrimSpace(first))
	if err != nil {
		return netipx.IPRange{}, fmt.Errorf("the start of the range %w", err)
	}
	to, err := parseAddr(strings.TrimSpace(last))
	if err != nil {
		return netipx.IPRange{}, fmt.Errorf("the end of the range %w", err)
	}
	switch {
	case FamilyOf(from) != FamilyOf(to):
		return netipx.IPRange{}, fmt.Errorf("the range starts in %s and ends in %s", FamilyOf(from), FamilyOf(to))
	case to.Less(from):
		return netipx.IPRange{}, fmt.Errorf("the range ends before it starts")
	}
	return netipx.IPRangeFrom(from, to), nil
}

func parseCIDR(text string) (netipx.IPRange, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netipx.IPRange{}, fmt.Errorf("must be a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20")
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netipx.IPRange{}, fmt.Errorf("an IPv4-mapped prefix must be at least /96")
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return netipx.RangeOfPrefix(prefix.Masked()), nil
}

// parseAddr reads one IP literal without zone; IPv4-mapped ones become IPv4.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("is not an IP address: %q", text)
	}
	return a.Unmap(), nil
}

// rangeText writes a range as a CIDR where it is one.
func rangeText(r netipx.IPRange) string {
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.String()
}
