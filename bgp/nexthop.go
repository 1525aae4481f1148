package bgp

import "net/netip"

// nextHop is where routes of one family are said to lead. Without an address
// they cannot be carried, and why says what is missing.
type nextHop struct {
	addr, linkLocal netip.Addr
	why             string
}

func (n nextHop) carried() bool { return n.addr.IsValid() }

// nextHops returns the next hops of IPv4 and IPv6 routes over a session, which
// are always addresses of the interface the session runs on. Never an
// IPv4-mapped one: routers take it and drop the packets.
func (s Session) nextHops(path Path, theirs Open, a agreement) (ipv4, ipv6 nextHop) {
	ipv6 = ipv6NextHop(path)
	switch {
	case !s.Families.IPv4:
		ipv4 = nextHop{why: "the session is not to carry IPv4 routes"}
	case !a.families.IPv4:
		ipv4 = nextHop{why: "the router does not take IPv4 routes"}
	case path.Local.Addr().Is4():
		ipv4 = nextHop{addr: path.Local.Addr()}
	case path.IPv4.IsValid() && !overLinkLocal(path):
		ipv4 = nextHop{addr: path.IPv4}
	case !theirs.IPv6NextHop: // RFC 8950
		ipv4 = nextHop{why: "the router does not take IPv4 routes with an IPv6 next hop, and the interface has no IPv4 address"}
		if overLinkLocal(path) {
			ipv4.why = "the router does not take IPv4 routes with an IPv6 next hop"
		}
	default:
		ipv4 = ipv6
	}
	switch {
	case !s.Families.IPv6:
		ipv6 = nextHop{why: "the session is not to carry IPv6 routes"}
	case !a.families.IPv6:
		ipv6 = nextHop{why: "the router does not take IPv6 routes"}
	}
	return ipv4, ipv6
}

// ipv6NextHop returns the IPv6 next hop. A link-local address goes along only
// where the session runs over one (RFC 2545, section 3): elsewhere we cannot know
// that the router shares the link, and FRR ends a session that gives it a
// link-local next hop when it cannot tell the session's interface. Where there is
// no global address the link-local one stands in both places: FRR sends and takes
// it so, and BIRD takes it.
func ipv6NextHop(path Path) nextHop {
	local := path.Local.Addr().WithZone("")
	switch {
	case overLinkLocal(path) && path.IPv6.IsValid():
		return nextHop{addr: path.IPv6, linkLocal: local}
	case overLinkLocal(path):
		return nextHop{addr: local, linkLocal: local}
	case local.Is6():
		return nextHop{addr: local}
	}
	return nextHop{addr: path.IPv6, why: "the interface has no IPv6 address that could be the next hop"}
}

func overLinkLocal(path Path) bool {
	return path.Remote.Addr().IsLinkLocalUnicast() && path.Remote.Addr().Is6()
}
