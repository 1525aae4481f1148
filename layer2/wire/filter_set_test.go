//go:build linux

package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// machine returns what says whether the search in s finds a key: the library's
// own machine for such programs runs it.
func machine(tb testing.TB, s set) (holds func(key uint32) bool) {
	tb.Helper()
	const field = 3
	vm, err := bpf.NewVM(append(s.search(field), bpf.RetConstant{Val: 0}))
	if err != nil {
		tb.Fatal(err)
	}
	return func(key uint32) bool {
		tb.Helper()
		n, err := vm.Run(binary.BigEndian.AppendUint32(make([]byte, field), key))
		if err != nil {
			tb.Fatal(err)
		}
		return n == whole
	}
}

// TestSet: whatever the addresses, all of them are found, and as long as there
// are few enough no other is.
func TestSet(t *testing.T) {
	t.Parallel()
	pool := func(n int, step uint32) (out []uint32) {
		for i := range uint32(n) {
			out = append(out, 0xc633_6400+i*step)
		}
		return out
	}
	var scattered []uint32
	for dice := rand.New(rand.NewPCG(5, 0)); len(scattered) < 3000; { //nolint:gosec // not a secret
		scattered = append(scattered, dice.Uint32())
	}
	for name, tc := range map[string]struct {
		keys  []uint32
		most  int
		grain uint32
	}{
		"none":                        {},
		"one":                         {keys: []uint32{0xc000_0250}},
		"lowest and highest":          {keys: []uint32{0, 0xffff_ffff}},
		"a pool of 8,000":             {keys: pool(8000, 1)},
		"half of a pool of 12,000":    {keys: pool(6000, 2)},
		"a third of a pool of 15,000": {keys: pool(5000, 3), grain: 1},
		"one in each of 400 networks": {keys: pool(400, 256)},
		"and in one more":             {keys: pool(401, 256), grain: 4},
		"scattered":                   {keys: scattered, grain: 19},
		"in a small kernel":           {keys: pool(64, 1), most: 1, grain: 1},
	} {
		var addrs []netip.Addr
		for _, key := range tc.keys {
			a := [16]byte{0x20, 0x01, 0x0d, 0xb8}
			binary.BigEndian.PutUint32(a[12:], key)
			addrs = append(addrs, netip.AddrFrom16(a))
		}
		if tc.most == 0 {
			tc.most = mostBuckets
		}
		s := newSet(addrs, tc.most)
		if s.grain != tc.grain {
			t.Errorf("%s: the grain is %d, not %d", name, s.grain, tc.grain)
		}
		holds := machine(t, s)
		members := make(map[uint32]bool)
		for _, key := range tc.keys {
			members[key>>s.grain] = true
		}
		for _, key := range append([]uint32{0, 5, 0xc633_63ff, 0xffff_ffff}, tc.keys...) {
			for _, a := range []uint32{key - 1, key, key + 1, key + 32, key ^ 0x8000_0000} {
				if got, want := holds(a), members[a>>s.grain]; got != want {
					t.Errorf("%s: %#x is passed: %t", name, a, got)
				}
			}
		}
	}
}

// FuzzSet: no address is ever lost, and at grain 0 none is added.
func FuzzSet(f *testing.F) {
	f.Add([]byte{192, 0, 2, 80, 192, 0, 2, 81}, uint8(255), uint32(0xc000_0252))
	f.Fuzz(func(t *testing.T, octets []byte, most uint8, other uint32) {
		var addrs []netip.Addr
		for ; len(octets) >= 4; octets = octets[4:] {
			addrs = append(addrs, netip.AddrFrom4([4]byte(octets)))
		}
		s := newSet(addrs, int(most)+1)
		holds := machine(t, s)
		isMember := false
		for _, addr := range addrs {
			a := addr.As4()
			key := binary.BigEndian.Uint32(a[:])
			isMember = isMember || key == other
			if !holds(key) {
				t.Errorf("%v is lost", addr)
			}
		}
		if s.grain == 0 && !isMember && holds(other) {
			t.Errorf("%#x is added", other)
		}
	})
}
