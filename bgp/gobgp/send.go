package gobgp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// packer encodes messages and writes them. What cannot be encoded is not written,
// not even in part.
type packer struct {
	to     io.Writer
	narrow bool // the router speaks 2-octet AS numbers
	sent   int  // messages

	message [maxLen]byte // the one being filled
}

// write writes any message that may be sent.
func (p *packer) write(m bgp.Message) error {
	switch m := m.(type) {
	case bgp.Open:
		b, err := appendOpen(p.begin(packet.BGP_MSG_OPEN), m)
		if err != nil {
			return err
		}
		return p.end(b)
	case bgp.Update:
		return p.update(m)
	case bgp.EndOfRIB:
		return p.endOfRIB(m.IPv6)
	case bgp.Keepalive:
		return p.end(p.begin(packet.BGP_MSG_KEEPALIVE))
	case bgp.Notification:
		return p.end(appendNotification(p.begin(packet.BGP_MSG_NOTIFICATION), m))
	default:
		return errors.New("this side never says that")
	}
}

// endOfRIB writes the marker of RFC 4724, section 2: an UPDATE of nothing.
func (p *packer) endOfRIB(ipv6 bool) error {
	b := append(p.begin(packet.BGP_MSG_UPDATE), 0, 0)
	if !ipv6 {
		return p.end(append(b, 0, 0))
	}
	start := len(b) + 2
	b = appendFamily(append(b, 0, 0), packet.BGP_ATTR_TYPE_MP_UNREACH_NLRI, packet.RF_IPv6_UC)
	endMultiprotocol(b[start:])
	binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
	return p.end(b)
}

// begin returns the header of a message, without its length.
func (p *packer) begin(kind uint8) []byte {
	return append(append(p.message[:0], marker...), 0, 0, kind)
}

// end fills in the length and writes the message.
func (p *packer) end(b []byte) error {
	if len(b) > maxLen { // never, by construction; a router must not be the one to notice
		return fmt.Errorf("a message of %d octets is too long: %w", len(b), syscall.EMSGSIZE)
	}
	binary.BigEndian.PutUint16(b[len(marker):], uint16(len(b)))
	if _, err := p.to.Write(b); err != nil {
		return err
	}
	p.sent++
	return nil
}

// name is what RFC 4271 calls the message.
func name(m bgp.Message) string {
	switch m.(type) {
	case bgp.Open:
		return "an OPEN"
	case bgp.Update, bgp.EndOfRIB:
		return "an UPDATE"
	case bgp.Keepalive:
		return "a KEEPALIVE"
	case bgp.Notification:
		return "a NOTIFICATION"
	default:
		return fmt.Sprintf("%T", m)
	}
}
