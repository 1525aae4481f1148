package layer2

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/ndp"
)

var (
	client6  = netip.MustParseAddr("2001:db8::9")
	owned6   = netip.MustParseAddr("2001:db8::80")
	foreign6 = netip.MustParseAddr("2001:db8::81")
)

// solicitation asks for owned6 as a kernel does that has no entry for it.
func solicitation() ndpPacket {
	return ndpPacket{
		DstMAC: MAC{0x33, 0x33, 0xff, 0, 0, 0x80}, SrcMAC: client,
		Dst: solicitedNode(owned6), Src: client6,
		Type: ndpSolicit, Target: owned6, LinkAddr: client,
	}
}

// with returns what f makes of the solicitation.
func with(f func(*ndpPacket)) ndpPacket {
	p := solicitation()
	f(&p)
	return p
}

// spoilt returns p as a frame that f has changed, with its checksum right again.
func spoilt(p ndpPacket, f func(frame []byte) []byte) []byte {
	b := f(p.append(nil))
	if len(b) >= ethernetLen+ipv6Len+4 {
		size := min(int(binary.BigEndian.Uint16(b[18:])), len(b)-ethernetLen-ipv6Len)
		icmp := b[ethernetLen+ipv6Len:][:size]
		if len(icmp) >= 4 {
			icmp[2], icmp[3] = 0, 0
			binary.BigEndian.PutUint16(icmp[2:], icmpChecksum(b[22:54], icmp))
		}
	}
	return b
}

// option appends an option to the frame of a solicitation.
func option(o ...byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b = append(b, o...)
		binary.BigEndian.PutUint16(b[18:], uint16(len(b)-ethernetLen-ipv6Len))
		return b
	}
}

func set(at int, value byte) func([]byte) []byte {
	return func(b []byte) []byte { b[at] = value; return b }
}

// TestNDPFrame pins the octets of a solicitation.
func TestNDPFrame(t *testing.T) {
	t.Parallel()
	want := frame(t, `
		3333ff000080 0200000000c1 86dd
		60000000 0020 3a ff
		20010db8 00000000 00000000 00000009
		ff020000 00000000 00000001 ff000080
		87 00 1a63 00000000
		20010db8 00000000 00000000 00000080
		01 01 0200000000c1`)
	if diff := cmp.Diff(want, solicitation().append(nil)); diff != "" {
		t.Error(diff)
	}
}

func TestParseNDP(t *testing.T) {
	t.Parallel()
	probe := with(func(p *ndpPacket) { p.DstMAC, p.Dst, p.LinkAddr = ours, owned6, MAC{} })
	dad := with(func(p *ndpPacket) { p.Src, p.LinkAddr = netip.IPv6Unspecified(), MAC{} })
	for name, p := range map[string]ndpPacket{
		"solicitation":              solicitation(),
		"unicast probe":             probe,
		"duplicate address probe":   dad,
		"advertisement":             ndpAnswer(claim{Addr: owned6, MAC: ours, To: station{IP: client6, MAC: client}}),
		"unsolicited advertisement": ndpGratuitous(owned6, ours),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := p.append(nil)
			got, ok := parseNDP(append(b, 0xde, 0xad)) // padding
			if !ok {
				t.Error("refused")
			}
			if diff := cmp.Diff(p, got, sameAddr); diff != "" {
				t.Error(diff)
			}
			if _, err := ndp.ParseMessage(b[ethernetLen+ipv6Len:]); err != nil {
				t.Errorf("oracle: %v", err)
			}
		})
	}

	skipped := with(func(p *ndpPacket) {})
	for name, b := range map[string][]byte{
		"nonce option":          spoilt(skipped, option(14, 1, 1, 2, 3, 4, 5, 6)),
		"unknown option":        spoilt(skipped, option(200, 1, 1, 2, 3, 4, 5, 6)),
		"traffic class, a flow": spoilt(skipped, func(b []byte) []byte { copy(b[14:], []byte{0x6e, 1, 2, 3}); return b }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseNDP(b)
			if !ok {
				t.Error("refused")
			}
			if diff := cmp.Diff(skipped, got, sameAddr); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestParseNDPRefuses has every reason to discard of RFC 4861, 7.1.1 and 7.1.2.
func TestParseNDPRefuses(t *testing.T) {
	t.Parallel()
	none := with(func(p *ndpPacket) { p.LinkAddr = MAC{} })
	dad := with(func(p *ndpPacket) { p.Src, p.LinkAddr = netip.IPv6Unspecified(), MAC{} })
	whole := solicitation().append(nil)
	for name, b := range map[string][]byte{
		"empty":                      nil,
		"cut in the target":          whole[:70],
		"cut in the option":          whole[:len(whole)-1],
		"payload longer than frame":  spoilt(solicitation(), set(19, 33)),
		"payload shorter than 24":    spoilt(solicitation(), set(19, 23)),
		"IPv4 EtherType":             spoilt(solicitation(), set(13, 0)),
		"tagged":                     spoilt(solicitation(), func(b []byte) []byte { copy(b[12:], []byte{0x81, 0, 0, 5}); return b }),
		"IP version 4":               spoilt(solicitation(), set(14, 4<<4)),
		"hop-by-hop header":          spoilt(solicitation(), set(20, 0)),
		"fragment header":            spoilt(solicitation(), set(20, 44)),
		"hop limit 64":               spoilt(solicitation(), set(21, 64)),
		"hop limit 254":              spoilt(solicitation(), set(21, 254)),
		"echo request":               spoilt(solicitation(), set(54, 128)),
		"router solicitation":        spoilt(solicitation(), set(54, 133)),
		"code 1":                     spoilt(solicitation(), set(55, 1)),
		"wrong checksum":             set(56, 0xff)(solicitation().append(nil)),
		"multicast target":           with(func(p *ndpPacket) { p.Target = solicitedNode(owned6) }).append(nil),
		"multicast source":           with(func(p *ndpPacket) { p.Src = allNodes().IP }).append(nil),
		"option without length":      spoilt(none, option(1, 0, 2, 0, 0, 0, 0, 0xc1)),
		"option beyond the end":      spoilt(none, option(1, 2, 2, 0, 0, 0, 0, 0xc1)),
		"option of one octet":        spoilt(none, option(1)),
		"link-layer option too long": spoilt(none, option(append([]byte{1, 2}, make([]byte, 14)...)...)),
		"link-layer option a group":  spoilt(none, option(1, 1, 0x33, 0x33, 0, 0, 0, 1)),
		"link-layer option zero":     spoilt(none, option(1, 1, 0, 0, 0, 0, 0, 0)),
		"no source, with its option": spoilt(dad, option(1, 1, 2, 0, 0, 0, 0, 0xc1)),
		"no source, to all nodes":    with(func(p *ndpPacket) { p.Src, p.LinkAddr, p.Dst = netip.IPv6Unspecified(), MAC{}, allNodes().IP }).append(nil),
		"no source, to the target":   with(func(p *ndpPacket) { p.Src, p.LinkAddr, p.Dst = netip.IPv6Unspecified(), MAC{}, owned6 }).append(nil),
		"solicited to a group":       spoilt(ndpGratuitous(owned6, ours), set(58, flagSolicited)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p, ok := parseNDP(b); ok {
				t.Errorf("parsed %+v", p)
			}
		})
	}
}

// TestNDPAnswer shows the answers to an independent parser.
func TestNDPAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		packet    ndpPacket
		dst       netip.Addr
		mac       MAC
		solicited bool
	}{
		"to a client":  {ndpAnswer(claim{Addr: owned6, MAC: ours, To: station{IP: client6, MAC: client}}), client6, client, true},
		"to all nodes": {ndpGratuitous(owned6, ours), netip.MustParseAddr("ff02::1"), MAC{0x33, 0x33, 0, 0, 0, 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := tc.packet.append(nil)
			got, err := ndp.ParseMessage(b[ethernetLen+ipv6Len:])
			if err != nil {
				t.Fatal(err)
			}
			want := &ndp.NeighborAdvertisement{
				Solicited: tc.solicited, Override: true, TargetAddress: owned6,
				Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: ours[:]}},
			}
			if diff := cmp.Diff(ndp.Message(want), got, sameAddr); diff != "" {
				t.Error(diff)
			}
			if tc.packet.Dst != tc.dst || tc.packet.DstMAC != tc.mac || tc.packet.Src != owned6 {
				t.Errorf("carried by %+v", tc.packet)
			}
			// The kernel computes the checksum elsewhere; the oracle does it here.
			sum, err := ndp.MarshalMessageChecksum(want, owned6, tc.dst)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sum, b[ethernetLen+ipv6Len:]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSolicitedNode(t *testing.T) {
	t.Parallel()
	for addr, group := range map[string]string{
		"2001:db8::80":             "ff02::1:ff00:80",
		"2001:db8::1234:5678:9abc": "ff02::1:ff78:9abc",
		"2001:db8:1::ff78:9abc":    "ff02::1:ff78:9abc",
	} {
		if got := solicitedNode(netip.MustParseAddr(addr)); got.String() != group || !isSolicitedNode(got) {
			t.Errorf("%s: got %v, want %s", addr, got, group)
		}
	}
}

// FuzzNDP is FuzzARP for solicitations.
func FuzzNDP(f *testing.F) {
	f.Add(solicitation().append(nil))
	f.Add(with(func(p *ndpPacket) { p.Target, p.Dst = foreign6, solicitedNode(foreign6) }).append(nil))
	f.Add(with(func(p *ndpPacket) { p.Src, p.LinkAddr = netip.IPv6Unspecified(), MAC{} }).append(nil))
	f.Add(with(func(p *ndpPacket) { p.DstMAC, p.Dst, p.LinkAddr = ours, owned6, MAC{} }).append(nil))
	f.Add(ndpGratuitous(owned6, stranger).append(nil))
	f.Add(spoilt(solicitation(), option(1, 0)))
	f.Add([]byte(strings.Repeat("\x00", 86)))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = spoilt(ndpPacket{Dst: owned6, Src: owned6, Target: owned6}, func([]byte) []byte { return in })
		r := newResponder(NDP, owned6)
		reply, _, why := r.respond(in)
		if (reply == nil) == (why == "") {
			t.Fatalf("reply % x and silence %q", reply, why)
		}
		asked, ok := parseNDP(in)
		if !ok {
			if reply != nil {
				t.Fatalf("answered what cannot be read: % x", reply)
			}
			return
		}
		if again, ok := parseNDP(asked.append(nil)); !ok || again != asked {
			t.Fatalf("read %+v, written and read again %+v", asked, again)
		}
		if reply == nil {
			return
		}
		said, ok := parseNDP(reply)
		if !ok || asked.Target != owned6 || said.Target != owned6 || said.LinkAddr != ours || said.SrcMAC != ours {
			t.Fatalf("asked %+v, said %+v", asked, said)
		}
		if _, err := ndp.ParseMessage(reply[ethernetLen+ipv6Len:]); err != nil {
			t.Fatalf("said what the oracle refuses: %v", err)
		}
	})
}
