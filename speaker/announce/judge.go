package announce

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// facts are everything a judgement about layer 2 rests on besides the Services,
// with what follows from them worked out once.
type facts struct {
	snap *config.Snapshot
	node string

	self       int    // position of this node in the snapshot; -1 if unknown
	standing   Reason // why this node may own nothing at all; empty if it may
	live       config.NodeSet
	draining   config.NodeSet
	interfaces []layer2.Interface
}

func newFacts(snap *config.Snapshot, shared *Shared, local Local) *facts {
	f := &facts{
		snap:       snap,
		node:       local.Node,
		self:       snap.NodeIndex(local.Node),
		standing:   NotMember,
		live:       live(snap, shared),
		draining:   draining(snap),
		interfaces: usable(local),
	}
	if f.self >= 0 {
		f.standing = standing(&snap.Nodes[f.self], shared)
	}
	return f
}

// lostSince returns the nodes that could own addresses before and now cannot.
// It reports false if anything else has changed as well.
func (f *facts) lostSince(before *facts) (config.NodeSet, bool) {
	if before == nil || before.snap != f.snap || before.standing != f.standing ||
		!slices.Equal(before.interfaces, f.interfaces) {
		return nil, false
	}
	lost, gained := slices.Clone(before.live), slices.Clone(f.live)
	lost.Subtract(f.live)
	gained.Subtract(before.live)
	return lost, gained.Empty()
}

// judgement is what is decided about one address at layer 2.
type judgement struct {
	election   election
	verdicts   []Verdict // one for each holder
	interfaces []string  // those this node answers on; none if it does not
}

// judge decides about one address and all Services that hold it, which are in
// the order of [compareHolders]. Before is the election of the last judgement;
// the zero value will do.
func (f *facts) judge(addr netip.Addr, holders []*Service, before election) judgement {
	var few [4]claim // most addresses have one holder; keeps the claims off the heap
	claims := few[:0]
	for _, svc := range holders {
		claims = append(claims, f.claimOf(svc))
	}
	j := judgement{election: f.elect(claims, before), verdicts: make([]Verdict, len(claims))}
	own := j.election.owner

	var allowed selection
	if own >= 0 && own == f.self {
		allowed = f.selection(claims)
		j.interfaces = allowed.of(f.interfaces, addr.Is4())
	}
	for i := range claims {
		c, v := &claims[i], &j.verdicts[i]
		v.Key = Key{Service: c.service.Name, Addr: addr, Protocol: Layer2}
		if own >= 0 && c.refusal == "" {
			v.Owner = f.snap.Nodes[own].Name
		}
		switch {
		case c.refusal != "":
			v.Reason, v.Detail, v.Quiet = c.refusal, c.detail, c.quiet
		case !c.candidates.Has(f.self):
			v.Reason, v.Detail = f.absence(c)
		case own != f.self && f.draining.Has(f.self) && !f.draining.Has(own):
			v.Reason = NodeDraining
		case own != f.self:
			v.Reason = NotOwner
		case len(j.interfaces) == 0:
			v.Reason, v.Detail = NoInterface, f.interfaceless(&allowed, addr.Is4())
		default:
			v.Reason, v.Interfaces = Announced, j.interfaces
			if !allowed.all {
				v.Selected = allowed.names
			}
		}
	}
	return j
}

// compareHolders orders the Services that hold one address. The first leads:
// its first address is the one hashed. One with two addresses comes before
// those with one, so that both of its addresses get the same owner.
func compareHolders(a, b *Service) int {
	return cmp.Or(
		-cmp.Compare(len(a.Addresses), len(b.Addresses)),
		cmp.Compare(a.Name.Namespace, b.Name.Namespace),
		cmp.Compare(a.Name.Name, b.Name.Name),
	)
}

// selection returns the interfaces that the advertisements covering this node
// allow, over all Services in force that hold the address.
func (f *facts) selection(claims []claim) selection {
	var s selection
	for i := range claims {
		if claims[i].refusal != "" {
			continue
		}
		for _, ad := range claims[i].advertisements {
			if ad.Nodes.Has(f.self) {
				s.add(ad.AllInterfaces, ad.Interfaces)
			}
		}
	}
	return s
}
