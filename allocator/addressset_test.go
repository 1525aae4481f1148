package allocator

import (
	"net/netip"
	"testing"

	"go4.org/netipx"
)

// FuzzAddressSet compares the set with a map, at the edges of its pages.
func FuzzAddressSet(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 250, 251, 252, 253, 254, 255}, uint8(0), uint8(255), false)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 4}, uint8(1), uint8(6), true)
	f.Add([]byte{}, uint8(9), uint8(9), false)
	f.Add([]byte{65}, uint8(63), uint8(70), true) // starts on a withheld octet of an empty page
	f.Fuzz(func(t *testing.T, toggles []byte, from, to uint8, buggy bool) {
		// 256 addresses over three pages: 192.0.2.192 to 192.0.4.191 without
		// the middle of the second page.
		at := func(i uint8) netip.Addr {
			n := 192 + int(i)
			if i >= 128 {
				n += 256
			}
			return netip.AddrFrom4([4]byte{192, 0, 2 + byte(n/256), byte(n)})
		}
		if from > to {
			from, to = to, from
		}
		r := netipx.IPRangeFrom(at(from), at(to))
		var skip octets
		if buggy {
			skip.add(0)
			skip.add(255)
		}

		var set, other addressSet
		in, inOther := make(map[netip.Addr]bool), make(map[netip.Addr]bool)
		for i, b := range toggles {
			s, m := &set, in
			if i%3 == 2 {
				s, m = &other, inOther
			}
			a := at(b)
			if m[a] {
				s.remove(a)
				delete(m, a)
			} else {
				s.add(a)
				m[a] = true
			}
		}

		var outside, inside netip.Addr
		for a := r.From(); a.Compare(r.To()) <= 0; a = a.Next() {
			if last := a.As4()[3]; buggy && (last == 0 || last == 255) {
				continue
			}
			if !in[a] && !outside.IsValid() {
				outside = a
			}
			if in[a] && !inOther[a] && !inside.IsValid() {
				inside = a
			}
		}
		if got := set.lowestOutside(r, skip); got != outside {
			t.Errorf("lowest outside in %s: got %s, want %s", r, got, outside)
		}
		if got := set.lowestInside(r, skip, []*addressSet{nil, &other}); got != inside {
			t.Errorf("lowest inside in %s: got %s, want %s", r, got, inside)
		}
		for a := range in {
			set.remove(a)
		}
		if !set.empty() {
			t.Errorf("left after removing all: %v", set.pages)
		}
	})
}

// TestAddressSetAtTheEnds covers the first and last addresses there are.
func TestAddressSetAtTheEnds(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"0.0.0.0/0", "::/0"} {
		r := netipx.RangeOfPrefix(netip.MustParsePrefix(text))
		var set addressSet
		set.add(r.From())
		set.add(r.To())
		if got := set.lowestOutside(r, octets{}); got != r.From().Next() {
			t.Errorf("%s: lowest outside is %s", text, got)
		}
		last := netipx.IPRangeFrom(r.To(), r.To())
		if got := set.lowestOutside(last, octets{}); got.IsValid() {
			t.Errorf("%s: past the end there is %s", text, got)
		}
		set.remove(r.From())
		if got := set.lowestInside(r, octets{}, nil); got != r.To() {
			t.Errorf("%s: lowest inside is %s", text, got)
		}
	}
}
