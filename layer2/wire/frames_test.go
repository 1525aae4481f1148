//go:build linux

package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
)

var (
	broadcast   = layer2.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodesMAC = layer2.MAC{0x33, 0x33, 0, 0, 0, 1}
	allNodes    = netip.IPv6LinkLocalAllNodes()
)

// packetARP is an ARP packet. Like all frames of these tests it is made by a
// library that shares no code with layer2.
type packetARP struct {
	src, dst layer2.MAC // of the frame
	op       arp.Operation
	sha, tha layer2.MAC
	spa, tpa netip.Addr
}

func (p packetARP) frame(tb testing.TB) []byte {
	tb.Helper()
	a, err := arp.NewPacket(p.op, p.sha[:], p.spa, p.tha[:], p.tpa)
	segment.Must(tb, err)
	b, err := a.MarshalBinary()
	segment.Must(tb, err)
	f := ethernet.Frame{Destination: p.dst[:], Source: p.src[:], EtherType: ethernet.EtherTypeARP, Payload: b}
	b, err = f.MarshalBinary()
	segment.Must(tb, err)
	return b[:42] // without the padding
}

// packetNDP is a neighbour discovery message.
type packetNDP struct {
	srcMAC, dstMAC layer2.MAC
	src, dst       netip.Addr
	message        ndp.Message
}

func (p packetNDP) frame(tb testing.TB) []byte {
	tb.Helper()
	icmp, err := ndp.MarshalMessageChecksum(p.message, p.src, p.dst)
	segment.Must(tb, err)
	ip := []byte{6 << 4, 0, 0, 0, 0, 0, unix.IPPROTO_ICMPV6, ndp.HopLimit}
	binary.BigEndian.PutUint16(ip[4:], uint16(len(icmp)))
	ip = append(append(ip, p.src.AsSlice()...), p.dst.AsSlice()...)
	f := ethernet.Frame{
		Destination: p.dstMAC[:], Source: p.srcMAC[:],
		EtherType: ethernet.EtherTypeIPv6, Payload: append(ip, icmp...),
	}
	b, err := f.MarshalBinary()
	segment.Must(tb, err)
	return b
}

// request asks for addr in the name of asker, as the client's kernel would.
func request(asker, addr netip.Addr) packetARP {
	return packetARP{
		src: clientMAC, dst: broadcast, op: arp.OperationRequest,
		sha: clientMAC, spa: asker, tpa: addr,
	}
}

// solicit asks for addr in the name of asker, as the client's kernel would.
func solicit(tb testing.TB, asker, addr netip.Addr) packetNDP {
	tb.Helper()
	group, err := ndp.SolicitedNodeMulticast(addr)
	segment.Must(tb, err)
	g := group.As16()
	return packetNDP{
		srcMAC: clientMAC, dstMAC: layer2.MAC{0x33, 0x33, g[12], g[13], g[14], g[15]}, src: asker, dst: group,
		message: &ndp.NeighborSolicitation{
			TargetAddress: addr,
			Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: clientMAC[:]}},
		},
	}
}

// advertise is what mac, at dst, says about the owner of addr.
func advertise(mac, dstMAC layer2.MAC, addr, dst netip.Addr) packetNDP {
	return packetNDP{
		srcMAC: mac, dstMAC: dstMAC, src: addr, dst: dst,
		message: &ndp.NeighborAdvertisement{
			Solicited: dst != allNodes, Override: true, TargetAddress: addr,
			Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac[:]}},
		},
	}
}

// change returns a copy of frame that f has worked on.
func change(frame []byte, f func([]byte) []byte) []byte {
	return f(append([]byte(nil), frame...))
}

func set(at int, value ...byte) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[at:], value); return b }
}

// tagged puts frame into a VLAN.
func tagged(frame []byte, id byte) []byte {
	return append(append(append([]byte(nil), frame[:12]...), 0x81, 0, 0, id), frame[12:]...)
}

// hostileARP are frames that deserve no answer from a node with owned4.
func hostileARP(tb testing.TB) map[string][]byte {
	tb.Helper()
	good := request(client4, owned4)
	frame := good.frame(tb)
	but := func(f func(p *packetARP)) []byte {
		p := good
		f(&p)
		return p.frame(tb)
	}
	return map[string][]byte{
		"for another address":     but(func(p *packetARP) { p.tpa = netip.MustParseAddr("192.0.2.81") }),
		"reply":                   but(func(p *packetARP) { p.op, p.dst = arp.OperationReply, nodeMAC }),
		"operation 3":             but(func(p *packetARP) { p.op = 3 }),
		"announcement of another": but(func(p *packetARP) { p.spa = owned4 }),
		"from our own MAC":        but(func(p *packetARP) { p.sha = nodeMAC }),
		"from a group":            but(func(p *packetARP) { p.sha = broadcast }),
		"to another MAC":          but(func(p *packetARP) { p.dst = otherMAC }),
		"to a group":              but(func(p *packetARP) { p.dst = allNodesMAC }),
		"HTYPE 6":                 change(frame, set(14, 0, 6)),
		"PTYPE 0":                 change(frame, set(16, 0, 0)),
		"HLEN 0":                  change(frame, set(18, 0)),
		"PLEN 255":                change(frame, set(19, 255)),
		"in a VLAN we lack":       tagged(frame, 5),
		"in a VLAN of eth0.7":     tagged(frame, 7),
		"in two such VLANs":       tagged(tagged(frame, 5), 6),
		"cut to the header":       frame[:14],
		"cut in the lengths":      frame[:19],
		"cut in the operation":    frame[:21],
		"cut after the operation": frame[:22],
		"cut by one octet":        frame[:41],
	}
}

// hostileNDP are frames that deserve no answer from a node with owned6.
func hostileNDP(tb testing.TB) map[string][]byte {
	tb.Helper()
	good := solicit(tb, client6, owned6)
	frame := good.frame(tb)
	but := func(f func(p *packetNDP)) []byte {
		p := good
		f(&p)
		return p.frame(tb)
	}
	return map[string][]byte{
		"for another address":         solicit(tb, client6, netip.MustParseAddr("2001:db8::81")).frame(tb),
		"advertisement of another":    advertise(otherMAC, allNodesMAC, owned6, allNodes).frame(tb),
		"from our own MAC":            but(func(p *packetNDP) { p.srcMAC = nodeMAC; p.message = &ndp.NeighborSolicitation{TargetAddress: owned6} }),
		"from nobody, with a MAC":     but(func(p *packetNDP) { p.src = netip.IPv6Unspecified() }),
		"from a group":                but(func(p *packetNDP) { p.src = allNodes }),
		"to another MAC":              but(func(p *packetNDP) { p.dstMAC = otherMAC }),
		"router solicitation":         but(func(p *packetNDP) { p.message = &ndp.RouterSolicitation{} }),
		"hop limit 64":                change(frame, set(21, 64)),
		"code 1, checksum wrong":      change(frame, set(55, 1)),
		"checksum wrong":              change(frame, set(56, frame[56]+1)),
		"option length 0":             change(frame, set(79, 0)),
		"option length 255":           change(frame, set(79, 255)),
		"payload length 0":            change(frame, set(18, 0, 0)),
		"payload length 65535":        change(frame, set(18, 0xff, 0xff)),
		"fragment":                    change(frame, set(20, unix.IPPROTO_FRAGMENT)),
		"in a VLAN we lack":           tagged(frame, 5),
		"in a VLAN of eth0.7":         tagged(frame, 7),
		"cut to the Ethernet header":  frame[:14],
		"cut in the next header":      frame[:20],
		"cut in the hop limit":        frame[:21],
		"cut before the ICMPv6 type":  frame[:54],
		"cut after the ICMPv6 type":   frame[:55],
		"cut in the target":           frame[:70],
		"cut before the option":       frame[:78],
		"cut in the option's address": frame[:85],
	}
}

// tap sends and receives raw frames of one EtherType on a host's eth0.
type tap struct {
	t testing.TB
	c *packet.Conn
}

func (h host) tap(etherType int) tap {
	h.tb.Helper()
	index := h.Link("eth0").Attrs().Index
	var c *packet.Conn
	var err error
	h.Do(func() { c, err = packet.Listen(&net.Interface{Index: index}, packet.Raw, etherType, nil) })
	segment.Must(h.tb, err)
	h.tb.Cleanup(func() { _ = c.Close() })
	return tap{t: h.tb, c: c}
}

func (p tap) send(frame []byte) {
	p.t.Helper()
	_, err := p.c.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]})
	segment.Must(p.t, err)
}

// next returns the next ARP packet or neighbour advertisement in hexadecimal.
func (p tap) next() string {
	p.t.Helper()
	segment.Must(p.t, p.c.SetReadDeadline(time.Now().Add(10*time.Second)))
	b := make([]byte, 2048)
	for {
		n, _, err := p.c.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.t.Fatal("heard nothing any more")
		}
		segment.Must(p.t, err)
		if n > 54 && b[12] == 0x86 && b[54] != 136 {
			continue // some other business of the kernels
		}
		return hex.EncodeToString(b[:n])
	}
}

// mldRecord is what a report of multicast listeners says of one group.
type mldRecord struct {
	group  netip.Addr
	change byte
}

// How a membership of all sources begins and ends (RFC 3810, 5.2.12).
const (
	mldLeft   = 3 // CHANGE_TO_INCLUDE_MODE, of nothing
	mldJoined = 4 // CHANGE_TO_EXCLUDE_MODE, of nothing
)

// reported waits for a report, and returns the records that came before it.
func (p tap) reported(group netip.Addr, change byte) (before []mldRecord) {
	p.t.Helper()
	segment.Must(p.t, p.c.SetReadDeadline(time.Now().Add(time.Minute)))
	b := make([]byte, 2048)
	for {
		n, _, err := p.c.ReadFrom(b)
		if err != nil {
			p.t.Fatalf("change %d of %s is not reported, but %v: %v", change, group, before, err)
		}
		// Ethernet, IPv6, the router alert (RFC 2711), then a report of version 2.
		if n < 70 || b[20] != unix.IPPROTO_HOPOPTS || b[62] != 143 {
			continue
		}
		for r := b[70:n]; len(r) >= 20; r = r[20+16*int(binary.BigEndian.Uint16(r[2:])):] {
			record := mldRecord{group: netip.AddrFrom16([16]byte(r[4:20])), change: r[0]}
			if record == (mldRecord{group, change}) {
				return before
			}
			before = append(before, record)
		}
	}
}

// TestHostileFrames: on a real cable none of them is answered, and none keeps the
// next good question from being; nor if the interface is promiscuous, as the port
// of a bridge is or one that somebody watches, and takes in what is for others.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	for _, promiscuous := range []bool{false, true} {
		s := newCable(t)
		if promiscuous {
			segment.Must(t, s.node.SetPromiscOn(s.node.Link("eth0")))
		}
		s.hostile(t)
	}
}

func (s cable) hostile(t *testing.T) {
	t.Helper()
	s.node.vlan()
	s.node.announce(owned4, owned6)
	// The good questions come from another address than the hostile frames: the
	// answers can be told apart, and come in order.
	asker4, asker6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::a")
	gratuitous := packetARP{src: nodeMAC, dst: broadcast, op: arp.OperationRequest, sha: nodeMAC, spa: owned4, tpa: owned4}
	asReply := gratuitous
	asReply.op, asReply.tha = arp.OperationReply, nodeMAC
	for _, tc := range []struct {
		name    string
		tap     tap
		hostile map[string][]byte
		good    []byte
		answer  []byte
		unasked [][]byte
	}{
		{
			name: "ARP", tap: s.client.tap(unix.ETH_P_ARP), hostile: hostileARP(t),
			good: request(asker4, owned4).frame(t),
			answer: packetARP{
				src: nodeMAC, dst: clientMAC, op: arp.OperationReply,
				sha: nodeMAC, spa: owned4, tha: clientMAC, tpa: asker4,
			}.frame(t),
			unasked: [][]byte{gratuitous.frame(t), asReply.frame(t)},
		},
		{
			name: "NDP", tap: s.client.tap(unix.ETH_P_IPV6), hostile: hostileNDP(t),
			good:    solicit(t, asker6, owned6).frame(t),
			answer:  advertise(nodeMAC, clientMAC, owned6, asker6).frame(t),
			unasked: [][]byte{advertise(nodeMAC, allNodesMAC, owned6, allNodes).frame(t)},
		},
	} {
		var unasked strings.Builder
		for _, f := range tc.unasked {
			unasked.WriteString(hex.EncodeToString(f) + "\n")
		}
		for name, frame := range tc.hostile {
			tc.tap.send(frame)
			tc.tap.send(tc.good)
			for {
				got := tc.tap.next()
				if got == hex.EncodeToString(tc.answer) {
					break
				}
				if !strings.Contains(unasked.String(), got+"\n") {
					t.Errorf("%s %s was answered: %s", tc.name, name, got)
				}
			}
		}
	}
}

// TestSolicitations: every form of the question gets the answer that RFC 4861,
// 7.2.4 asks for. Override is always set, Router never; Solicited is, except where
// the asker has no address yet to be told at.
func TestSolicitations(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	twin := netip.MustParseAddr("2001:db8:1::80") // shares its group with owned6
	e := s.node.announce(owned6, twin)
	but := func(f func(p *packetNDP, ns *ndp.NeighborSolicitation)) []byte {
		p := solicit(t, client6, owned6)
		f(&p, p.message.(*ndp.NeighborSolicitation))
		return p.frame(t)
	}
	linkLocal := s.client.LinkLocal("eth0")
	toAsker := advertise(nodeMAC, clientMAC, owned6, client6)
	toAll := advertise(nodeMAC, allNodesMAC, owned6, allNodes)
	p := s.client.tap(unix.ETH_P_IPV6)
	for i, tc := range []struct {
		name     string
		question []byte
		answer   packetNDP
	}{
		{"to the group", solicit(t, client6, owned6).frame(t), toAsker},
		{"for the other address of the group", solicit(t, client6, twin).frame(t), advertise(nodeMAC, clientMAC, twin, client6)},
		{"from a link-local address", solicit(t, linkLocal, owned6).frame(t), advertise(nodeMAC, clientMAC, owned6, linkLocal)},
		{"to us", but(func(p *packetNDP, _ *ndp.NeighborSolicitation) { p.dst, p.dstMAC = owned6, nodeMAC }), toAsker},
		{"to us, without the asker's MAC", but(func(p *packetNDP, ns *ndp.NeighborSolicitation) {
			p.dst, p.dstMAC, ns.Options = owned6, nodeMAC, nil
		}), toAsker},
		{"for the MAC of another than the sender", but(func(p *packetNDP, ns *ndp.NeighborSolicitation) {
			ns.Options = []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: otherMAC[:]}}
		}), advertise(nodeMAC, otherMAC, owned6, client6)},
		{"duplicate address detection", but(func(p *packetNDP, ns *ndp.NeighborSolicitation) {
			p.src, ns.Options = netip.IPv6Unspecified(), nil
		}), toAll},
		{"the same, enhanced (RFC 7527)", but(func(p *packetNDP, ns *ndp.NeighborSolicitation) {
			p.src, ns.Options = netip.IPv6Unspecified(), []ndp.Option{ndp.NewNonce()}
		}), toAll},
	} {
		p.send(tc.question)
		for want := hex.EncodeToString(tc.answer.frame(t)); p.next() != want; {
			continue
		}
		// An announcement looks like the answer to everybody.
		segment.Eventually(t, tc.name+": it is answered", func() bool {
			a := e.Status().Addresses
			return a[0].Responses+a[1].Responses == uint64(i+1)
		})
	}
}

// TestPriorityTag: a frame in VLAN 0 has a priority but no VLAN (IEEE 802.1Q),
// and is answered as if it had neither.
func TestPriorityTag(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	e := s.node.announce(owned4, owned6)
	p := s.client.tap(unix.ETH_P_ARP)
	p.send(tagged(request(client4, owned4).frame(t), 0))
	p.send(tagged(solicit(t, client6, owned6).frame(t), 0))
	segment.Eventually(t, "both are answered", func() bool {
		a := e.Status().Addresses
		return a[0].Responses == 1 && a[1].Responses == 1
	})
}
