package announce

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
)

// offer is one advertisement as this node makes it.
type offer struct {
	*config.BGPAdvertisement
	// number is its place among all by name, which is the order they merge in.
	number     int
	attributes *bgp.Attributes // shared
	to         []bool          // by position in routing.peers
}

func compareOffers(a, b *offer) int { return strings.Compare(a.Name, b.Name) }

// carries reports whether a peer would be told of an address.
func (r *routing) carries(peer int, addr netip.Addr) bool {
	p := &r.peers[peer]
	return p.found() && p.session.Families.Has(addr)
}

// disagreement says which two offers tell a peer different local preferences of
// the same destination: which of them holds would be a matter of chance. One of
// them selects Services, for between those that do not, config has decided. It
// is empty where all agree.
func (r *routing) disagreement(offers []*offer, addr netip.Addr) string {
	for i, a := range offers {
		for _, b := range offers[:i] {
			mine, other := a.attributes.LocalPref, b.attributes.LocalPref
			if mine == other || a.Prefix(addr) != b.Prefix(addr) {
				continue
			}
			for p := range r.peers {
				if a.to[p] && b.to[p] && r.carries(p, addr) {
					return fmt.Sprintf("BGPAdvertisements %s (%d) and %s (%d) give %s different local preferences for peer %s",
						b.Name, other, a.Name, mine, a.Prefix(addr), r.peers[p].Name)
				}
			}
		}
	}
	return ""
}

// names returns the peers that are told of an address, sorted.
func (r *routing) names(offers []*offer, addr netip.Addr) []string {
	var out []string
	for p := range r.peers {
		if r.carries(p, addr) && slices.ContainsFunc(offers, func(o *offer) bool { return o.to[p] }) {
			out = append(out, r.peers[p].Name)
		}
	}
	return out
}

// peerless says, for a person, why no peer is told of an address.
func (r *routing) peerless(offers []*offer, addr netip.Addr) string {
	if len(r.peers) == 0 {
		return "no BGPPeer selects this node"
	}
	var carry, find []string
	for p := range r.peers {
		switch peer := &r.peers[p]; {
		case !slices.ContainsFunc(offers, func(o *offer) bool { return o.to[p] }):
		case !peer.session.Families.Has(addr):
			carry = append(carry, peer.Name)
		case !peer.found():
			find = append(find, peer.Interface)
		}
	}
	switch {
	case len(find) > 0:
		return "no router has been found yet on " + strings.Join(find, ", ")
	case len(carry) > 0:
		return fmt.Sprintf("the session with BGPPeer %s carries no %s routes", strings.Join(carry, ", "), config.FamilyOf(addr))
	}
	return "no BGPPeer of this node is among those of the BGPAdvertisements"
}
