package announce

import (
	"net/netip"
	"reflect"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// Plan is a standing decision. Tell it what changed and ask it to [Plan.Revise];
// the work is proportional to the addresses touched. It always equals [Decide]
// on the same facts. It is one goroutine's state, and keeps what it is given:
// do not change that afterwards.
type Plan struct {
	snap   *config.Snapshot
	shared Shared // without Services
	local  Local

	facts   *facts   // as of the last revision; nil before the first
	routing *routing // the same for BGP
	stale   bool     // snapshot, members, links or routers were set since

	services map[types.NamespacedName]*Service
	idle     map[types.NamespacedName]Verdict // on Services that hold no address
	held     map[netip.Addr]*held
	owned    []layer2.Announcement // sorted
	watched  []layer2.Announcement // sorted
	behind   bool                  // watched may not be the latest
	routed   map[types.NamespacedName]routed
	routes   routes
	paths    bfd.Config

	unnumbered []Link

	dirtyServices map[types.NamespacedName]struct{}
	dirtyAddrs    map[netip.Addr]struct{}
}

// held is one address, the Services that hold it in the order of
// [compareHolders], and what was last decided about it.
type held struct {
	holders []*Service
	last    judgement
}

// unseen reports whether nothing was decided yet.
func (h *held) unseen() bool { return h.last.verdicts == nil }

// NewPlan returns a plan of a node that knows nothing yet.
func NewPlan(local Local) *Plan {
	return &Plan{
		snap:          &config.Snapshot{},
		shared:        Shared{New: map[netip.Addr]struct{}{}},
		local:         local,
		stale:         true,
		services:      map[types.NamespacedName]*Service{},
		idle:          map[types.NamespacedName]Verdict{},
		held:          map[netip.Addr]*held{},
		routed:        map[types.NamespacedName]routed{},
		routes:        newRoutes(),
		dirtyServices: map[types.NamespacedName]struct{}{},
		dirtyAddrs:    map[netip.Addr]struct{}{},
	}
}

// IgnoreExcludeLabel sets [Shared.IgnoreExcludeLabel].
func (p *Plan) IgnoreExcludeLabel(ignore bool) {
	p.shared.IgnoreExcludeLabel = ignore
	p.stale = true
}

// SetSnapshot replaces the configuration.
func (p *Plan) SetSnapshot(snap *config.Snapshot) {
	p.snap = snap
	p.stale = true
}

// SetMembers replaces the live members.
func (p *Plan) SetMembers(m Members) {
	p.shared.Members = m
	p.stale = true
}

// SetNew says that an address has become new, or is new no longer; see
// [Shared.New].
func (p *Plan) SetNew(a netip.Addr, isNew bool) {
	if isNew {
		p.shared.New[a] = struct{}{}
	} else {
		delete(p.shared.New, a)
	}
	if p.held[a] != nil {
		p.dirtyAddrs[a] = struct{}{}
	}
}

// Unseen returns the addresses that Services hold and nobody did at the last
// revision.
func (p *Plan) Unseen() []netip.Addr {
	var out []netip.Addr
	for a := range p.dirtyAddrs {
		if h := p.held[a]; h.unseen() && len(h.holders) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// SetLinks replaces the facts of this node's interfaces.
func (p *Plan) SetLinks(links []Link) {
	p.local.Links = links
	p.stale = true
}

// SetExclude replaces the expressions for interfaces to leave alone.
func (p *Plan) SetExclude(exclude []*regexp.Regexp) {
	p.local.Exclude = exclude
	p.stale = true
}

// SetRouters replaces the addresses of the routers found, by the name of their
// link.
func (p *Plan) SetRouters(routers map[string]netip.Addr) {
	p.local.Routers = routers
	p.stale = true
}

// SetService adds or replaces one Service.
func (p *Plan) SetService(svc *Service) {
	old, ok := p.services[svc.Name]
	if ok && reflect.DeepEqual(old, svc) {
		return
	}
	p.DeleteService(svc.Name)
	p.services[svc.Name] = svc
	p.dirtyServices[svc.Name] = struct{}{}
	for _, a := range svc.held() {
		h := p.held[a]
		if h == nil {
			h = &held{}
			p.held[a] = h
		}
		at, _ := slices.BinarySearchFunc(h.holders, svc, compareHolders)
		h.holders = slices.Insert(h.holders, at, svc)
		p.dirtyAddrs[a] = struct{}{}
	}
}

// DeleteService removes one Service; an unknown one is no error.
func (p *Plan) DeleteService(name types.NamespacedName) {
	svc, ok := p.services[name]
	if !ok {
		return
	}
	delete(p.services, name)
	p.dirtyServices[name] = struct{}{}
	for _, a := range svc.held() {
		h := p.held[a]
		h.holders = slices.DeleteFunc(h.holders, func(s *Service) bool { return s == svc })
		p.dirtyAddrs[a] = struct{}{}
	}
}

// Layer2 returns the complete configuration of the layer-2 engine, as of the
// last revision.
func (p *Plan) Layer2() layer2.Config {
	if p.facts == nil {
		return layer2.Config{}
	}
	return layer2.Config{
		Interfaces: p.facts.interfaces, Announcements: p.owned,
		Speakers: p.facts.speakers.all, Watched: p.watched,
	}
}

// Layer2Verdicts returns the verdicts at layer 2 on one address, as of the last
// revision.
func (p *Plan) Layer2Verdicts(a netip.Addr) []Verdict {
	if h := p.held[a]; h != nil {
		return h.last.verdicts
	}
	return nil
}

// BGP returns the complete configuration of the BGP engine, as of the last
// revision. A peer whose router has not been found is left out.
func (p *Plan) BGP() bgp.Config {
	if p.routing == nil {
		return bgp.Config{}
	}
	c := bgp.Config{Draining: p.routing.draining}
	for i := range p.routing.peers {
		if peer := &p.routing.peers[i]; peer.found() {
			c.Peers = append(c.Peers, bgp.Peer{Name: peer.Name, Session: peer.session, Routes: p.routes.told[i]})
		}
	}
	return c
}

// BFD returns the complete configuration of the BFD engine, as of the last
// revision.
func (p *Plan) BFD() bfd.Config { return p.paths }

// Unnumbered returns the links on which routers are to be found, sorted by
// name, as of the last revision.
func (p *Plan) Unnumbered() []Link { return p.unnumbered }

// Draining reports whether this node is leaving, as of the latest snapshot.
func (p *Plan) Draining() bool {
	self := p.snap.NodeIndex(p.local.Node)
	return self >= 0 && p.snap.Nodes[self].Draining
}

// Revise judges again whatever the changes since the last call touched.
func (p *Plan) Revise() Revision {
	if p.stale {
		before := p.facts
		p.facts, p.stale = newFacts(p.snap, &p.shared, p.local), false
		p.behind = true
		p.touch(before)
		p.reroute()
	}
	var rev Revision
	for name := range p.dirtyServices {
		p.reviseIdle(&rev, name)
		p.reviseRoutes(&rev, name)
	}
	p.routes.revise(p.routing)
	var fresh []layer2.Announcement
	moved := map[netip.Addr]struct{}{} // whose announcement is another, or none
	for a := range p.dirtyAddrs {
		h := p.held[a]
		if h.unseen() || len(h.holders) == 0 {
			p.behind = true
			p.unwatch(a)
		}
		last := h.last
		h.last = p.facts.judge(a, h.holders, last.election)
		rev.add(last.verdicts, h.last.verdicts)
		if !last.answer.Equal(h.last.answer) {
			moved[a] = struct{}{}
			if len(h.last.answer.Interfaces) > 0 {
				fresh = append(fresh, h.last.answer)
			}
		}
		if len(h.holders) == 0 {
			delete(p.held, a)
		}
	}
	p.owned = replaceAnnouncements(p.owned, moved, fresh)
	// Not cleared but made anew: going through a map that was large once takes as
	// long as if it still were.
	p.dirtyServices, p.dirtyAddrs = map[types.NamespacedName]struct{}{}, map[netip.Addr]struct{}{}
	rev.Sort()
	return rev
}

// touch marks the addresses that the change of facts since before concerns.
// Where nodes were lost and nothing else happened, that is only what they
// owned: whoever owns another address still does, and says the same of it.
func (p *Plan) touch(before *facts) {
	lost, nothingElse := p.facts.lostSince(before)
	if nothingElse {
		p.recognize(before)
		if lost.Empty() {
			return
		}
	}
	for a, h := range p.held {
		if !nothingElse || lost.Has(h.last.election.voice) {
			p.dirtyAddrs[a] = struct{}{}
		}
	}
}

// recognize marks the addresses of this node if the hardware addresses of other
// speakers are not what they were.
func (p *Plan) recognize(before *facts) {
	if p.facts.speakers.equal(before.speakers) {
		p.facts.speakers = before.speakers
		return
	}
	for i := range p.owned {
		p.dirtyAddrs[p.owned[i].Addr] = struct{}{}
	}
}

// reviseIdle gives a Service that holds no address its one verdict, and takes
// it away from any other.
func (p *Plan) reviseIdle(rev *Revision, name types.NamespacedName) {
	var before, after []Verdict
	if v, ok := p.idle[name]; ok {
		before = append(before, v)
		delete(p.idle, name)
	}
	if svc, ok := p.services[name]; ok && len(svc.held()) == 0 {
		v := Verdict{Key: Key{Service: name, Protocol: Layer2}, Reason: NoIPAllocated}
		if !svc.LoadBalancer {
			v.Reason = NotLoadBalancer
		}
		after = append(after, v)
		p.idle[name] = v
	}
	rev.add(before, after)
}

// reroute takes in what has changed for BGP. Unless it is only where a known
// router is, all Services are judged again.
func (p *Plan) reroute() {
	before := p.routing
	now := newRouting(p.snap, &p.shared, p.local)
	p.paths = paths(now.peers, p.local.Links)
	p.unnumbered = unnumbered(now.peers, p.local.Links)
	if now.sameAs(before) {
		before.peers = now.peers
		return
	}
	var peersBefore []peer
	if before != nil {
		peersBefore = before.peers
	}
	p.routing = now
	p.routes.restart(peersBefore, now.peers)
	now.makeOffers(&p.routes.sets)
	for name, r := range p.routed {
		p.routed[name] = routed{verdicts: r.verdicts}
	}
	for name := range p.services {
		p.dirtyServices[name] = struct{}{}
	}
}

// reviseRoutes judges one Service for BGP.
func (p *Plan) reviseRoutes(rev *Revision, name types.NamespacedName) {
	before := p.routed[name]
	var after routed
	if svc, ok := p.services[name]; ok && len(svc.held()) > 0 {
		after = p.routing.judge(svc)
		p.routed[name] = after
	} else {
		delete(p.routed, name)
	}
	p.routes.add(after.requests) // first, so that what stays is not touched
	p.routes.remove(before.requests)
	rev.add(before.verdicts, after.verdicts)
}

// replaceAnnouncements returns the sorted announcements with those of the moved
// addresses replaced by fresh ones. The old slice is left as it is, because the
// engine may still read it.
func replaceAnnouncements(old []layer2.Announcement, moved map[netip.Addr]struct{}, fresh []layer2.Announcement) []layer2.Announcement {
	if len(moved) == 0 {
		return old
	}
	slices.SortFunc(fresh, func(a, b layer2.Announcement) int { return a.Addr.Compare(b.Addr) })
	out := make([]layer2.Announcement, 0, len(old)+len(fresh))
	for _, a := range old {
		if _, gone := moved[a.Addr]; gone {
			continue
		}
		for len(fresh) > 0 && fresh[0].Addr.Less(a.Addr) {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		out = append(out, a)
	}
	return append(out, fresh...)
}
