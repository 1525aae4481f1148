package frames

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Kind is what a frame is.
type Kind string

// The kinds of frame that are recorded.
const (
	ARPRequest            Kind = "ARP request"
	ARPReply              Kind = "ARP reply"
	NeighborSolicitation  Kind = "neighbor solicitation"
	NeighborAdvertisement Kind = "neighbor advertisement"
)

// MAC is an Ethernet address.
type MAC [6]byte

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Broadcast is the Ethernet address of everybody.
func Broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// Record is one ARP or NDP frame.
type Record struct {
	At          time.Time // when the switch received it, by the kernel's clock
	Port        string    // the switch port it came in by: the name of the host that sent it
	Kind        Kind
	Source      MAC        // of the Ethernet header
	Destination MAC        // of the Ethernet header
	Sender      netip.Addr // ARP: sender protocol address; NDP: source of the IPv6 header
	Target      netip.Addr // the address asked for, or answered for
	Link        MAC        // ARP: sender hardware address; NDP: source or target link-layer option; zero if absent
	Solicited   bool       // neighbor advertisements: the S flag
	Override    bool       // neighbor advertisements: the O flag
	Router      bool       // neighbor advertisements: the R flag
}

// Claim returns the address that the frame says is at r.Link, if it says so about an address at all: an answer, or an unasked
// announcement. An ARP request for another's address claims nothing here, although it tells where its sender is.
func (r Record) Claim() (addr netip.Addr, ok bool) {
	switch r.Kind {
	case ARPReply:
		return r.Sender, true
	case ARPRequest:
		return r.Sender, r.Gratuitous()
	case NeighborAdvertisement:
		return r.Target, true
	default:
		return netip.Addr{}, false
	}
}

// Gratuitous reports whether nobody asked: an ARP announcement in either form (RFC 5227 section 2.3), or an advertisement without the
// S flag (RFC 4861 section 7.2.6), which the defence against a duplicate-address probe lacks too.
func (r Record) Gratuitous() bool {
	switch r.Kind {
	case ARPRequest, ARPReply:
		return r.Sender == r.Target && !r.Sender.IsUnspecified()
	case NeighborAdvertisement:
		return !r.Solicited
	default:
		return false
	}
}

func (r Record) String() string {
	return fmt.Sprintf("%s %s: %s for %s by %s at %s", r.At.Format("15:04:05.000000"), r.Port, r.Kind, r.Target, r.Sender, r.Link)
}

const (
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd

	typeNeighborSolicitation  = 135
	typeNeighborAdvertisement = 136
)

// parse reads a frame. ok is false for frames that are not recorded.
func parse(frame []byte) (r Record, ok bool) {
	if len(frame) < 14 {
		return Record{}, false
	}
	copy(r.Destination[:], frame[0:6])
	copy(r.Source[:], frame[6:12])
	switch binary.BigEndian.Uint16(frame[12:14]) {
	case etherTypeARP:
		return r, r.parseARP(frame[14:])
	case etherTypeIPv6:
		return r, r.parseNDP(frame[14:])
	default:
		return Record{}, false
	}
}

// parseARP reads a packet for IPv4 over Ethernet (RFC 826).
func (r *Record) parseARP(packet []byte) bool {
	if len(packet) < 28 || binary.BigEndian.Uint64(packet[0:8])>>16 != 0x000108000604 {
		return false
	}
	switch binary.BigEndian.Uint16(packet[6:8]) {
	case 1:
		r.Kind = ARPRequest
	case 2:
		r.Kind = ARPReply
	default:
		return false
	}
	copy(r.Link[:], packet[8:14])
	r.Sender = netip.AddrFrom4([4]byte(packet[14:18]))
	r.Target = netip.AddrFrom4([4]byte(packet[24:28]))
	return true
}

// parseNDP reads an IPv6 packet with a neighbor solicitation or advertisement right after its header (RFC 4861 sections 4.3, 4.4).
func (r *Record) parseNDP(packet []byte) bool {
	const header, message, icmpv6 = 40, 24, 58
	if len(packet) < header+message || packet[6] != icmpv6 {
		return false
	}
	r.Sender = netip.AddrFrom16([16]byte(packet[8:24]))
	body := packet[header:]
	var option byte
	switch body[0] {
	case typeNeighborSolicitation:
		r.Kind, option = NeighborSolicitation, 1
	case typeNeighborAdvertisement:
		r.Kind, option = NeighborAdvertisement, 2
		r.Router, r.Solicited, r.Override = body[4]&0x80 != 0, body[4]&0x40 != 0, body[4]&0x20 != 0
	default:
		return false
	}
	r.Target = netip.AddrFrom16([16]byte(body[8:24]))
	for rest := body[message:]; len(rest) >= 8 && rest[1] > 0 && len(rest) >= int(rest[1])*8; rest = rest[int(rest[1])*8:] {
		if rest[0] == option {
			copy(r.Link[:], rest[2:8])
		}
	}
	return true
}
