//go:build linux

package wire

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// set is a set of addresses in a form that a filter can search: a program without
// loops and without memory of its own, of at most 4,096 instructions. Addresses
// of one pool are neighbours, which is what makes thousands of them fit: 32
// neighbours are one bucket, a bit for each, and the buckets are the leaves of a
// search tree.
//
// Where that is still too much, the grain grows: one bit stands for 2, 4, 8…
// neighbours. A set so holds more than it was made of, never less.
type set struct {
	grain   uint32   // how many low bits of an address do not count
	buckets []bucket // sorted by number
}

// bucket holds the members whose bits above the five that count least are number.
type bucket struct{ number, members uint32 }

// mostBuckets leaves the two searches of a program under its limit.
const mostBuckets = 400

// newSet returns the finest set of addrs that has at most so many buckets.
func newSet(addrs []netip.Addr, most int) set {
	keys := make([]uint32, len(addrs))
	for i, addr := range addrs {
		a := addr.As16()
		keys[i] = binary.BigEndian.Uint32(a[12:])
	}
	slices.Sort(keys)
	for grain := uint32(0); ; grain++ {
		s := set{grain: grain}
		for _, key := range keys {
			s.add(key >> grain)
		}
		if len(s.buckets) <= most {
			return s
		}
	}
}

// add takes in a key that is not less than any before.
func (s *set) add(key uint32) {
	number, member := key>>5, uint32(1)<<(key&31)
	if n := len(s.buckets); n > 0 && s.buckets[n-1].number == number {
		s.buckets[n-1].members |= member
		return
	}
	s.buckets = append(s.buckets, bucket{number, member})
}

// search returns the instructions that pass a frame with a member of s in the
// field at that offset, and go on after the last of them with one without.
func (s set) search(field uint32) []bpf.Instruction {
	if len(s.buckets) == 0 {
		return nil
	}
	test := []bpf.Instruction{ // of the bit X in the members A
		bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.TXA{},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 31},
		bpf.TAX{},
		bpf.LoadScratch{Dst: bpf.RegA, N: 0},
		bpf.ALUOpX{Op: bpf.ALUOpShiftRight},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 1, SkipFalse: 1},
		bpf.RetConstant{Val: whole},
	}
	out := []bpf.Instruction{
		bpf.LoadAbsolute{Off: field, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: s.grain},
		bpf.TAX{},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 5},
	}
	return append(append(out, tree(s.buckets, 0, uint32(len(test)))...), test...)
}

// tree returns the instructions that load the members of the bucket A. They end
// so many instructions before the test of the members, or, where there is no such
// bucket, behind it.
func tree(buckets []bucket, before, test uint32) []bpf.Instruction {
	if len(buckets) == 1 {
		return []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: buckets[0].number, SkipTrue: 1},
			bpf.Jump{Skip: 2 + before + test},
			bpf.LoadConstant{Dst: bpf.RegA, Val: buckets[0].members},
			bpf.Jump{Skip: before},
		}
	}
	half := len(buckets) / 2
	high := tree(buckets[half:], before, test)
	low := tree(buckets[:half], before+uint32(len(high)), test)
	out := []bpf.Instruction{bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: buckets[half].number, SkipTrue: uint8(len(low))}}
	if len(low) > math.MaxUint8 { // further than a conditional jump goes
		out = []bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: buckets[half].number, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(low))},
		}
	}
	return append(append(out, low...), high...)
}
