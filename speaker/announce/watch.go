package announce

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// watchedAhead is how many free addresses of each family are watched in a pool:
// those that are handed out next. One that is found in use by then need not be
// given to a Service, and taken away from it again.
const watchedAhead = 3

// LookAhead chooses the free addresses that are watched anew, if those held or
// what pools and nodes are like has changed. Unlike [Plan.Revise] it goes
// through whole pools, and is not for every change: until the next call Layer2
// has those of the last one that are still free.
func (p *Plan) LookAhead() {
	if !p.behind {
		return
	}
	p.behind = false
	p.watched = p.facts.watched(func(a netip.Addr) bool { return p.held[a] != nil })
}

// Behind reports whether LookAhead might choose others, as of the last revision.
func (p *Plan) Behind() bool { return p.behind }

// unwatch takes an address that is held now off the watch. The slice is another,
// because the engine may still read the old one.
func (p *Plan) unwatch(a netip.Addr) {
	if i := slices.IndexFunc(p.watched, func(w layer2.Announcement) bool { return w.Addr == a }); i >= 0 {
		p.watched = slices.Delete(slices.Clone(p.watched), i, i+1)
	}
}

// watched returns the free addresses that are this node's to watch, sorted.
func (f *facts) watched(held func(netip.Addr) bool) []layer2.Announcement {
	var out []layer2.Announcement
	for _, pool := range f.snap.Pools {
		if len(pool.L2) == 0 || pool.IgnoreConflicts || pool.Suspended {
			continue
		}
		for _, family := range []config.Family{config.IPv4, config.IPv6} {
			left := watchedAhead
			for a := range pool.Addresses(family) {
				if held(a) {
					continue
				}
				if w := f.watch(pool, a); len(w.Interfaces) > 0 {
					out = append(out, w)
				}
				if left--; left == 0 {
					break
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b layer2.Announcement) int { return a.Addr.Compare(b.Addr) })
	return out
}

// watch says how this node watches a free address: on no interface if that is
// another's to do. One node does it, chosen as if a Service held it that no
// advertisement leaves out.
func (f *facts) watch(pool *config.Pool, a netip.Addr) layer2.Announcement {
	c := claim{advertisements: pool.L2, v4: a.Is4()}
	o := newOrder(a, nil)
	if f.self < 0 || o.first(f.snap.Nodes, f.able(&c, c.v4)) != f.self {
		return layer2.Announcement{}
	}
	allowed := f.selection([]claim{c})
	return layer2.Announcement{Addr: a, Interfaces: allowed.of(f.interfaces, a.Is4())}
}
