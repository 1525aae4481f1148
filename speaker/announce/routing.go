package announce

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// routing is everything a judgement about BGP rests on besides the Service,
// with what follows from it worked out once. Who is alive plays no part: each
// node speaks for itself, and its sessions end with it.
type routing struct {
	snap *config.Snapshot
	self int // position of this node in the snapshot; -1 if unknown
	// unfit says why this node may announce nothing, whatever it is asked to;
	// empty if it may.
	unfit    Reason
	draining bool
	peers    []peer
	offers   map[*config.BGPAdvertisement]*offer
}

func newRouting(snap *config.Snapshot, shared *Shared, local Local) *routing {
	r := &routing{snap: snap, self: snap.NodeIndex(local.Node)}
	r.peers = peersOf(snap, r.self, local.Routers)
	if r.self >= 0 {
		node := &snap.Nodes[r.self]
		r.unfit = unfit(node, shared)
		r.draining = node.Draining
	}
	return r
}

// makeOffers works the advertisements out.
func (r *routing) makeOffers(sets *attributeSets) {
	sets.turn()
	r.offers = map[*config.BGPAdvertisement]*offer{}
	var sorted []*offer
	for _, pool := range r.snap.Pools {
		for _, ad := range pool.BGP {
			if r.offers[ad] != nil {
				continue
			}
			o := &offer{BGPAdvertisement: ad, attributes: sets.shared(ad.Attributes), to: make([]bool, len(r.peers))}
			for i := range r.peers {
				o.to[i] = ad.Covers(r.peers[i].Name)
			}
			r.offers[ad] = o
			sorted = append(sorted, o)
		}
	}
	slices.SortFunc(sorted, compareOffers)
	for i, o := range sorted {
		o.number = i
	}
}

// sameAs reports whether every judgement by old is one by r as well: the
// addresses of routers may differ, but not whose are known.
func (r *routing) sameAs(old *routing) bool {
	return old != nil && old.snap == r.snap && old.unfit == r.unfit &&
		slices.EqualFunc(old.peers, r.peers, func(a, b peer) bool { return a.Peer == b.Peer && a.found() == b.found() })
}

// request is one destination that a Service asks to be advertised, and by what.
type request struct {
	prefix netip.Prefix
	offer  *offer
}

// routed is what is decided about one Service.
type routed struct {
	verdicts []Verdict // one for each address it holds
	requests []request
}

// judge decides about one Service that holds addresses.
func (r *routing) judge(svc *Service) routed {
	c := r.claimOf(svc)
	out := routed{verdicts: make([]Verdict, len(svc.Addresses))}
	for i, addr := range svc.Addresses {
		v := &out.verdicts[i]
		v.Key, v.Quiet = Key{Service: svc.Name, Addr: addr, Protocol: BGP}, c.quiet
		v.Reason, v.Detail, v.Peers = r.reach(&c, addr)
		// While the node is draining its routes are still wanted: the engine needs
		// them to ask routers to avoid them, before it withdraws them.
		if v.Reason == Announced || v.Reason == NodeDraining {
			for _, o := range c.offers {
				out.requests = append(out.requests, request{prefix: o.Prefix(addr), offer: o})
			}
		}
	}
	return out
}

// reach says which peers are told of one address, or why none is. What lies with
// the configuration comes before what lies with the node, and that before what
// passes by itself.
func (r *routing) reach(c *routeClaim, addr netip.Addr) (why Reason, detail string, peers []string) {
	if c.refusal != "" {
		return c.refusal, c.detail, nil
	}
	if detail := r.disagreement(c.offers, addr); detail != "" {
		return ConflictingAdvertisements, detail, nil
	}
	peers = r.names(c.offers, addr)
	switch {
	case len(peers) == 0:
		return NoPeer, r.peerless(c.offers, addr), nil
	case c.absence != "":
		return c.absence, c.absenceDetail, nil
	case r.draining:
		return NodeDraining, "", nil
	}
	return Announced, "", peers
}

// routeClaim is what one Service asks of this node.
type routeClaim struct {
	offers []*offer
	// refusal says why there are none, quiet that nobody needs to hear it.
	refusal Reason
	detail  string
	quiet   bool
	// absence says why this node does not make the offers; empty if it does.
	absence       Reason
	absenceDetail string
}

func (r *routing) claimOf(svc *Service) routeClaim {
	pool := r.snap.PoolOf(svc.Addresses, svc.FromPool)
	switch {
	case pool == nil:
		return routeClaim{refusal: IPNotAllowed, detail: "no IPAddressPool contains all its addresses", quiet: true}
	case len(pool.BGP) == 0:
		return routeClaim{refusal: NoMatchingAdvertisement, detail: "no BGPAdvertisement selects pool " + pool.Name, quiet: true}
	case r.self < 0:
		return routeClaim{refusal: NodeNotSelected, detail: "the API server knows no node of this name"}
	}
	var c routeClaim
	covered := false
	for _, ad := range pool.BGP {
		if !ad.Nodes.Has(r.self) {
			continue
		}
		covered = true
		if ad.Selects(svc.Labels) {
			c.offers = append(c.offers, r.offers[ad])
		}
	}
	switch {
	case !covered:
		c.refusal, c.detail = NodeNotSelected, "no BGPAdvertisement of pool "+pool.Name+" selects this node"
	case len(c.offers) == 0:
		c.refusal, c.detail = NoMatchingAdvertisement, "no BGPAdvertisement of pool "+pool.Name+" selects the Service"
	case r.unfit != "":
		c.absence = r.unfit
	case svc.Local && !slices.Contains(svc.Endpoints.Nodes, r.snap.Nodes[r.self].Name):
		c.absence, c.absenceDetail = NoLocalEndpoints, "externalTrafficPolicy is Local and no endpoint on this node can serve"
	case !svc.Endpoints.Serving:
		c.absence, c.absenceDetail = NoEndpoints, "no endpoint can serve"
	}
	return c
}
