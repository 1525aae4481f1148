package allocator

import (
	"cmp"
	"encoding/binary"
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
	base base
	bits octets
}

// base is an address without its last octet, as a number. IPv4 addresses are
// where IPv6 maps them, so one order holds for both.
type base struct{ hi, lo uint64 }

// split returns the base of an address and its last octet.
func split(a netip.Addr) (base, uint8) {
	b := a.As16()
	lo := binary.BigEndian.Uint64(b[8:])
	return base{binary.BigEndian.Uint64(b[:8]), lo &^ 0xff}, uint8(lo)
}

// at returns the address on that base with that last octet.
func (b base) at(octet uint8) netip.Addr {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], b.hi)
	binary.BigEndian.PutUint64(a[8:], b.lo|uint64(octet))
	return netip.AddrFrom16(a).Unmap()
}

// next returns the base that follows; after the last there is the first.
func (b base) next() base {
	lo, carry := bits.Add64(b.lo, 0x100, 0)
	return base{b.hi + carry, lo}
}

func (b base) compare(o base) int {
	return cmp.Or(cmp.Compare(b.hi, o.hi), cmp.Compare(b.lo, o.lo))
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

// nextGap returns the lowest octet not below from that is no member.
func (o *octets) nextGap(from uint8) (uint8, bool) {
	gaps := octets{^o[0], ^o[1], ^o[2], ^o[3]}
	return gaps.next(from)
}

// find returns where the page with that base is, or belongs. It is written out
// because every search of every pool begins with it.
func (s *addressSet) find(b base) (int, bool) {
	from, to := 0, len(s.pages)
	for from < to {
		mid := int(uint(from+to) / 2)
		if m := &s.pages[mid].base; m.hi < b.hi || m.hi == b.hi && m.lo < b.lo {
			from = mid + 1
		} else {
			to = mid
		}
	}
	return from, from < len(s.pages) && s.pages[from].base == b
}

func (s *addressSet) add(a netip.Addr) {
	b, octet := split(a)
	i, ok := s.find(b)
	if !ok {
		s.pages = slices.Insert(s.pages, i, page{base: b})
	}
	s.pages[i].bits.add(octet)
}

func (s *addressSet) remove(a netip.Addr) {
	b, octet := split(a)
	i, ok := s.find(b)
	if !ok {
		return
	}
	s.pages[i].bits.remove(octet)
	if s.pages[i].bits == (octets{}) {
		s.pages = slices.Delete(s.pages, i, i+1)
	}
}

func (s *addressSet) has(a netip.Addr) bool {
	if len(s.pages) == 0 {
		return false
	}
	b, octet := split(a)
	i, ok := s.find(b)
	return ok && s.pages[i].bits[octet/64]&(1<<(octet%64)) != 0
}

func (s *addressSet) empty() bool { return len(s.pages) == 0 }

// lowestOutside returns the lowest address of the range that is not in the set
// and whose last octet is not to be skipped; the zero address if there is none.
func (s *addressSet) lowestOutside(r netipx.IPRange, skip octets) netip.Addr {
	b, octet := split(r.From())
	end, _ := split(r.To())
	i, _ := s.find(b)
	for {
		taken := skip
		if i < len(s.pages) && s.pages[i].base == b {
			for w := range taken {
				taken[w] |= s.pages[i].bits[w]
			}
			i++
		}
		if lowest, ok := taken.nextGap(octet); ok {
			return notPast(r.To(), b.at(lowest))
		}
		if b == end {
			return netip.Addr{}
		}
		b, octet = b.next(), 0
	}
}

// lowestInside returns the lowest address of the range that is in the set, in
// none of the others, and whose last octet is not to be skipped; the zero
// address if there is none. The others may be nil.
func (s *addressSet) lowestInside(r netipx.IPRange, skip octets, others []*addressSet) netip.Addr {
	first, octet := split(r.From())
	end, _ := split(r.To())
	for i, _ := s.find(first); i < len(s.pages) && s.pages[i].base.compare(end) <= 0; i++ {
		here := s.pages[i]
		if here.base != first {
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
		if lowest, ok := here.bits.next(octet); ok {
			return notPast(r.To(), here.base.at(lowest))
		}
	}
	return netip.Addr{}
}

// notPast returns a, or the zero address if a is past the end.
func notPast(end, a netip.Addr) netip.Addr {
	if end.Less(a) {
		return netip.Addr{}
	}
	return a
}
