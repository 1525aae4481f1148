package gobgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

// appendAttributes appends the path attributes of what u announces, in ascending
// order of their types (RFC 4271, section 5), without those that hold prefixes.
// narrow is for a router that speaks 2-octet AS numbers.
func appendAttributes(b []byte, u bgp.Update, narrow bool) ([]byte, error) {
	err := guarded(func() error {
		for _, a := range attributes(u, narrow) {
			encoded, err := a.Serialize()
			if err != nil {
				return err
			}
			b = append(b, encoded...)
		}
		return nil
	})
	return b, err
}

func attributes(u bgp.Update, narrow bool) []packet.PathAttributeInterface {
	out := []packet.PathAttributeInterface{
		packet.NewPathAttributeOrigin(packet.BGP_ORIGIN_ATTR_TYPE_IGP),
		asPath(u.ASPath, narrow),
	}
	if classic(u) {
		if next, err := packet.NewPathAttributeNextHop(u.NextHop); err == nil { // it is IPv4
			out = append(out, next)
		}
	}
	if u.HasLocalPref {
		out = append(out, packet.NewPathAttributeLocalPref(u.LocalPref))
	}
	var of bgp.Attributes
	if u.Attributes != nil {
		of = *u.Attributes
	}
	if len(of.Communities) > 0 {
		values := make([]uint32, len(of.Communities))
		for i, c := range of.Communities {
			values[i] = uint32(c)
		}
		out = append(out, packet.NewPathAttributeCommunities(values))
	}
	if len(of.ExtendedCommunities) > 0 {
		values := make([]packet.ExtendedCommunityInterface, len(of.ExtendedCommunities))
		for i, c := range of.ExtendedCommunities {
			// Eight octets are eight octets: the kinds that the library knows would
			// only make something else of those it takes for wrong.
			values[i] = &packet.UnknownExtended{Type: packet.ExtendedCommunityAttrType(c[0]), Value: c[1:]}
		}
		out = append(out, packet.NewPathAttributeExtendedCommunities(values))
	}
	if narrow && !mappable(u.ASPath) {
		// RFC 6793, section 4.2.2: only if AS_PATH could not say it.
		out = append(out, packet.NewPathAttributeAs4Path([]*packet.As4PathParam{
			packet.NewAs4PathParam(packet.BGP_ASPATH_ATTR_TYPE_SEQ, u.ASPath),
		}))
	}
	if len(of.LargeCommunities) > 0 {
		values := make([]*packet.LargeCommunity, len(of.LargeCommunities))
		for i, c := range of.LargeCommunities {
			values[i] = packet.NewLargeCommunity(c.Global, c.Local1, c.Local2)
		}
		out = append(out, packet.NewPathAttributeLargeCommunities(values))
	}
	return out
}

// asPath is one AS_SEQUENCE, or nothing for iBGP (RFC 4271, section 5.1.2).
func asPath(path []uint32, narrow bool) *packet.PathAttributeAsPath {
	if len(path) == 0 {
		return packet.NewPathAttributeAsPath(nil)
	}
	if !narrow {
		return packet.NewPathAttributeAsPath([]packet.AsPathParamInterface{
			packet.NewAs4PathParam(packet.BGP_ASPATH_ATTR_TYPE_SEQ, path),
		})
	}
	short := make([]uint16, len(path))
	for i, as := range path {
		short[i] = asTrans
		if as <= 0xFFFF {
			short[i] = uint16(as)
		}
	}
	return packet.NewPathAttributeAsPath([]packet.AsPathParamInterface{
		packet.NewAsPathParam(packet.BGP_ASPATH_ATTR_TYPE_SEQ, short),
	})
}

// mappable reports whether every AS number of path fits into two octets.
func mappable(path []uint32) bool {
	for _, as := range path {
		if as > 0xFFFF {
			return false
		}
	}
	return true
}

// The attributes that hold prefixes are written here: they are all that differs
// between the messages of one Update, and the library would allocate for each
// prefix. Both are optional, non-transitive and have a length of two octets.
const multiprotocolFlags = uint8(packet.BGP_ATTR_FLAG_OPTIONAL | packet.BGP_ATTR_FLAG_EXTENDED_LENGTH)

// lenMultiprotocol is what stands before the value: flags, type, length.
const lenMultiprotocol = 4

// appendFamily appends the beginning of MP_REACH_NLRI or MP_UNREACH_NLRI
// (RFC 4760, sections 3 and 4) up to SAFI; endMultiprotocol fills in its length.
func appendFamily(b []byte, attribute packet.BGPAttrType, f packet.Family) []byte {
	b = append(b, multiprotocolFlags, uint8(attribute), 0, 0)
	return append(binary.BigEndian.AppendUint16(b, f.Afi()), f.Safi())
}

func endMultiprotocol(attribute []byte) {
	binary.BigEndian.PutUint16(attribute[2:], uint16(len(attribute)-lenMultiprotocol))
}

// appendNextHop appends the next hop of MP_REACH_NLRI, alone or with a
// link-local address (RFC 2545, section 3), and the reserved octet after it.
func appendNextHop(b []byte, nextHop, linkLocal netip.Addr) []byte {
	global := nextHop.As16()
	if !linkLocal.IsValid() {
		return append(append(append(b, 16), global[:]...), 0)
	}
	local := linkLocal.As16()
	return append(append(append(append(b, 32), global[:]...), local[:]...), 0)
}

// describe says how much of a message the attributes of u take.
func describe(u bgp.Update) string {
	var a bgp.Attributes
	if u.Attributes != nil {
		a = *u.Attributes
	}
	return fmt.Sprintf("%d communities, %d large and %d extended ones",
		len(a.Communities), len(a.LargeCommunities), len(a.ExtendedCommunities))
}
