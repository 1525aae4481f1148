package gobgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"

	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

const (
	version = 4
	// asTrans stands where an AS number of four octets does not fit (RFC 6793,
	// section 9).
	asTrans = packet.AS_TRANS
	// extended as the type of the first optional parameter makes lengths of two
	// octets of all (RFC 9072, section 2).
	extended = 255
	// restarted is the R bit and forwarding the F bit of RFC 4724, section 3, in
	// the fields where the library keeps them.
	restarted  = 0x8
	forwarding = 0x80
	maxRestart = 0xFFF * time.Second
	maxHold    = 0xFFFF * time.Second
)

// families are ours in the library's terms.
func families(f bgp.Families) []packet.Family {
	var out []packet.Family
	if f.IPv4 {
		out = append(out, packet.RF_IPv4_UC)
	}
	if f.IPv6 {
		out = append(out, packet.RF_IPv6_UC)
	}
	return out
}

// addFamily adds f if it is one of ours.
func addFamily(to *bgp.Families, f packet.Family) {
	to.IPv4 = to.IPv4 || f == packet.RF_IPv4_UC
	to.IPv6 = to.IPv6 || f == packet.RF_IPv6_UC
}

// appendOpen appends the body of an OPEN.
func appendOpen(b []byte, o bgp.Open) ([]byte, error) {
	switch {
	case !o.RouterID.Is4():
		return nil, fmt.Errorf("the router ID must be an IPv4 address, not %s", o.RouterID)
	case o.HoldTime < 0 || o.HoldTime > maxHold:
		return nil, fmt.Errorf("a hold time of %s cannot be encoded", o.HoldTime)
	case o.GracefulRestart != nil && (o.GracefulRestart.Time < 0 || o.GracefulRestart.Time > maxRestart):
		return nil, fmt.Errorf("a restart time of %s cannot be encoded", o.GracefulRestart.Time)
	}
	as := uint16(asTrans)
	if o.ASN <= 0xFFFF {
		as = uint16(o.ASN)
	}
	parameters := []packet.OptionParameterInterface{packet.NewOptionParameterCapability(capabilities(o))}
	err := guarded(func() error {
		m, err := packet.NewBGPOpenMessage(as, uint16(o.HoldTime/time.Second), o.RouterID, parameters)
		if err != nil {
			return err
		}
		body, err := m.Body.Serialize()
		b = append(b, body...)
		return err
	})
	return b, err
}

func capabilities(o bgp.Open) []packet.ParameterCapabilityInterface {
	var out []packet.ParameterCapabilityInterface
	for _, f := range families(o.Families) {
		out = append(out, packet.NewCapMultiProtocol(f))
	}
	if o.RouteRefresh {
		out = append(out, packet.NewCapRouteRefresh())
	}
	if o.IPv6NextHop {
		out = append(out, packet.NewCapExtendedNexthop([]*packet.CapExtendedNexthopTuple{
			packet.NewCapExtendedNexthopTuple(packet.RF_IPv4_UC, packet.AFI_IP6),
		}))
	}
	if g := o.GracefulRestart; g != nil {
		var tuples []*packet.CapGracefulRestartTuple
		for _, f := range families(g.Families) {
			preserved := f == packet.RF_IPv4_UC && g.Preserved.IPv4 || f == packet.RF_IPv6_UC && g.Preserved.IPv6
			tuples = append(tuples, packet.NewCapGracefulRestartTuple(f, preserved))
		}
		// Never the N bit: it would keep routers sending to a node that is dead
		// until the restart time is over (RFC 8538, section 3.1).
		out = append(out, packet.NewCapGracefulRestart(g.Restarted, false, uint16(g.Time/time.Second), tuples))
	}
	out = append(out, packet.NewCapFourOctetASNumber(o.ASN))
	if o.HostName != "" {
		out = append(out, packet.NewCapFQDN(o.HostName, "")) // of which it takes 64 octets
	}
	return out
}

// parseOpen reads the body of an OPEN, which is long enough for its fixed part.
// What the numbers mean for the session is not judged here, except an autonomous
// system 0, which is none (RFC 7607).
func parseOpen(body []byte) (bgp.Message, error) {
	if body[0] != version {
		return nil, openError(packet.BGP_ERROR_SUB_UNSUPPORTED_VERSION_NUMBER, []byte{0, version},
			fmt.Sprintf("an OPEN of BGP version %d", body[0]))
	}
	o := bgp.Open{
		ASN:      uint32(binary.BigEndian.Uint16(body[1:])),
		HoldTime: time.Duration(binary.BigEndian.Uint16(body[3:])) * time.Second,
		RouterID: netip.AddrFrom4([4]byte(body[5:])),
	}
	p := openParser{open: &o}
	if err := p.parameters(body[9:]); err != nil {
		return nil, err
	}
	if !p.multiprotocol { // RFC 4760, section 8
		o.Families.IPv4 = true
	}
	if o.ASN == 0 {
		return nil, openError(packet.BGP_ERROR_SUB_BAD_PEER_AS, nil, "an OPEN for autonomous system 0, which cannot be")
	}
	return o, nil
}

// openParser collects what capabilities say.
type openParser struct {
	open          *bgp.Open
	multiprotocol bool // capability 1 was there, of whatever family
}

// parameters reads the optional parameters with their length before them
// (RFC 4271, section 4.2; RFC 9072, section 2).
func (p *openParser) parameters(b []byte) error {
	length, b, wide := int(b[0]), b[1:], false
	if length != 0 && len(b) > 0 && b[0] == extended {
		if len(b) < 3 {
			return malformedOpen("optional parameters that end too early")
		}
		wide = true
		length, b = int(binary.BigEndian.Uint16(b[1:])), b[3:]
	}
	if length != len(b) {
		return malformedOpen("optional parameters of another length than announced")
	}
	for len(b) > 0 {
		kind, head := b[0], 2
		if wide {
			head = 3
		}
		if len(b) < head {
			return malformedOpen("an optional parameter that ends too early")
		}
		size := int(b[1])
		if wide {
			size = int(binary.BigEndian.Uint16(b[1:]))
		}
		if b = b[head:]; size > len(b) {
			return malformedOpen("an optional parameter that ends too early")
		}
		if kind != packet.BGP_OPT_CAPABILITY {
			return openError(packet.BGP_ERROR_SUB_UNSUPPORTED_OPTIONAL_PARAMETER, nil,
				fmt.Sprintf("an OPEN with an unknown optional parameter %d", kind))
		}
		if err := p.capabilities(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// capabilities reads the value of one optional parameter (RFC 5492, section 4).
func (p *openParser) capabilities(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return malformedOpen("a capability that ends too early")
		}
		size := 2 + int(b[1])
		if err := p.capability(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// capability reads one capability. Those that do not matter to us are ignored,
// whatever is in them: a router is not worse for them.
func (p *openParser) capability(b []byte) error {
	code := packet.BGPCapabilityCode(b[0])
	switch code {
	case packet.BGP_CAP_MULTIPROTOCOL, packet.BGP_CAP_ROUTE_REFRESH, packet.BGP_CAP_EXTENDED_NEXTHOP,
		packet.BGP_CAP_GRACEFUL_RESTART, packet.BGP_CAP_FOUR_OCTET_AS_NUMBER, packet.BGP_CAP_FQDN:
	default:
		return nil
	}
	var c packet.ParameterCapabilityInterface
	err := guarded(func() (err error) {
		c, err = packet.DecodeCapability(b)
		return err
	})
	switch {
	case err == nil:
		return p.take(c)
	case code == packet.BGP_CAP_FQDN: // a name that cannot be read is no reason to refuse routes
		return nil
	default:
		return malformedOpen(fmt.Sprintf("a capability %d that cannot be read (%v)", b[0], err))
	}
}

// take notes what a capability says.
func (p *openParser) take(c packet.ParameterCapabilityInterface) error {
	o := p.open
	switch c := c.(type) {
	case *packet.CapMultiProtocol:
		p.multiprotocol = true
		addFamily(&o.Families, c.CapValue)
	case *packet.CapRouteRefresh:
		o.RouteRefresh = true
	case *packet.CapExtendedNexthop:
		for _, t := range c.Tuples {
			if t.NLRIAFI == packet.AFI_IP && t.NLRISAFI == packet.SAFI_UNICAST && t.NexthopAFI == packet.AFI_IP6 {
				o.IPv6NextHop = true
			}
		}
	case *packet.CapFourOctetASNumber:
		o.FourOctetAS, o.ASN = true, c.CapValue
	case *packet.CapFQDN:
		o.HostName = strings.ToValidUTF8(c.HostName, "?")
	case *packet.CapGracefulRestart:
		if c.CapLen%4 != 2 { // the library drops what is too much
			return malformedOpen("a graceful restart capability of an impossible length")
		}
		// Of several, the last one counts (RFC 4724, section 3).
		g := &bgp.GracefulRestart{
			Restarted: c.Flags&restarted != 0,
			Time:      time.Duration(c.Time) * time.Second,
		}
		for _, t := range c.Tuples {
			f := packet.NewFamily(t.AFI, t.SAFI)
			addFamily(&g.Families, f)
			if t.Flags&forwarding != 0 {
				addFamily(&g.Preserved, f)
			}
		}
		o.GracefulRestart = g
	}
	return nil
}

// malformedOpen is for an optional parameter that is known but cannot be read:
// subcode 0 (RFC 4271, section 6.2).
func malformedOpen(what string) error { return openError(0, nil, "an OPEN with "+what) }

func openError(subcode uint8, data []byte, problem string) error {
	return &bgp.MessageError{
		Notification: bgp.Notification{Code: bgp.ErrorOpen, Subcode: subcode, Data: data},
		Problem:      problem,
	}
}
