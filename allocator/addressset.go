package allocator

import (
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// addressSet is a set of addresses that finds its lowest gap fast. The zero
// value is empty.
//
// It keeps one bit per address in pages of 256, the size of an IPv4 /24, and
// only the pages that are not empty. A search skips 64 addresses at a time and
// a full page in four steps: ten thousand addresses in a row are forty pages.
// The set knows nothing of pools, so that pools may change under it for free.
type addressSet struct {
	pages []page // ascending by base
}

type page struct {
	base netip.Addr // whose last octet is 0
	bits octets
}

// octets is a set of last octets.
type octets [4]uint64

func (o *octets) add(i uint8)    { o[i/64] |= 1 << (i % 64) }
func (o *octets) remove(i uint8) { o[i/64] &^= 1 << (i % 64) }

// next returns the lowest member that is not below from.
func (o *octets) next(from uint8) (uint8, bool) {
	w := o[from/64] >> (from % 64) << (from % 64)
	for i := int(from / 64); ; {
		if w != 0 {
			return uint8(i*64 + bits.TrailingZeros64(w)), true
		}
		if i++; i == len(o) {
			return 0, false
		}
		w = o[i]
	}
}

// split returns the page an address is on and its last octet.
func split(a netip.Addr) (base netip.Addr, octet uint8) {
	octet = a.As16()[15]
	return join(a, 0), octet
}

// join returns the address on the same page as a that has that last octet.
func join(a netip.Addr, octet uint8) netip.Addr {
	if a.Is4() {
		b := a.As4()
		b[3] = octet
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	b[15] = octet
	return netip.AddrFrom16(b)
}

// find returns where the page with that base is, or belongs.
func (s *addressSet) find(base netip.Addr) (int, bool) {
	return slices.BinarySearchFunc(s.pages, base, func(p page, base netip.Addr) int {
		return p.base.Compare(base)
	})
}

func (s *addressSet) add(a netip.Addr) {
	base, octet := split(a)
	i, ok := s.find(base)
	if !ok {
		s.pages = slices.Insert(s.pages, i, page{base: base})
	}
	s.pages[i].bits.add(octet)
}

func (s *addressSet) remove(a netip.Addr) {
	base, octet := split(a)
	i, ok := s.find(base)
	if !ok {
		return
	}
	s.pages[i].bits.remove(octet)
	if s.pages[i].bits == (octets{}) {
		s.pages = slices.Delete(s.pages, i, i+1)
	}
}

func (s *addressSet) empty() bool { return len(s.pages) == 0 }

// lowestOutside returns the lowest address of the range that is not in the set
// and whose last octet is not to be skipped; the zero address if there is none.
func (s *addressSet) lowestOutside(r netipx.IPRange, skip octets) netip.Addr {
	base, octet := split(r.From())
	i, _ := s.find(base)
	for base.IsValid() && !r.To().Less(base) {
		taken := skip
		if i < len(s.pages) && s.pages[i].base == base {
			for w := range taken {
				taken[w] |= s.pages[i].bits[w]
			}
			i++
		}
		for w := range taken {
			taken[w] = ^taken[w]
		}
		if free, ok := taken.next(octet); ok {
			return within(r, join(base, free))
		}
		base, octet = join(base, 255).Next(), 0
	}
	return netip.Addr{}
}

// lowestInside returns the lowest address of the range that is in the set, in
// none of the others, and whose last octet is not to be skipped; the zero
// address if there is none. The others may be nil.
func (s *addressSet) lowestInside(r netipx.IPRange, skip octets, others []*addressSet) netip.Addr {
	base, octet := split(r.From())
	i, _ := s.find(base)
	for ; i < len(s.pages) && !r.To().Less(s.pages[i].base); i++ {
		here := s.pages[i]
		if here.base != base {
			octet = 0
		}
		for w := range here.bits {
			here.bits[w] &^= skip[w]
		}
		for _, o := range others {
			if o == nil {
				continue
			}
			if j, ok := o.find(here.base); ok {
				for w := range here.bits {
					here.bits[w] &^= o.pages[j].bits[w]
				}
			}
		}
		if found, ok := here.bits.next(octet); ok {
			return within(r, join(here.base, found))
		}
	}
	return netip.Addr{}
}

// within returns a if it is not past the end of the range.
func within(r netipx.IPRange, a netip.Addr) netip.Addr {
	if r.To().Less(a) {
		return netip.Addr{}
	}
	return a
}
