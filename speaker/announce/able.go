package announce

import (
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// able are the nodes that can answer for addresses of one family, by what they
// say of their interfaces.
type able struct {
	anywhere config.NodeSet            // on some interface
	on       map[string]config.NodeSet // on the interface of that name
	silent   config.NodeSet            // they do not say, and are taken at their best
}

// ableNodes reads the cards of the members once, so that no Service has to.
func ableNodes(cards []Member, has func(MemberLink) bool) able {
	a := able{
		anywhere: config.NewNodeSet(len(cards)),
		on:       map[string]config.NodeSet{},
		silent:   config.NewNodeSet(len(cards)),
	}
	for i, m := range cards {
		if !m.LinksKnown {
			a.anywhere.Add(i)
			a.silent.Add(i)
			continue
		}
		for _, l := range m.Links {
			if !has(l) {
				continue
			}
			if a.on[l.Name] == nil {
				a.on[l.Name] = config.NewNodeSet(len(cards))
			}
			a.on[l.Name].Add(i)
			a.anywhere.Add(i)
		}
	}
	return a
}

// forAd returns the nodes that can answer where an advertisement lets them.
func (a *able) forAd(ad *config.L2Advertisement) config.NodeSet {
	if ad.AllInterfaces {
		return a.anywhere
	}
	set := slices.Clone(a.silent)
	for _, name := range ad.Interfaces {
		set.Union(a.on[name])
	}
	return set
}

// reach is who can announce by one advertisement: nodes that it covers, that
// live, and that have an interface for it.
type reach struct {
	able families
	// well are those of them whose interfaces are not recovering only.
	well families
}

// families are sets of nodes, for addresses of either family.
type families struct{ four, six config.NodeSet }

func (f *families) family(v4 bool) config.NodeSet {
	if v4 {
		return f.four
	}
	return f.six
}

// reaches works the advertisements out. The cards are by position in the
// snapshot.
func reaches(snap *config.Snapshot, cards []Member, live config.NodeSet) map[*config.L2Advertisement]*reach {
	four := ableNodes(cards, func(l MemberLink) bool { return l.IPv4 })
	six := ableNodes(cards, func(l MemberLink) bool { return l.IPv6 })
	well4 := ableNodes(cards, func(l MemberLink) bool { return l.IPv4 && !l.Recovering })
	well6 := ableNodes(cards, func(l MemberLink) bool { return l.IPv6 && !l.Recovering })
	among := func(a *able, ad *config.L2Advertisement) config.NodeSet {
		set := slices.Clone(ad.Nodes)
		set.Intersect(live)
		set.Intersect(a.forAd(ad))
		return set
	}
	out := map[*config.L2Advertisement]*reach{}
	for _, pool := range snap.Pools {
		for _, ad := range pool.L2 {
			if out[ad] == nil {
				out[ad] = &reach{
					able: families{four: among(&four, ad), six: among(&six, ad)},
					well: families{four: among(&well4, ad), six: among(&well6, ad)},
				}
			}
		}
	}
	return out
}

// linkMends reports whether a link of a member is recovering.
func linkMends(m Member) bool {
	return slices.ContainsFunc(m.Links, func(l MemberLink) bool { return l.Recovering })
}

// lostLinks compares what a live node can announce on with what it could, and
// reports whether there is less of it, and whether there is anything new.
func lostLinks(before, now Member) (less, more bool) {
	if !before.LinksKnown || !now.LinksKnown {
		return now.LinksKnown && !before.LinksKnown, before.LinksKnown && !now.LinksKnown
	}
	return !covers(now.Links, before.Links), !covers(before.Links, now.Links)
}

// covers reports whether some links are good for all that others are.
func covers(links, others []MemberLink) bool {
	for _, o := range others {
		good := slices.ContainsFunc(links, func(l MemberLink) bool {
			return l.Name == o.Name && (l.IPv4 || !o.IPv4) && (l.IPv6 || !o.IPv6) && (!l.Recovering || o.Recovering)
		})
		if !good {
			return false
		}
	}
	return true
}
