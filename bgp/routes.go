package bgp

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
)

// Routes is an immutable set of routes, one for each destination. The zero
// value is empty. Copies share what they have in common, so keeping and
// comparing many similar sets is cheap: an edit costs about as much as it
// changes.
type Routes struct {
	table      *table // nil: empty
	ipv4, ipv6 int
}

// A table spreads the routes over buckets by a hash of their prefix. An edit
// copies the table's pointers (8 KiB, under a microsecond) and the buckets it
// touches; all others stay the same bucket, by which Diff knows them.
const buckets = 1024

type (
	table [buckets]*bucket
	// bucket is sorted by prefix and never changed once it is in a table. An
	// empty one is nil.
	bucket []Route
)

// Len returns the number of routes.
func (r Routes) Len() int { return r.ipv4 + r.ipv6 }

// lenOf returns the number of routes to destinations of some families.
func (r Routes) lenOf(f Families) int {
	n := 0
	if f.IPv4 {
		n += r.ipv4
	}
	if f.IPv6 {
		n += r.ipv6
	}
	return n
}

// Get returns the route to a destination.
func (r Routes) Get(p netip.Prefix) (Route, bool) {
	b := r.bucket(bucketOf(p))
	if i, found := b.find(p); found {
		return b[i], true
	}
	return Route{}, false
}

// All goes through the routes, in no particular order but the same each time.
func (r Routes) All() iter.Seq[Route] {
	return func(yield func(Route) bool) {
		for i := range buckets {
			for _, route := range r.bucket(i) {
				if !yield(route) {
					return
				}
			}
		}
	}
}

// Equal reports whether r and o hold equal routes. It is cheap for two sets of
// which one was edited into the other.
func (r Routes) Equal(o Routes) bool {
	if r == o {
		return true
	}
	if r.ipv4 != o.ipv4 || r.ipv6 != o.ipv6 {
		return false
	}
	for i := range buckets {
		if !r.shares(o, i) && !slices.EqualFunc(r.bucket(i), o.bucket(i), Route.Equal) {
			return false
		}
	}
	return true
}

// Edit returns the set without the routes to some destinations, and with others
// set. What is in both lists is set; of several routes to one destination the
// last one counts.
func (r Routes) Edit(set []Route, remove []netip.Prefix) Routes {
	e := editor{from: r, to: r}
	for _, p := range remove {
		e.remove(p)
	}
	for _, route := range set {
		e.set(route)
	}
	if e.to.Len() == 0 {
		return Routes{}
	}
	return e.to
}

// editor makes one set of routes out of another. It copies what it changes when
// it first changes it, so that an edit without effect returns the set it began
// with.
type editor struct {
	from, to Routes
}

func (e *editor) set(route Route) {
	k := bucketOf(route.Prefix)
	b := e.to.bucket(k)
	i, found := b.find(route.Prefix)
	switch {
	case found && b[i].Equal(route):
	case found:
		(*e.own(k))[i] = route
	default:
		own := e.own(k)
		*own = slices.Insert(*own, i, route)
		e.count(route.Prefix, 1)
	}
}

func (e *editor) remove(p netip.Prefix) {
	k := bucketOf(p)
	i, found := e.to.bucket(k).find(p)
	if !found {
		return
	}
	own := e.own(k)
	*own = slices.Delete(*own, i, i+1)
	if len(*own) == 0 {
		e.to.table[k] = nil
	}
	e.count(p, -1)
}

// own returns a bucket that may be changed: one that no other set shares.
func (e *editor) own(k int) *bucket {
	switch e.to.table {
	case nil:
		e.to.table = new(table)
	case e.from.table:
		t := *e.from.table
		e.to.table = &t
	}
	if b := e.to.table[k]; b == nil || e.from.shares(e.to, k) {
		own := make(bucket, 0, len(e.to.bucket(k))+1)
		own = append(own, e.to.bucket(k)...)
		e.to.table[k] = &own
	}
	return e.to.table[k]
}

func (e *editor) count(p netip.Prefix, n int) {
	if p.Addr().Is4() {
		e.to.ipv4 += n
	} else {
		e.to.ipv6 += n
	}
}

// bucket returns the routes whose prefix has the hash i.
func (r Routes) bucket(i int) bucket {
	if r.table == nil || r.table[i] == nil {
		return nil
	}
	return *r.table[i]
}

// shares reports whether a bucket is the same one in both sets, or in neither.
func (r Routes) shares(o Routes, i int) bool {
	var a, b *bucket
	if r.table != nil {
		a = r.table[i]
	}
	if o.table != nil {
		b = o.table[i]
	}
	return a == b
}

func (b bucket) find(p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(b, p, func(r Route, p netip.Prefix) int {
		return r.Prefix.Compare(p)
	})
}

// bucketOf hashes a prefix. The hash has no secret, for the order of All to be
// the same each time: prefixes are the operator's own, nobody else can choose
// them to collide.
func bucketOf(p netip.Prefix) int {
	const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
	a := p.Addr().As16()
	h := binary.BigEndian.Uint64(a[:8])*golden ^ binary.BigEndian.Uint64(a[8:]) ^ uint64(p.Bits())<<56
	h *= golden
	h ^= h >> 32
	return int(h * golden >> 54) // the upper 10 bits
}
