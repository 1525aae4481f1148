package announce

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// election is the outcome for one address. Kept, it spares the next one work.
type election struct {
	// owner is a position in the nodes of snap; -1 for nobody.
	owner int
	// voice is the owner, or the node that would be it if it had an interface; -1
	// for nobody. It speaks where there is no owner.
	voice int
	// leader is the Service whose first address and preferences decided.
	leader *Service
	// candidates are the nodes that stood.
	candidates config.NodeSet
	snap       *config.Snapshot
}

// elect names the owner of one address among the nodes that its claims leave.
//
// Services that share an address need not agree on who may own it (they may
// have endpoints on different nodes), yet it has only one owner: a node that
// suits the first of them, and of the others, in their order, each that leaves
// a node at all. Losing a node that is not the owner therefore moves nothing: the
// owner is in every set on the way to the last one, so that none which was not
// empty becomes empty.
func (f *facts) elect(claims []claim, before election) election {
	e := election{owner: -1, voice: -1, snap: f.snap}
	var lead *claim
	for i := range claims {
		c := &claims[i]
		if c.candidates.Empty() {
			continue
		}
		if lead == nil {
			lead, e.candidates = c, c.candidates
			continue
		}
		e.candidates = narrow(e.candidates, c.candidates)
	}
	if lead == nil {
		e.voice = f.voice(claims)
		return e
	}
	e.leader = lead.service
	// A node that is leaving stands back for any that stays. Coming after the
	// claims, this too lets the loss of another node move nothing: an owner that
	// stays is left as one that stays, and one that is leaving owns because none
	// did. The same goes for what comes last.
	if !f.draining.Empty() {
		staying := slices.Clone(f.live)
		staying.Subtract(f.draining)
		e.candidates = narrow(e.candidates, staying)
	}
	// So does one that was down until a moment ago, for any that was not.
	if mending := f.mending(lead); !mending.Empty() {
		well := slices.Clone(f.live)
		well.Subtract(mending)
		e.candidates = narrow(e.candidates, well)
	}
	// Two addresses of one Service are to be on one node. Where none can announce
	// both, each has a node of its own, by the same rank.
	if bothFamilies(lead.service.Addresses) {
		e.candidates = narrow(e.candidates, f.able(lead, !lead.v4))
	}
	// Each node is ranked on its own, so that who lost to the owner still
	// does: while the owner stands, only newcomers can beat it.
	contenders := e.candidates
	if before.snap == e.snap && before.leader == e.leader && e.candidates.Has(before.owner) {
		contenders = slices.Clone(e.candidates)
		contenders.Subtract(before.candidates)
		contenders.Add(before.owner)
	}
	e.owner = f.first(lead, contenders)
	e.voice = e.owner
	return e
}

// narrow returns what two sets have in common; if that is nothing, the first.
func narrow(set, to config.NodeSet) config.NodeSet {
	if !set.Intersects(to) {
		return set
	}
	both := slices.Clone(set)
	both.Intersect(to)
	return both
}

func bothFamilies(addrs []netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() != addrs[0].Is4() })
}

// voice returns the node that would own the address of the claims if it were
// able to announce it; -1 if there is none.
func (f *facts) voice(claims []claim) int {
	for i := range claims {
		if claims[i].refusal != "" {
			continue
		}
		if all := f.eligible(&claims[i], f.live); !all.Empty() {
			return f.first(&claims[i], all)
		}
	}
	return -1
}

// rivals returns the nodes that would own an address of this node if they lived,
// were well and were able to announce it. One that is leaving would not, unless
// this one is too; all that are well would if this one is recovering.
func (f *facts) rivals(lead *claim) config.NodeSet {
	all := f.eligible(lead, f.fit)
	equals := slices.Clone(all)
	if f.draining.Has(f.self) {
		equals.Intersect(f.draining)
	} else {
		all.Subtract(f.draining)
		equals.Subtract(f.draining)
	}
	if mending := f.mending(lead); mending.Has(f.self) {
		equals.Intersect(mending)
	}
	above := all
	above.Subtract(equals)
	o := orderOf(lead)
	equals = o.ahead(f.snap.Nodes, equals, f.self)
	equals.Union(above)
	return equals
}

// first returns the one of the candidates that a claim ranks before all others.
func (f *facts) first(lead *claim, candidates config.NodeSet) int {
	o := orderOf(lead)
	return o.first(f.snap.Nodes, candidates)
}
