package layer2

import (
	"encoding/binary"
	"net/netip"
)

const (
	arpLen     = 28 // for 6-octet hardware and 4-octet protocol addresses
	arpRequest = 1
	arpReply   = 2

	// arpHeader is HTYPE 1 (Ethernet), PTYPE 0x0800 (IPv4), HLEN 6, PLEN 4: the
	// only combination that is read or written here.
	arpHeader = 0x0001_0800_06_04
)

// arpPacket is an ARP packet for IPv4 over Ethernet (RFC 826) with the Ethernet
// addresses that carry it. The codec is our own and works in place because every
// answer goes through it; github.com/mdlayher/arp, which allocates, judges it in
// the tests.
type arpPacket struct {
	Dst, Src MAC
	Op       uint16
	SHA      MAC        // sender hardware address
	SPA      netip.Addr // sender protocol address
	THA      MAC        // target hardware address
	TPA      netip.Addr // target protocol address
}

// parseARP reads a frame. It reports false for anything but a complete ARP
// packet for IPv4 over Ethernet; what follows the packet is padding.
func parseARP(frame []byte) (arpPacket, bool) {
	if len(frame) < ethernetLen+arpLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeARP {
		return arpPacket{}, false
	}
	b := frame[ethernetLen:]
	if binary.BigEndian.Uint64(b)>>16 != arpHeader {
		return arpPacket{}, false
	}
	return arpPacket{
		Dst: MAC(frame[0:6]),
		Src: MAC(frame[6:12]),
		Op:  binary.BigEndian.Uint16(b[6:]),
		SHA: MAC(b[8:14]),
		SPA: netip.AddrFrom4([4]byte(b[14:18])),
		THA: MAC(b[18:24]),
		TPA: netip.AddrFrom4([4]byte(b[24:28])),
	}, true
}

// append appends p as a frame to b. SPA and TPA must be IPv4.
func (p arpPacket) append(b []byte) []byte {
	b = appendEthernet(b, p.Dst, p.Src, etherTypeARP)
	b = binary.BigEndian.AppendUint64(b, arpHeader<<16|uint64(p.Op))
	spa, tpa := p.SPA.As4(), p.TPA.As4()
	b = append(b, p.SHA[:]...)
	b = append(b, spa[:]...)
	b = append(b, p.THA[:]...)
	return append(b, tpa[:]...)
}

// question returns what p asks, and false if p does not ask.
func (p arpPacket) question() (question, bool) {
	return question{Addr: p.TPA, Asker: station{IP: p.SPA, MAC: p.SHA}}, p.Op == arpRequest
}

// says returns who has which address according to the sender, whatever kind of
// packet it is (RFC 5227, 2.4). A probe, sent from 0.0.0.0, says nothing.
func (p arpPacket) says() station { return station{IP: p.SPA, MAC: p.SHA} }

// arpProbe asks whether anybody has an address, in a way that changes nobody's
// mind about who does (RFC 5227, 2.1.1).
func arpProbe(addr netip.Addr, mac MAC) arpPacket {
	return arpPacket{Dst: broadcast(), Src: mac, Op: arpRequest, SHA: mac, SPA: netip.IPv4Unspecified(), TPA: addr}
}

// arpAnswer returns the reply that carries c: to the asker alone, with sender
// and target exchanged (RFC 826; RFC 5227, 2.6 discourages broadcast replies).
func arpAnswer(c claim) arpPacket {
	return arpPacket{
		Dst: c.To.MAC, Src: c.MAC, Op: arpReply,
		SHA: c.MAC, SPA: c.Addr,
		THA: c.To.MAC, TPA: c.To.IP,
	}
}

// arpGratuitous returns the two forms of an unasked claim, to be sent in this
// order. First the request form, the announcement of RFC 5227, 2.3: Linux obeys
// it whatever the state of its neighbour entry. Then the reply form, for the
// stations that learn from replies only; its target hardware address is the
// sender's, not broadcast, because Linux ignores the broadcast form for a second
// after any other update of the entry.
func arpGratuitous(addr netip.Addr, mac MAC) []arpPacket {
	request := arpPacket{Dst: broadcast(), Src: mac, Op: arpRequest, SHA: mac, SPA: addr, TPA: addr}
	reply := request
	reply.Op, reply.THA = arpReply, mac
	return []arpPacket{request, reply}
}

// arpRefresh returns the one form that reminds of what everybody knows.
func arpRefresh(addr netip.Addr, mac MAC) []arpPacket { return arpGratuitous(addr, mac)[:1] }
