//go:build linux

package wire

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/layer2"
)

// Offsets into an untagged Ethernet frame.
const (
	arpOp        = 20
	ipNextHeader = 20
	ipHopLimit   = 21
	icmpType     = 54
)

// filter returns the program that the kernel runs on every frame before it
// wakes the process: it passes what asks for an address and what claims one, and
// of a storm of anything else nothing.
//
// Whether the frame is for this host is the kernel's own verdict, the packet
// type. It is right where a comparison with the interface's MAC would be wrong:
// after the MAC has changed, and for a tagged frame of a VLAN that this host does
// not have, which arrives on the parent interface with its tag removed and the
// type "other host".
func filter(p layer2.Protocol) ([]bpf.RawInstruction, error) {
	var tests []test
	switch p {
	case layer2.ARP:
		tests = []test{
			{bpf.LoadExtension{Num: bpf.ExtType}, []uint32{unix.PACKET_HOST, unix.PACKET_BROADCAST}},
			{bpf.LoadAbsolute{Off: arpOp, Size: 2}, []uint32{1, 2}}, // request, reply
		}
	case layer2.NDP:
		tests = []test{
			{bpf.LoadExtension{Num: bpf.ExtType}, []uint32{unix.PACKET_HOST, unix.PACKET_MULTICAST}},
			{bpf.LoadAbsolute{Off: ipNextHeader, Size: 1}, []uint32{unix.IPPROTO_ICMPV6}},
			{bpf.LoadAbsolute{Off: ipHopLimit, Size: 1}, []uint32{255}},
			{bpf.LoadAbsolute{Off: icmpType, Size: 1}, []uint32{135, 136}}, // solicitation, advertisement
		}
	}
	return bpf.Assemble(program(tests))
}

// test loads a value and asks that it be one of those given.
type test struct {
	load bpf.Instruction
	any  []uint32
}

// program returns the instructions that pass a frame whole if it passes all
// tests. A load beyond the end of a frame drops it.
func program(tests []test) []bpf.Instruction {
	var out []bpf.Instruction
	for _, t := range tests {
		out = append(out, t.load)
		for i, value := range t.any {
			// Past the values left and the drop.
			out = append(out, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: uint8(len(t.any) - i)})
		}
		out = append(out, bpf.RetConstant{Val: 0})
	}
	return append(out, bpf.RetConstant{Val: 1 << 16})
}
