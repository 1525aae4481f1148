package gobgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// update writes the withdrawals of u, then what it announces.
func (p *packer) update(u bgp.Update) error {
	encoded, err := p.check(u)
	if err != nil {
		return err
	}
	if len(u.Withdraw) > 0 {
		if err := p.withdraw(u.Withdraw); err != nil {
			return err
		}
	}
	switch {
	case len(u.Announce) == 0:
		return nil
	case classic(u):
		return p.announceClassic(u, encoded)
	default:
		return p.announce(u, encoded)
	}
}

// check returns the encoded attributes if u can be sent.
func (p *packer) check(u bgp.Update) ([]byte, error) {
	if err := oneFamily(u); err != nil {
		return nil, err
	}
	if len(u.Announce) == 0 {
		return nil, nil
	}
	if !classic(u) && (!u.NextHop.Is6() || u.NextHop.Is4In6()) {
		return nil, fmt.Errorf("%s is not a next hop for %s", u.NextHop, u.Announce[0])
	}
	encoded, err := appendAttributes(nil, u, p.narrow)
	if err != nil {
		return nil, err
	}
	length := minUpdate + len(encoded)
	if classic(u) {
		length += 1 + 4 // the longest prefix
	} else {
		length += len(appendNextHop(nil, u.NextHop, u.LinkLocal)) + lenMultiprotocol + 3 + 1 + 16
	}
	if length > maxLen {
		return nil, fmt.Errorf("one route takes %d octets of a message that may have %d (%s): %w",
			length, maxLen, describe(u), syscall.EMSGSIZE)
	}
	return encoded, nil
}

// classic reports whether the announcements of u go where RFC 4271 puts them. All
// others need MP_REACH_NLRI.
func classic(u bgp.Update) bool {
	return len(u.Announce) > 0 && u.Announce[0].Addr().Is4() && u.NextHop.Is4()
}

// oneFamily is the error for an Update that mixes families.
func oneFamily(u bgp.Update) error {
	var first netip.Prefix
	for _, prefixes := range [][]netip.Prefix{u.Announce, u.Withdraw} {
		for _, prefix := range prefixes {
			if !first.IsValid() {
				first = prefix
			}
			if !prefix.IsValid() || prefix.Addr().Is4() != first.Addr().Is4() {
				return fmt.Errorf("%s and %s do not belong in one update", first, prefix)
			}
		}
	}
	return nil
}

// withdraw writes messages that only withdraw. IPv4 routes are withdrawn in the
// classic field even if their next hop was an IPv6 address: RFC 8950 changes
// nothing about how a route goes.
func (p *packer) withdraw(prefixes []netip.Prefix) error {
	if prefixes[0].Addr().Is4() {
		for len(prefixes) > 0 {
			b := append(p.begin(packet.BGP_MSG_UPDATE), 0, 0)
			start := len(b)
			b, prefixes = fill(b, prefixes, maxLen-2) // the length of no attributes follows
			binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
			if err := p.end(append(b, 0, 0)); err != nil {
				return err
			}
		}
		return nil
	}
	for len(prefixes) > 0 {
		b := append(p.begin(packet.BGP_MSG_UPDATE), 0, 0, 0, 0)
		start := len(b)
		b = appendFamily(b, packet.BGP_ATTR_TYPE_MP_UNREACH_NLRI, packet.RF_IPv6_UC)
		b, prefixes = fill(b, prefixes, maxLen)
		endMultiprotocol(b[start:])
		binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
		if err := p.end(b); err != nil {
			return err
		}
	}
	return nil
}

// announceClassic writes IPv4 routes with an IPv4 next hop.
func (p *packer) announceClassic(u bgp.Update, encoded []byte) error {
	for prefixes := u.Announce; len(prefixes) > 0; {
		b := append(p.begin(packet.BGP_MSG_UPDATE), 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(encoded)))
		b = append(b, encoded...)
		b, prefixes = fill(b, prefixes, maxLen)
		if err := p.end(b); err != nil {
			return err
		}
	}
	return nil
}

// announce writes the routes that need MP_REACH_NLRI, which comes first, so that
// a router finds the prefixes even if it stumbles over what follows (RFC 7606,
// section 5.1).
func (p *packer) announce(u bgp.Update, encoded []byte) error {
	family := packet.RF_IPv6_UC
	if u.Announce[0].Addr().Is4() {
		family = packet.RF_IPv4_UC // RFC 8950
	}
	for prefixes := u.Announce; len(prefixes) > 0; {
		b := append(p.begin(packet.BGP_MSG_UPDATE), 0, 0, 0, 0)
		start := len(b)
		b = appendFamily(b, packet.BGP_ATTR_TYPE_MP_REACH_NLRI, family)
		b = appendNextHop(b, u.NextHop, u.LinkLocal)
		b, prefixes = fill(b, prefixes, maxLen-len(encoded))
		endMultiprotocol(b[start:])
		b = append(b, encoded...)
		binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
		if err := p.end(b); err != nil {
			return err
		}
	}
	return nil
}

// fill appends as many prefixes as fit until b has limit octets, and returns the
// rest of them.
func fill(b []byte, prefixes []netip.Prefix, limit int) ([]byte, []netip.Prefix) {
	for i, prefix := range prefixes {
		octets := (prefix.Bits() + 7) / 8
		if len(b)+1+octets > limit {
			return b, prefixes[i:]
		}
		b = append(b, byte(prefix.Bits()))
		if addr := prefix.Addr(); addr.Is4() {
			a := addr.As4()
			b = append(b, a[:octets]...)
		} else {
			a := addr.As16()
			b = append(b, a[:octets]...)
		}
	}
	return b, nil
}
