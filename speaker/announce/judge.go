package announce

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// facts are everything a judgement rests on besides the Services, with what
// follows from them worked out once.
type facts struct {
	snap   *config.Snapshot
	shared *Shared
	node   string

	self       int // position of this node in the snapshot; -1 if unknown
	live       config.NodeSet
	interfaces []layer2.Interface
}

func newFacts(snap *config.Snapshot, shared *Shared, local Local) *facts {
	return &facts{
		snap:       snap,
		shared:     shared,
		node:       local.Node,
		self:       snap.NodeIndex(local.Node),
		live:       live(snap, shared),
		interfaces: usable(local),
	}
}

// judge decides about one address and all Services that hold it, which are in
// the order of [compareHolders]. It returns a verdict for each, and what to
// announce if this node owns the address.
//
// Services that share an address need not agree on who may own it (they may
// select different nodes, or have endpoints on different ones), yet it can
// have only one owner: a node that suits all of them, or failing that one that
// suits the first.
func (f *facts) judge(addr netip.Addr, holders []*Service) ([]Verdict, *layer2.Announcement) {
	claims := make([]claim, len(holders))
	var lead *claim
	var common config.NodeSet
	for i, svc := range holders {
		claims[i] = f.claimOf(svc)
		c := &claims[i]
		switch {
		case c.refusal != "" || c.candidates.Empty():
		case lead == nil:
			lead = c
			common = slices.Clone(c.candidates)
		default:
			common.Intersect(c.candidates)
		}
	}
	own := -1
	if lead != nil {
		if common.Empty() {
			common = lead.candidates
		}
		own = owner(f.snap.Nodes, common, lead.service.Addresses[0], preferences(lead.advertisements))
	}

	var announcement *layer2.Announcement
	var allowed selection
	if own >= 0 && own == f.self {
		allowed = f.selection(claims)
		if names := allowed.of(f.interfaces, addr.Is4()); len(names) > 0 {
			announcement = &layer2.Announcement{Addr: addr, Interfaces: names}
		}
	}
	verdicts := make([]Verdict, len(claims))
	for i := range claims {
		c := &claims[i]
		v := &verdicts[i]
		v.Key = Key{Service: c.service.Name, Addr: addr, Protocol: Layer2}
		if own >= 0 {
			v.Owner = f.snap.Nodes[own].Name
		}
		switch {
		case c.refusal != "":
			v.Reason, v.Detail, v.Owner = c.refusal, c.detail, ""
		case !c.candidates.Has(f.self):
			v.Reason, v.Detail = f.absence(c)
		case own != f.self:
			v.Reason, v.Detail = NotOwner, "owned by "+v.Owner
		case announcement == nil:
			v.Reason, v.Detail = NoInterface, f.interfaceless(&allowed, addr.Is4())
		default:
			v.Reason, v.Interfaces, v.Selected = Announced, announcement.Interfaces, allowed.names
			if allowed.all {
				v.Selected = nil
			}
		}
	}
	return verdicts, announcement
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

// preferences returns those of all the advertisements; they add up.
func preferences(ads []*config.L2Advertisement) []config.Preference {
	if len(ads) == 1 {
		return ads[0].Preferences
	}
	var out []config.Preference
	for _, ad := range ads {
		out = append(out, ad.Preferences...)
	}
	return out
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
