package announce

import (
	"cmp"
	"maps"
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

	self       int            // position of this node in the snapshot; -1 if unknown
	standing   Reason         // why this node may own nothing at all; empty if it may
	fit        config.NodeSet // could own addresses if they lived
	live       config.NodeSet // of these, those that do
	draining   config.NodeSet
	recovering config.NodeSet // of those that live
	linksMend  bool           // some links are recovering
	cards      []Member       // by position in the snapshot
	reaches    map[*config.L2Advertisement]*reach
	speakers   *speakers
	isNew      map[netip.Addr]struct{}
	interfaces []layer2.Interface
	// unable says why others that advertisements name are not among them.
	unable map[string]string
}

func newFacts(snap *config.Snapshot, shared *Shared, local Local) *facts {
	f := &facts{
		snap:       snap,
		node:       local.Node,
		self:       snap.NodeIndex(local.Node),
		standing:   NotMember,
		draining:   draining(snap),
		cards:      make([]Member, len(snap.Nodes)),
		speakers:   newSpeakers(&shared.Members, local.Node),
		isNew:      shared.New,
		interfaces: usable(local),
		unable:     unableOf(snap, local),
	}
	f.fit, f.live = fit(snap, shared)
	for i := range snap.Nodes {
		f.cards[i], _ = shared.Members.node(snap.Nodes[i].Name)
	}
	f.recovering = config.NewNodeSet(len(snap.Nodes))
	for i := range f.cards {
		if f.cards[i].Recovering && f.live.Has(i) {
			f.recovering.Add(i)
		}
	}
	f.linksMend = slices.ContainsFunc(f.cards, linkMends)
	f.reaches = reaches(snap, f.cards, f.live)
	if f.self >= 0 {
		f.standing = standing(&snap.Nodes[f.self], shared)
	}
	return f
}

// lostSince returns the nodes that cannot own any more what they could before:
// they are lost, or some of their links. It reports false if anything else has
// changed as well.
func (f *facts) lostSince(before *facts) (config.NodeSet, bool) {
	if before == nil || before.snap != f.snap || before.standing != f.standing ||
		!slices.Equal(before.interfaces, f.interfaces) || !maps.Equal(before.unable, f.unable) {
		return nil, false
	}
	// Whom a node that is recovering stands back for depends on all the others.
	if f.self >= 0 && (f.recovering.Has(f.self) || linkMends(f.cards[f.self])) {
		return nil, false
	}
	lost := config.NewNodeSet(len(f.snap.Nodes))
	for i := range f.snap.Nodes {
		was, is := before.live.Has(i), f.live.Has(i)
		less, more := lostLinks(before.cards[i], f.cards[i])
		switch {
		case is && (!was || more), i == f.self && less:
			return nil, false
		case is && f.recovering.Has(i) != before.recovering.Has(i):
			return nil, false
		case was && (!is || less):
			lost.Add(i)
		}
	}
	return lost, true
}

// judgement is what is decided about one address at layer 2.
type judgement struct {
	election election
	verdicts []Verdict // one for each holder
	// answer is how this node answers, on no interface if it does not.
	answer layer2.Announcement
}

// judge decides about one address and all Services that hold it, which are in
// the order of [compareHolders]. Before is the election of the last judgement;
// the zero value will do.
func (f *facts) judge(addr netip.Addr, holders []*Service, before election) judgement {
	var few [4]claim // most addresses have one holder; keeps the claims off the heap
	claims := few[:0]
	for _, svc := range holders {
		claims = append(claims, f.claimOf(svc, addr.Is4()))
	}
	j := judgement{election: f.elect(claims, before), verdicts: make([]Verdict, len(claims))}
	e := &j.election

	var allowed selection
	if e.owner >= 0 && e.owner == f.self {
		allowed = f.selection(claims)
		j.answer.Addr = addr
		if j.answer.Interfaces = allowed.of(f.interfaces, addr.Is4()); len(j.answer.Interfaces) > 0 {
			lead := &claims[slices.IndexFunc(claims, func(c claim) bool { return c.service == e.leader })]
			j.answer.Before = f.speakers.on(f.snap.Nodes, f.rivals(lead))
			_, j.answer.New = f.isNew[addr]
			j.answer.New = j.answer.New && !lead.pool.IgnoreConflicts
		}
	}
	for i := range claims {
		c, v := &claims[i], &j.verdicts[i]
		v.Key = Key{Service: c.service.Name, Addr: addr, Protocol: Layer2}
		if e.owner >= 0 && c.refusal == "" {
			v.Owner = f.snap.Nodes[e.owner].Name
		}
		switch {
		case c.refusal != "":
			v.Reason, v.Detail, v.Quiet = c.refusal, c.detail, c.quiet
		case e.owner < 0 && e.voice >= 0 && e.voice == f.self:
			v.Reason, v.Detail = NoInterface, "no node that may announce it has an interface that can; on this one, "+f.interfaceless(f.selection(claims), addr.Is4())
		case !c.candidates.Has(f.self):
			v.Reason, v.Detail = f.absence(c)
		case e.owner != f.self && f.draining.Has(f.self) && !f.draining.Has(e.owner):
			v.Reason = NodeDraining
		case e.owner != f.self:
			v.Reason, v.Detail = NotOwner, f.mendingHere(c, e.owner)
		case len(j.answer.Interfaces) == 0:
			v.Reason, v.Detail = NoInterface, f.interfaceless(allowed, addr.Is4())
		default:
			v.Reason, v.Interfaces = Announced, j.answer.Interfaces
			if !allowed.all {
				v.Selected = allowed.names
			}
		}
	}
	return j
}

// mendingHere says, for a person, why this node stands back for another owner;
// empty if it does not.
func (f *facts) mendingHere(c *claim, owner int) string {
	set := f.mending(c)
	switch {
	case !set.Has(f.self) || set.Has(owner):
		return ""
	case f.recovering.Has(f.self):
		return "this node was down until a moment ago"
	default:
		return "its interfaces were down until a moment ago"
	}
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
