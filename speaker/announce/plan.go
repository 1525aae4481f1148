package announce

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// Decision is all that one node does, and why.
type Decision struct {
	Layer2 layer2.Config
	// Verdicts are sorted by Service, address and protocol. A Service that
	// holds no address has one verdict with the zero address.
	Verdicts []Verdict
}

// Decide judges every Service for one node.
func Decide(snap *config.Snapshot, view View) Decision {
	p := NewPlan(view.Local)
	p.shared.IgnoreExcludeLabel = view.Shared.IgnoreExcludeLabel
	p.SetSnapshot(snap)
	p.SetMembers(view.Shared.Members)
	for i := range view.Shared.Services {
		p.SetService(&view.Shared.Services[i])
	}
	p.Revise()
	verdicts := slices.Collect(maps.Values(p.verdicts))
	slices.SortFunc(verdicts, func(a, b Verdict) int { return compareKeys(a.Key, b.Key) })
	return Decision{Layer2: p.Layer2(), Verdicts: verdicts}
}

// Plan is a standing decision. Tell it what changed and ask it to [Plan.Revise];
// the work is proportional to the addresses touched. It always equals [Decide]
// on the same facts. It is one goroutine's state.
type Plan struct {
	snap   *config.Snapshot
	shared Shared // without Services
	local  Local
	facts  *facts // nil when snapshot, members or links changed

	services map[types.NamespacedName]*Service
	holders  map[netip.Addr][]*Service
	keys     map[types.NamespacedName][]Key
	verdicts map[Key]Verdict
	owned    []layer2.Announcement // sorted

	dirtyAddrs    map[netip.Addr]struct{}
	dirtyServices map[types.NamespacedName]struct{}
}

// Revision is what a call of [Plan.Revise] changed; all of it sorted.
type Revision struct {
	// Changed are new or different verdicts.
	Changed []Change
	// Gone are the last verdicts on Services and addresses that are no more.
	Gone []Verdict
}

// Change is a verdict that says something new.
type Change struct {
	Verdict
	// Before is the reason of the verdict it replaces; empty for a first one.
	Before Reason
}

// NewPlan returns a plan of a node that knows nothing yet.
func NewPlan(local Local) *Plan {
	return &Plan{
		snap:          &config.Snapshot{},
		local:         local,
		services:      map[types.NamespacedName]*Service{},
		holders:       map[netip.Addr][]*Service{},
		keys:          map[types.NamespacedName][]Key{},
		verdicts:      map[Key]Verdict{},
		dirtyAddrs:    map[netip.Addr]struct{}{},
		dirtyServices: map[types.NamespacedName]struct{}{},
	}
}

// IgnoreExcludeLabel sets [Shared.IgnoreExcludeLabel].
func (p *Plan) IgnoreExcludeLabel(ignore bool) {
	p.shared.IgnoreExcludeLabel = ignore
	p.facts = nil
}

// SetSnapshot replaces the configuration.
func (p *Plan) SetSnapshot(snap *config.Snapshot) {
	p.snap = snap
	p.facts = nil
}

// SetMembers replaces the live members.
func (p *Plan) SetMembers(m Members) {
	if m.Known == p.shared.Members.Known && slices.Equal(m.Names, p.shared.Members.Names) {
		return
	}
	p.shared.Members = m
	p.facts = nil
}

// SetLinks replaces the facts of this node's interfaces.
func (p *Plan) SetLinks(links []Link) {
	before := usable(p.local)
	p.local.Links = links
	if !slices.Equal(before, usable(p.local)) {
		p.facts = nil
	}
}

// SetService adds or replaces one Service. The plan keeps the pointer; what it
// points to must not change afterwards.
func (p *Plan) SetService(svc *Service) {
	if old, ok := p.services[svc.Name]; ok {
		if reflect.DeepEqual(old, svc) {
			return
		}
		p.unhold(old)
	}
	p.services[svc.Name] = svc
	p.dirtyServices[svc.Name] = struct{}{}
	if !svc.LoadBalancer {
		return
	}
	for _, a := range svc.Addresses {
		holders := p.holders[a]
		at, _ := slices.BinarySearchFunc(holders, svc, compareHolders)
		p.holders[a] = slices.Insert(holders, at, svc)
		p.dirtyAddrs[a] = struct{}{}
	}
}

// DeleteService removes one Service; an unknown one is no error.
func (p *Plan) DeleteService(name types.NamespacedName) {
	if old, ok := p.services[name]; ok {
		p.unhold(old)
		delete(p.services, name)
		p.dirtyServices[name] = struct{}{}
	}
}

func (p *Plan) unhold(svc *Service) {
	for _, a := range svc.Addresses {
		holders := slices.DeleteFunc(p.holders[a], func(s *Service) bool { return s == svc })
		if len(holders) == 0 {
			delete(p.holders, a)
		} else {
			p.holders[a] = holders
		}
		p.dirtyAddrs[a] = struct{}{}
	}
}

// Layer2 returns the complete configuration of the layer-2 engine.
func (p *Plan) Layer2() layer2.Config {
	return layer2.Config{Interfaces: usable(p.local), Announcements: p.owned}
}

// Revise judges again whatever the changes since the last call touched: the
// addresses of a changed Service, or everything after a change of
// configuration, membership or links.
func (p *Plan) Revise() Revision {
	if p.facts == nil {
		p.facts = newFacts(p.snap, &p.shared, p.local)
		for a := range p.holders {
			p.dirtyAddrs[a] = struct{}{}
		}
		for name := range p.services {
			p.dirtyServices[name] = struct{}{}
		}
	}
	var rev Revision
	for name := range p.dirtyServices {
		p.reviseService(&rev, name)
	}
	var owned []layer2.Announcement
	for a := range p.dirtyAddrs {
		verdicts, announcement := p.facts.judge(a, p.holders[a])
		for i := range verdicts {
			p.put(&rev, verdicts[i])
		}
		if announcement != nil {
			owned = append(owned, *announcement)
		}
	}
	p.owned = replaceAnnouncements(p.owned, p.dirtyAddrs, owned)
	clear(p.dirtyAddrs)
	clear(p.dirtyServices)
	slices.SortFunc(rev.Changed, func(a, b Change) int { return compareKeys(a.Key, b.Key) })
	slices.SortFunc(rev.Gone, func(a, b Verdict) int { return compareKeys(a.Key, b.Key) })
	return rev
}

// reviseService brings the keys of one Service up to date: those it no longer
// has are dropped, and a Service without address gets its one verdict. The
// verdicts of its addresses are judged with the addresses.
func (p *Plan) reviseService(rev *Revision, name types.NamespacedName) {
	var keys []Key
	if svc, ok := p.services[name]; ok {
		if svc.LoadBalancer {
			for _, a := range svc.Addresses {
				keys = append(keys, Key{Service: name, Addr: a, Protocol: Layer2})
			}
		}
		if len(keys) == 0 {
			v := Verdict{Key: Key{Service: name, Protocol: Layer2}, Reason: NoIPAllocated}
			if !svc.LoadBalancer {
				v.Reason = NotLoadBalancer
			}
			p.put(rev, v)
			keys = []Key{v.Key}
		}
	}
	for _, k := range p.keys[name] {
		if !slices.Contains(keys, k) {
			rev.Gone = append(rev.Gone, p.verdicts[k])
			delete(p.verdicts, k)
		}
	}
	if p.keys[name] = keys; len(keys) == 0 {
		delete(p.keys, name)
	}
}

// put records a verdict, and in the revision if it says something new.
func (p *Plan) put(rev *Revision, v Verdict) {
	old, known := p.verdicts[v.Key]
	if known && reflect.DeepEqual(old, v) {
		return
	}
	p.verdicts[v.Key] = v
	rev.Changed = append(rev.Changed, Change{Verdict: v, Before: old.Reason})
}

// replaceAnnouncements returns the sorted announcements with those of the
// judged addresses replaced by fresh ones; the old slice is left as it is,
// because the engine may still read it.
func replaceAnnouncements(old []layer2.Announcement, judged map[netip.Addr]struct{}, fresh []layer2.Announcement) []layer2.Announcement {
	if len(judged) == 0 {
		return old
	}
	slices.SortFunc(fresh, func(a, b layer2.Announcement) int { return a.Addr.Compare(b.Addr) })
	out := make([]layer2.Announcement, 0, len(old)+len(fresh))
	for _, a := range old {
		if _, again := judged[a.Addr]; again {
			continue
		}
		for len(fresh) > 0 && fresh[0].Addr.Less(a.Addr) {
			out, fresh = append(out, fresh[0]), fresh[1:]
		}
		out = append(out, a)
	}
	return append(out, fresh...)
}
