package announce

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/config"
)

// peer is a router that this node speaks with.
type peer struct {
	*config.Peer
	// session has no address as long as the router on an unnumbered link has not
	// been found.
	session bgp.Session
}

func (p *peer) found() bool { return p.session.Address.IsValid() }

// peersOf returns the peers whose BGPPeer selects the node at a position of the
// snapshot, sorted by name.
func peersOf(snap *config.Snapshot, self int, routers map[string]netip.Addr) []peer {
	var out []peer
	for _, c := range snap.Peers {
		if !c.Nodes.Has(self) {
			continue
		}
		p := peer{Peer: c, session: c.Session}
		if c.Interface != "" {
			p.session.Address = routers[c.Interface]
		}
		out = append(out, p)
	}
	return out
}

// paths returns what BFD is to watch, sorted by name.
func paths(peers []peer, links []Link) bfd.Config {
	var c bfd.Config
	for i := range peers {
		p := &peers[i]
		if p.BFD == nil || !p.found() {
			continue
		}
		c.Sessions = append(c.Sessions, bfd.Session{
			Name:     p.Name,
			Peer:     p.session.Address,
			Local:    p.session.Source,
			Device:   cmp.Or(p.Interface, p.session.Device),
			MultiHop: manyHops(&p.session, links),
			Profile:  *p.BFD,
		})
	}
	return c
}

// manyHops reports whether BFD has to watch a path by the rules for several
// hops (RFC 5883). Both ends must see it alike, for the two kinds use different
// ports, and no standard says when to use which. The rule is FRR's, which most
// routers follow: eBGP when it is told to be multihop, and iBGP unless the
// other end is in a network that this node is in too.
func manyHops(s *bgp.Session, links []Link) bool {
	if s.MultiHop {
		return true
	}
	internal := s.PeerASN == s.LocalASN || s.PeerASN == 0 && s.Kind == bgp.Internal
	return internal && !onLink(s.Address, links)
}

// onLink reports whether an address is in a network of one of the links. As
// long as nothing is known of any network, it is taken for that: most routers
// are.
func onLink(a netip.Addr, links []Link) bool {
	if a.IsLinkLocalUnicast() {
		return true
	}
	known := false
	for i := range links {
		for _, p := range links[i].Prefixes {
			if p.Contains(a) {
				return true
			}
			known = true
		}
	}
	return !known
}

// unnumbered returns the links on which routers have to be found, sorted by
// name. One that is not there yet is left out.
func unnumbered(peers []peer, links []Link) []Link {
	var out []Link
	for _, l := range links {
		if slices.ContainsFunc(peers, func(p peer) bool { return p.Interface == l.Name }) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Link) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
