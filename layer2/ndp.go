package layer2

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv6Len       = 40
	ipv6ICMP      = 58  // next header
	ndpHopLimit   = 255 // what no router can forge (RFC 4861, 3.1)
	ndpLen        = 24  // ICMPv6 header, flags and target
	ndpSolicit    = 135
	ndpAdvertise  = 136
	optionSource  = 1 // source link-layer address (RFC 4861, 4.6.1)
	optionTarget  = 2 // target link-layer address
	linkOptionLen = 8 // type, length and an Ethernet address (RFC 2464, 6)

	flagSolicited = 0x40
	flagOverride  = 0x20
)

// ndpPacket is a neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4)
// with the Ethernet and IPv6 addresses that carry it. Like arpPacket it has its
// own codec, judged in the tests by github.com/mdlayher/ndp and by the kernel.
type ndpPacket struct {
	DstMAC, SrcMAC MAC
	Dst, Src       netip.Addr
	Type           uint8 // ndpSolicit or ndpAdvertise
	Flags          uint8 // of an advertisement; 0 in a solicitation
	Target         netip.Addr
	// LinkAddr is the link-layer address option that belongs to the type: the
	// source's in a solicitation, the target's in an advertisement. Zero: none.
	LinkAddr MAC
}

// parseNDP reads a frame. It reports false for anything that a node must
// silently discard (RFC 4861, 7.1.1 and 7.1.2), and for packets with extension
// headers, which no known host sends.
func parseNDP(frame []byte) (ndpPacket, bool) {
	if len(frame) < ethernetLen+ipv6Len+ndpLen || binary.BigEndian.Uint16(frame[12:]) != etherTypeIPv6 {
		return ndpPacket{}, false
	}
	ip := frame[ethernetLen:]
	size := int(binary.BigEndian.Uint16(ip[4:]))
	if ip[0]>>4 != 6 || ip[6] != ipv6ICMP || ip[7] != ndpHopLimit || size < ndpLen || size > len(ip)-ipv6Len {
		return ndpPacket{}, false
	}
	icmp := ip[ipv6Len:][:size] // what follows is padding
	if icmp[1] != 0 || icmpChecksum(ip[8:40], icmp) != 0 {
		return ndpPacket{}, false
	}
	p := ndpPacket{
		DstMAC: MAC(frame[0:6]),
		SrcMAC: MAC(frame[6:12]),
		Src:    netip.AddrFrom16([16]byte(ip[8:24])),
		Dst:    netip.AddrFrom16([16]byte(ip[24:40])),
		Type:   icmp[0],
		Target: netip.AddrFrom16([16]byte(icmp[8:24])),
	}
	if p.Target.IsMulticast() || p.Src.IsMulticast() {
		return ndpPacket{}, false
	}
	switch p.Type {
	case ndpSolicit:
		if !p.parseOptions(icmp[ndpLen:], optionSource) {
			return ndpPacket{}, false
		}
		// Somebody's duplicate address detection (RFC 4862, 5.4.2).
		if p.Src.IsUnspecified() && (!isSolicitedNode(p.Dst) || p.LinkAddr != MAC{}) {
			return ndpPacket{}, false
		}
	case ndpAdvertise:
		p.Flags = icmp[4]
		if !p.parseOptions(icmp[ndpLen:], optionTarget) || p.Dst.IsMulticast() && p.Flags&flagSolicited != 0 {
			return ndpPacket{}, false
		}
	default:
		return ndpPacket{}, false
	}
	return p, true
}

// parseOptions reads the options in b and keeps the link-layer address of the
// given type; other options are skipped (RFC 4861, 4.6). It reports false if one
// has no length, exceeds b, or holds a link-layer address that is not a
// station's on an Ethernet.
func (p *ndpPacket) parseOptions(b []byte, linkAddr uint8) bool {
	for len(b) > 0 {
		if len(b) < 2 {
			return false
		}
		size := int(b[1]) * 8
		if size == 0 || size > len(b) {
			return false
		}
		if b[0] == linkAddr {
			if size != linkOptionLen || !MAC(b[2:8]).isStation() {
				return false
			}
			p.LinkAddr = MAC(b[2:8])
		}
		b = b[size:]
	}
	return true
}

// append appends p as a frame to b. Dst, Src and Target must be IPv6.
func (p ndpPacket) append(b []byte) []byte {
	size := ndpLen
	option := uint8(optionSource)
	if p.Type == ndpAdvertise {
		option = optionTarget
	}
	if p.LinkAddr != (MAC{}) {
		size += linkOptionLen
	}

	b = appendEthernet(b, p.DstMAC, p.SrcMAC, etherTypeIPv6)
	start := len(b)
	b = append(b, 6<<4, 0, 0, 0, 0, uint8(size), ipv6ICMP, ndpHopLimit)
	src, dst, target := p.Src.As16(), p.Dst.As16(), p.Target.As16()
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	b = append(b, p.Type, 0, 0, 0, p.Flags, 0, 0, 0)
	b = append(b, target[:]...)
	if p.LinkAddr != (MAC{}) {
		b = append(b, option, linkOptionLen/8)
		b = append(b, p.LinkAddr[:]...)
	}

	icmp := b[start+ipv6Len:]
	binary.BigEndian.PutUint16(icmp[2:], icmpChecksum(b[start+8:start+ipv6Len], icmp))
	return b
}

// icmpChecksum returns the checksum of an ICMPv6 message between the addresses
// in pair, source then destination (RFC 4443, 2.3; RFC 8200, 8.1). Over a
// message that carries its checksum it is zero.
func icmpChecksum(pair, icmp []byte) uint16 {
	sum := uint32(len(icmp)) + ipv6ICMP
	for ; len(pair) >= 2; pair = pair[2:] {
		sum += uint32(binary.BigEndian.Uint16(pair))
	}
	for ; len(icmp) >= 2; icmp = icmp[2:] {
		sum += uint32(binary.BigEndian.Uint16(icmp))
	}
	if len(icmp) == 1 {
		sum += uint32(icmp[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// question returns what p asks, and false if p does not ask. A solicitation
// without source link-layer option, which a unicast probe may be, is answered to
// the station that sent the frame: asking the segment for it first, as RFC 4861,
// 7.2.4 has it, would only delay the same answer.
func (p ndpPacket) question() (question, bool) {
	asker := station{IP: p.Src, MAC: p.SrcMAC}
	if p.LinkAddr != (MAC{}) {
		asker.MAC = p.LinkAddr
	}
	return question{Addr: p.Target, Asker: asker}, p.Type == ndpSolicit
}

// says returns who has which address according to the sender: in an
// advertisement the target's, and in a solicitation its own.
func (p ndpPacket) says() station {
	s := station{IP: p.Src, MAC: p.SrcMAC}
	if p.Type == ndpAdvertise {
		s.IP = p.Target
	}
	if p.LinkAddr != (MAC{}) {
		s.MAC = p.LinkAddr
	}
	return s
}

// ndpProbe asks whether anybody has an address, as duplicate address detection
// does (RFC 4862, 5.4.2).
func ndpProbe(addr netip.Addr, mac MAC) ndpPacket {
	group := solicitedNode(addr)
	g := group.As16()
	return ndpPacket{
		DstMAC: MAC{0x33, 0x33, g[12], g[13], g[14], g[15]}, SrcMAC: mac,
		Dst: group, Src: netip.IPv6Unspecified(), Type: ndpSolicit, Target: addr,
	}
}

// ndpAnswer returns the advertisement that carries c. Override is always set: the
// address has one owner, and without the flag a neighbour keeps the MAC of the
// owner before (RFC 4861, 7.2.5), which would stop failover. Router never is: the
// address is no router's. The source is the address itself, as a kernel that had
// it would send, so that a link needs no link-local address to be answered on.
func ndpAnswer(c claim) ndpPacket {
	p := ndpPacket{
		DstMAC: c.To.MAC, SrcMAC: c.MAC,
		Dst: c.To.IP, Src: c.Addr,
		Type: ndpAdvertise, Flags: flagOverride,
		Target: c.Addr, LinkAddr: c.MAC,
	}
	if !c.To.IP.IsMulticast() {
		p.Flags |= flagSolicited // RFC 4861, 7.2.4; never to a group (7.1.2)
	}
	return p
}

// ndpGratuitous returns the unsolicited advertisement of RFC 4861, 7.2.6.
func ndpGratuitous(addr netip.Addr, mac MAC) ndpPacket {
	return ndpAnswer(claim{Addr: addr, MAC: mac, To: allNodes()})
}

// allNodes is every station that speaks IPv6 (RFC 4291, 2.7.1; RFC 2464, 7).
func allNodes() station {
	return station{IP: netip.IPv6LinkLocalAllNodes(), MAC: MAC{0x33, 0x33, 0, 0, 0, 1}}
}

// solicitedNode returns the group that solicitations for addr are sent to: 24
// bits of it, so that addresses may share a group (RFC 4291, 2.7.1).
func solicitedNode(addr netip.Addr) netip.Addr {
	a := addr.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
}

// isSolicitedNode reports whether group is some address's solicited-node group.
func isSolicitedNode(group netip.Addr) bool { return group == solicitedNode(group) }
