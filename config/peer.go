package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
)

// Peer is one BGPPeer in force.
type Peer struct {
	Name string
	// Nodes open the session.
	Nodes NodeSet
	// Session is how they do. It is complete but for the Address of a router
	// that is to be found on Interface.
	Session bgp.Session
	// Interface is the link on which the router is found; empty where the
	// Session has its address.
	Interface string
	// BFD is how the path to the router is watched; nil for not at all.
	BFD *bfd.Profile
}

// compilePeers fills s.Peers.
//
// What only guards a session (BFD, TTL security) does not end it when it cannot
// be had: the session goes on without, and a problem says so.
func compilePeers(s *Snapshot, o Objects) []Problem {
	profiles, found := compileBFDProfiles(o)
	for _, obj := range eldestFirst(o.Peers) {
		ps := problems{kind: "BGPPeer", meta: &obj.ObjectMeta}
		peer := &Peer{
			Name:      obj.Name,
			Nodes:     ps.nodes(s, obj.Spec.NodeSelectors),
			Session:   ps.session(obj, o.Secrets),
			Interface: obj.Spec.Interface,
		}
		if len(ps.found) == 0 {
			peer.BFD = ps.bfd(obj, profiles)
			peer.Session.TTLSecurity = ps.ttlSecurity(obj)
			ps.giveWay(s, peer)
			s.Peers = append(s.Peers, peer)
		}
		found = append(found, ps.found...)
	}
	slices.SortFunc(s.Peers, func(a, b *Peer) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

func (p *problems) bfd(obj *v1beta2.BGPPeer, profiles map[string]*bfd.Profile) *bfd.Profile {
	name := obj.Spec.BFDProfile
	if name == "" {
		return nil
	}
	profile, ok := profiles[name]
	if !ok {
		p.add("spec.bfdProfile", name, "there is no valid BFDProfile of that name: the session is not watched by BFD")
	}
	return profile
}

// AnnotationTTLSecurity on a BGPPeer asks for the security of RFC 5082: "true"
// drops packets that come from further away than the next hop. The router has
// to be told, too.
const AnnotationTTLSecurity = annotationPrefix + "ttl-security"

func (p *problems) ttlSecurity(obj *v1beta2.BGPPeer) bool {
	const field = "metadata.annotations[" + AnnotationTTLSecurity + "]"

	text := obj.Annotations[AnnotationTTLSecurity]
	switch {
	case text == "" || text == "false":
		return false
	case text != "true":
		p.add(field, text, `must be "true" or "false": the session goes on without it`)
		return false
	case obj.Spec.EBGPMultiHop:
		p.add(field, text, "contradicts ebgpMultiHop, whose packets do come from further away: the session goes on without it")
		return false
	}
	return true
}

// giveWay takes from the peer the nodes on which an elder peer already has a
// session with the same router: the router would end one of the two, in turns.
func (p *problems) giveWay(s *Snapshot, peer *Peer) {
	for _, elder := range s.Peers {
		if !peer.sameRouter(elder) || !peer.Nodes.Intersects(elder.Nodes) {
			continue
		}
		shared := slices.Clone(peer.Nodes)
		shared.Intersect(elder.Nodes)
		peer.Nodes.Subtract(elder.Nodes)

		field, value := "spec.interface", peer.Interface
		if value == "" {
			field, value = "spec.peerAddress", peer.Session.Address.String()
		}
		p.add(field, value, fmt.Sprintf("is also the router of BGPPeer %q, which takes precedence on %s", elder.Name, s.nodeNames(shared)))
	}
}

// sameRouter reports whether a router would take both for the same session.
// Other ports are other routers on one host; two source addresses are two
// neighbours to a router.
func (p *Peer) sameRouter(o *Peer) bool {
	a, b := &p.Session, &o.Session
	twoSources := a.Source.IsValid() && b.Source.IsValid() && a.Source != b.Source
	return p.Interface == o.Interface && a.Address == b.Address && a.Port == b.Port && a.Device == b.Device && !twoSources
}

// nodeNames tells in a few words which nodes are in a set that is not empty.
func (s *Snapshot) nodeNames(set NodeSet) string {
	var names []string
	for i := range set.All {
		names = append(names, s.Nodes[i].Name)
	}
	if len(names) == 1 {
		return "node " + names[0]
	}
	return fmt.Sprintf("node %s and %d more", names[0], len(names)-1)
}
