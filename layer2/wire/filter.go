//go:build linux

package wire

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/layer2"
)

// Offsets into an untagged Ethernet frame. Of an IPv6 address only the last 32
// bits are looked at, where the addresses of a pool differ.
const (
	arpOp     = 20
	arpSender = 28
	arpTarget = 38

	ipNextHeader = 20
	ipHopLimit   = 21
	ipSource     = 34
	icmpType     = 54
	ndpTarget    = 74
)

// whole is more than the length of any frame: what passes is not cut.
const whole = 1 << 16

// rules are the program that the kernel runs on every frame before it wakes the
// process: it passes what asks for an address and what claims one, and of a storm
// of anything else nothing.
//
// Whether the frame is for this host is the kernel's own verdict, the packet
// type. It is right where a comparison with the interface's MAC would be wrong:
// after the MAC has changed, and for a tagged frame of a VLAN that this host does
// not have, which arrives on the parent interface with its tag removed and the
// type "other host". So are frames that only promiscuous mode brought in.
//
// A VLAN that the host does have is another matter: the kernel shows its frames to
// the listeners of the parent interface too, but as frames of the VLAN's own. So
// the interface is a test as well, or what is announced on eth0 alone would be
// answered on eth0.7.
type rules struct {
	tests  []test
	fields []uint32 // where an address that is asked for or claimed can stand
}

// test loads a value and asks that it be one of those given.
type test struct {
	load bpf.Instruction
	any  []uint32
}

func rulesOf(link layer2.Interface, p layer2.Protocol) rules {
	here := test{bpf.LoadExtension{Num: bpf.ExtInterfaceIndex}, []uint32{uint32(link.Index)}}
	if p == layer2.ARP {
		return rules{
			tests: []test{
				here,
				{bpf.LoadExtension{Num: bpf.ExtType}, []uint32{unix.PACKET_HOST, unix.PACKET_BROADCAST}},
				{bpf.LoadAbsolute{Off: arpOp, Size: 2}, []uint32{1, 2}}, // request, reply
			},
			fields: []uint32{arpTarget, arpSender},
		}
	}
	return rules{
		tests: []test{
			here,
			{bpf.LoadExtension{Num: bpf.ExtType}, []uint32{unix.PACKET_HOST, unix.PACKET_MULTICAST}},
			{bpf.LoadAbsolute{Off: ipNextHeader, Size: 1}, []uint32{unix.IPPROTO_ICMPV6}},
			{bpf.LoadAbsolute{Off: ipHopLimit, Size: 1}, []uint32{255}},
			{bpf.LoadAbsolute{Off: icmpType, Size: 1}, []uint32{135, 136}}, // solicitation, advertisement
		},
		fields: []uint32{ndpTarget, ipSource},
	}
}

// about returns the program that passes a frame if it passes all tests and has
// one of the addresses in any of its fields.
func (r rules) about(s set) []bpf.Instruction {
	out := r.check()
	for _, field := range r.fields {
		out = append(out, s.search(field)...)
	}
	return append(out, bpf.RetConstant{Val: 0})
}

// anything returns the program that passes a frame whatever address it is about.
func (r rules) anything() []bpf.Instruction {
	return append(r.check(), bpf.RetConstant{Val: whole})
}

// check returns the instructions that a frame gets through if it passes all
// tests. A load beyond the end of a frame drops it.
func (r rules) check() []bpf.Instruction {
	var out []bpf.Instruction
	for _, t := range r.tests {
		out = append(out, t.load)
		for i, value := range t.any {
			// Past the values left and the drop.
			out = append(out, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: uint8(len(t.any) - i)})
		}
		out = append(out, bpf.RetConstant{Val: 0})
	}
	return out
}
