package announce

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/config"
)

// claim is what one Service asks of the nodes: who may own its addresses. It
// follows from shared facts alone.
type claim struct {
	service *Service
	// advertisements select the Service; some may not cover this node.
	advertisements []*config.L2Advertisement
	// candidates are the nodes that may own its addresses; none if refused.
	candidates config.NodeSet
	// refusal says why nobody may, wherever they are; empty if there is no
	// such reason.
	refusal Reason
	detail  string
	// quiet: nobody needs to hear of the refusal.
	quiet bool
}

// live returns the positions of nodes that may own anything at all.
func live(snap *config.Snapshot, shared *Shared) config.NodeSet {
	set := config.NewNodeSet(len(snap.Nodes))
	for i := range snap.Nodes {
		if standing(&snap.Nodes[i], shared) == "" {
			set.Add(i)
		}
	}
	return set
}

// standing says why a node may own nothing at all; empty if it may.
func standing(n *config.Node, shared *Shared) Reason {
	if shared.Members.Known {
		if _, ok := slices.BinarySearch(shared.Members.Names, n.Name); !ok {
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

// claimOf reads what one Service that holds addresses asks of the nodes.
func (f *facts) claimOf(svc *Service) claim {
	c := claim{service: svc}
	pool := f.snap.PoolOf(svc.Addresses, svc.FromPool)
	if pool == nil {
		c.refusal, c.detail = IPNotAllowed, "no IPAddressPool contains all its addresses"
		return c
	}
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
	c.candidates = config.NewNodeSet(len(f.snap.Nodes))
	for _, ad := range c.advertisements {
		c.candidates.Union(ad.Nodes)
	}
	c.candidates.Intersect(f.live)
	if svc.Local {
		local := config.NewNodeSet(len(f.snap.Nodes))
		for _, name := range svc.Endpoints.Nodes {
			if i := f.snap.NodeIndex(name); i >= 0 {
				local.Add(i)
			}
		}
		c.candidates.Intersect(local)
	}
	return c
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
	return NoLocalEndpoints, "externalTrafficPolicy is Local and no endpoint on this node can serve"
}
