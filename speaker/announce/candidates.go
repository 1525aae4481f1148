package announce

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/config"
)

// claim is what one Service asks of the nodes: who may own one of its
// addresses. It follows from shared facts alone.
type claim struct {
	service *Service
	v4      bool         // the family of the address
	pool    *config.Pool // nil if there is none
	// advertisements select the Service; some may not cover this node.
	advertisements []*config.L2Advertisement
	// served are the nodes that can serve it; nil for all.
	served config.NodeSet
	// candidates are the nodes that may own the address, and are able to announce
	// it; none if refused.
	candidates config.NodeSet
	// refusal says why nobody may, wherever they are; empty if there is no
	// such reason.
	refusal Reason
	detail  string
	// quiet: nobody needs to hear of the refusal.
	quiet bool
}

// fit returns the positions of nodes that may own anything at all if they live,
// and those of them that do.
func fit(snap *config.Snapshot, shared *Shared) (fit, live config.NodeSet) {
	fit, live = config.NewNodeSet(len(snap.Nodes)), config.NewNodeSet(len(snap.Nodes))
	for i := range snap.Nodes {
		n := &snap.Nodes[i]
		if unfit(n, shared) == "" {
			fit.Add(i)
		}
		if standing(n, shared) == "" {
			live.Add(i)
		}
	}
	return fit, live
}

// standing says why a node may own nothing at all; empty if it may.
func standing(n *config.Node, shared *Shared) Reason {
	if shared.Members.Known {
		if _, ok := shared.Members.node(n.Name); !ok {
			return NotMember
		}
	}
	return unfit(n, shared)
}

// unfit says what of a node itself forbids it to announce anything; empty if
// nothing does.
func unfit(n *config.Node, shared *Shared) Reason {
	switch {
	case n.NetworkUnavailable:
		return NodeNetworkUnavailable
	case n.Excluded && !shared.IgnoreExcludeLabel:
		return NodeExcluded
	}
	return ""
}

// draining returns the positions of nodes that are leaving.
func draining(snap *config.Snapshot) config.NodeSet {
	set := config.NewNodeSet(len(snap.Nodes))
	for i := range snap.Nodes {
		if snap.Nodes[i].Draining {
			set.Add(i)
		}
	}
	return set
}

// claimOf reads what one Service asks of the nodes that are to announce its
// address of one family.
func (f *facts) claimOf(svc *Service, v4 bool) claim {
	c := claim{service: svc, v4: v4}
	pool := f.snap.PoolOf(svc.Addresses, svc.FromPool)
	if pool == nil {
		c.refusal, c.detail = IPNotAllowed, "no IPAddressPool contains all its addresses"
		return c
	}
	c.pool = pool
	c.advertisements = selecting(pool.L2, svc.Labels)
	switch {
	case len(pool.L2) == 0 && len(pool.BGP) == 0:
		c.refusal, c.detail = NoMatchingAdvertisement, "neither an L2Advertisement nor a BGPAdvertisement selects pool "+pool.Name
		return c
	case len(pool.L2) == 0:
		c.refusal, c.detail, c.quiet = NoMatchingAdvertisement, "no L2Advertisement selects pool "+pool.Name, true
		return c
	case len(c.advertisements) == 0:
		c.refusal, c.detail = NoMatchingAdvertisement, "no L2Advertisement of pool "+pool.Name+" selects the Service"
		return c
	case svc.HasSharingKey && slices.ContainsFunc(c.advertisements, selective):
		c.refusal, c.detail = SharedIPWithSelector, "a Service that shares its address cannot be selected by serviceSelectors"
		return c
	case !svc.Endpoints.Serving:
		c.refusal, c.detail = NoEndpoints, "no endpoint can serve"
		return c
	}
	if svc.Local {
		c.served = config.NewNodeSet(len(f.snap.Nodes))
		for _, name := range svc.Endpoints.Nodes {
			if i := f.snap.NodeIndex(name); i >= 0 {
				c.served.Add(i)
			}
		}
	}
	c.candidates = f.able(&c, v4)
	return c
}

// able returns the nodes that may own an address of one family, and have an
// interface for it.
func (f *facts) able(c *claim, v4 bool) config.NodeSet {
	return c.among(len(f.snap.Nodes), func(ad *config.L2Advertisement) config.NodeSet { return f.reaches[ad].able.family(v4) })
}

// mending returns the nodes that should own an address only if no other can: they
// were down until a moment ago, or the interfaces were that they have for it, or
// for the other address of its Service: the two do not part over that.
func (f *facts) mending(c *claim) config.NodeSet {
	if !f.linksMend {
		return f.recovering
	}
	set := slices.Clone(f.recovering)
	for _, a := range c.service.Addresses {
		mends := f.able(c, a.Is4())
		mends.Subtract(c.among(len(f.snap.Nodes), func(ad *config.L2Advertisement) config.NodeSet {
			return f.reaches[ad].well.family(a.Is4())
		}))
		set.Union(mends)
	}
	return set
}

// eligible returns the nodes of a set that may own an address, able or not.
func (f *facts) eligible(c *claim, of config.NodeSet) config.NodeSet {
	set := c.among(len(f.snap.Nodes), func(ad *config.L2Advertisement) config.NodeSet { return ad.Nodes })
	set.Intersect(of)
	return set
}

// among returns the nodes that the advertisements together let serve.
func (c *claim) among(nodes int, let func(*config.L2Advertisement) config.NodeSet) config.NodeSet {
	set := config.NewNodeSet(nodes)
	for _, ad := range c.advertisements {
		set.Union(let(ad))
	}
	if c.served != nil {
		set.Intersect(c.served)
	}
	return set
}

// selecting returns those of the advertisements that select a Service.
func selecting(ads []*config.L2Advertisement, service labels.Set) []*config.L2Advertisement {
	leavesOut := func(ad *config.L2Advertisement) bool { return !ad.Selects(service) }
	if !slices.ContainsFunc(ads, leavesOut) {
		return ads // as nearly always, and not worth a copy
	}
	return slices.DeleteFunc(slices.Clone(ads), leavesOut)
}

func selective(ad *config.L2Advertisement) bool { return len(ad.Services) > 0 }

// absence says why this node is not among the claim's candidates.
func (f *facts) absence(c *claim) (Reason, string) {
	if f.self < 0 {
		return NotMember, "the API server knows no node of this name"
	}
	if f.standing != "" {
		return f.standing, ""
	}
	covered := slices.ContainsFunc(c.advertisements, func(ad *config.L2Advertisement) bool { return ad.Nodes.Has(f.self) })
	if !covered {
		return NodeNotSelected, "no L2Advertisement of the Service selects this node"
	}
	if c.served != nil && !c.served.Has(f.self) {
		return NoLocalEndpoints, "externalTrafficPolicy is Local and no endpoint on this node can serve"
	}
	return NodeNoInterface, f.interfaceless(f.selection([]claim{*c}), c.v4)
}
