package announce_test

import (
	stdcmp "cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// addrText makes cmp show addresses as text.
var addrText = cmp.Transformer("text", netip.Addr.String)

// eligible says by the letter of the rules, and without any cleverness,
// whether a node may own an address of a Service, and is able to announce it.
func (w *world) eligible(node *config.Node, svc *announce.Service, a netip.Addr) bool {
	switch {
	case !svc.LoadBalancer, !svc.Endpoints.Serving,
		!w.lives(node.Name),
		node.NetworkUnavailable,
		node.Excluded && !w.shared.IgnoreExcludeLabel,
		svc.Local && !slices.Contains(svc.Endpoints.Nodes, node.Name):
		return false
	}
	pool := w.snap.PoolOf(svc.Addresses, svc.FromPool)
	if pool == nil {
		return false
	}
	covered := false
	for _, ad := range pool.L2 {
		if len(ad.Services) > 0 && !ad.Services.Match(svc.Labels) {
			continue
		}
		if len(ad.Services) > 0 && svc.HasSharingKey {
			return false
		}
		covered = covered || ad.Nodes.Has(w.snap.NodeIndex(node.Name)) && w.able(node.Name, ad, a)
	}
	return covered
}

// able reports whether a node has an interface for an address which the
// advertisement allows, as far as it says.
func (w *world) able(node string, ad *config.L2Advertisement, a netip.Addr) bool {
	for _, m := range w.shared.Members.Nodes {
		if m.Name == node && m.LinksKnown && w.shared.Members.Known {
			return slices.ContainsFunc(m.Links, func(l announce.MemberLink) bool {
				return (ad.AllInterfaces || slices.Contains(ad.Interfaces, l.Name)) && (l.IPv4 && a.Is4() || l.IPv6 && a.Is6())
			})
		}
	}
	return true
}

func (w *world) draining(node string) bool { return w.snap.Nodes[w.snap.NodeIndex(node)].Draining }

// recovering reports whether a node was down until a moment ago.
func (w *world) recovering(node string) bool {
	if !w.shared.Members.Known {
		return false
	}
	return slices.ContainsFunc(w.shared.Members.Nodes, func(m announce.Member) bool { return m.Name == node && m.Recovering })
}

// linksRecovering counts the links of a node that were lost until a moment ago,
// and the others.
func (w *world) linksRecovering(node string) (are, others int) {
	for _, m := range w.shared.Members.Nodes {
		for _, l := range m.Links {
			switch {
			case m.Name != node || !w.shared.Members.Known:
			case l.Recovering:
				are++
			default:
				others++
			}
		}
		if m.Name == node && !m.LinksKnown {
			others++ // there may be
		}
	}
	return are, others
}

// well reports whether a node was not down until a moment ago, and no interface
// of it was.
func (w *world) well(node string) bool {
	links, _ := w.linksRecovering(node)
	return links == 0 && !w.recovering(node)
}

// better reports whether some of the nodes stays and is well.
func (w *world) better(nodes []string) bool {
	return slices.ContainsFunc(nodes, func(n string) bool { return !w.draining(n) && w.well(n) })
}

func (w *world) allDraining(nodes []string) bool {
	return !slices.ContainsFunc(nodes, func(n string) bool { return !w.draining(n) })
}

// owners are the owners of addresses, as the nodes say; they must agree.
func (w *world) owners(t *testing.T) map[netip.Addr]string {
	t.Helper()

	owners := map[netip.Addr]string{}
	for _, node := range w.nodes() {
		for _, v := range w.decide(node).Verdicts {
			if v.Owner == "" {
				continue
			}
			if other, told := owners[v.Addr]; told && other != v.Owner {
				t.Errorf("%s belongs to %s, and to %s says %s", v.Addr, other, v.Owner, node)
			}
			owners[v.Addr] = v.Owner
			if v.Owner == node && (v.Reason == announce.NotOwner || v.Reason == announce.NodeDraining) {
				t.Errorf("%s owns %s, and says %s", node, v.Addr, v.Reason)
			}
			if v.Reason == announce.NodeDraining && w.draining(v.Owner) {
				t.Errorf("%s stands back from %s for %s, which is leaving too", node, v.Addr, v.Owner)
			}
		}
	}
	return owners
}

// FuzzOneOwner defends P3, P7 and P8. Every node decides for itself, and yet
// each address has exactly one owner if any node is eligible, and none
// otherwise; only the owner announces it, unless its own interfaces forbid;
// and a node that is lost moves only what it owned.
func FuzzOneOwner(f *testing.F) {
	addSeeds(f, 300, 600)
	f.Fuzz(func(t *testing.T, rolls []byte) {
		d := dice(rolls)
		w := d.world()
		w.check(t)

		owners := w.owners(t)
		eligible := map[netip.Addr][]string{}
		holders := map[netip.Addr]int{}
		for i := range w.shared.Services {
			svc := &w.shared.Services[i]
			for _, a := range svc.Addresses {
				holders[a]++
			}
			for j := range w.snap.Nodes {
				for _, a := range svc.Addresses {
					if node := &w.snap.Nodes[j]; w.eligible(node, svc, a) {
						eligible[a] = append(eligible[a], node.Name)
					}
				}
			}
		}
		for a, owner := range owners {
			if !slices.Contains(eligible[a], owner) {
				t.Errorf("%s belongs to %s; eligible are %v", a, owner, eligible[a])
			}
			if w.draining(owner) && holders[a] == 1 && !w.allDraining(eligible[a]) {
				t.Errorf("%s belongs to %s, which is leaving; eligible are %v", a, owner, eligible[a])
			}
			links, others := w.linksRecovering(owner)
			if (w.recovering(owner) || links > 0 && others == 0) && holders[a] == 1 && w.better(eligible[a]) {
				t.Errorf("%s belongs to %s, which is recovering; eligible are %v", a, owner, eligible[a])
			}
		}
		for i := range w.shared.Services {
			addrs := w.shared.Services[i].Addresses
			if len(addrs) < 2 || holders[addrs[0]]+holders[addrs[1]] > 2 || owners[addrs[0]] == owners[addrs[1]] {
				continue
			}
			for _, n := range eligible[addrs[0]] {
				if slices.Contains(eligible[addrs[1]], n) && !w.draining(n) && w.well(n) {
					t.Errorf("%s and %s belong to two nodes, and %s could have both", addrs[0], addrs[1], n)
				}
			}
		}
		for a, nodes := range eligible {
			owner, owned := owners[a]
			if !owned {
				t.Errorf("%s belongs to nobody; eligible are %v", a, nodes)
				continue
			}
			d := w.decide(owner)
			announced := slices.ContainsFunc(d.Layer2.Announcements, func(x layer2.Announcement) bool { return x.Addr == a })
			vetoed := slices.ContainsFunc(d.Verdicts, func(v announce.Verdict) bool {
				return v.Addr == a && v.Reason == announce.NoInterface
			})
			if announced == vetoed {
				t.Errorf("%s: its owner %s announces it = %v, and says it has no interface = %v", a, owner, announced, vetoed)
			}
		}

		if !w.shared.Members.Known {
			w.shared.Members = alive(w.nodes()...)
		}
		before := w.shared.Members
		w.shared.Members = d.without(before)
		for a, now := range w.owners(t) {
			unharmed := slices.ContainsFunc(w.shared.Members.Nodes, func(m announce.Member) bool {
				return m.Name == owners[a] && slices.ContainsFunc(before.Nodes, func(was announce.Member) bool { return reflect.DeepEqual(m, was) })
			})
			if owners[a] != now && unharmed {
				t.Errorf("%s moved from %s to %s, and lost was neither: left are %v", a, owners[a], now, w.shared.Members.Nodes)
			}
		}
	})
}

// FuzzPlanEqualsDecide defends P10 against itself: whatever changes in
// whatever order, the standing plan is what a fresh decision would be, and its
// revisions, replayed, are the verdicts.
func FuzzPlanEqualsDecide(f *testing.F) {
	addSeeds(f, 200, 1000)
	f.Fuzz(func(t *testing.T, rolls []byte) {
		d := dice(rolls)
		w := &world{snap: d.snapshot(), links: map[string][]announce.Link{}, routers: map[string]map[string]netip.Addr{}}
		self := nodeName(d.roll(6))
		w.links[self] = d.links()
		services := map[types.NamespacedName]*announce.Service{}
		replayed := map[announce.Key]announce.Verdict{}

		w.shared.New = map[netip.Addr]struct{}{}
		plan := announce.NewPlan(w.local(self))
		plan.SetSnapshot(w.snap)
		for len(d) > 0 {
			for range 1 + d.roll(3) {
				switch d.roll(20) {
				case 0:
					w.snap = d.snapshot()
					plan.SetSnapshot(w.snap)
				case 1:
					w.shared.Members = d.members()
					plan.SetMembers(w.shared.Members)
				case 2, 3, 4:
					w.shared.Members = d.without(w.shared.Members)
					plan.SetMembers(w.shared.Members)
				case 5:
					w.links[self] = d.links()
					plan.SetLinks(w.links[self])
				case 6:
					w.shared.IgnoreExcludeLabel = d.oneIn(2)
					plan.IgnoreExcludeLabel(w.shared.IgnoreExcludeLabel)
				case 17, 18:
					a := netip.AddrFrom4([4]byte{192, 0, 2, byte(d.roll(4))})
					isNew := d.oneIn(2)
					plan.SetNew(a, isNew)
					if delete(w.shared.New, a); isNew {
						w.shared.New[a] = struct{}{}
					}
				case 16:
					w.routers[self] = d.routers()
					plan.SetRouters(w.routers[self])
				case 7, 8:
					name := types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("s%d", d.roll(10))}
					delete(services, name)
					plan.DeleteService(name)
				default:
					svc := d.service(d.roll(10))
					services[svc.Name] = svc
					plan.SetService(svc)
				}
			}
			w.shared.Services = nil
			for _, svc := range services {
				w.shared.Services = append(w.shared.Services, *svc)
			}
			want := w.decide(self)

			revision := plan.Revise()
			for _, v := range revision.Gone {
				if !reflect.DeepEqual(replayed[v.Key], v) {
					t.Fatalf("a verdict is gone that was not there: %+v; it was %+v", v, replayed[v.Key])
				}
				delete(replayed, v.Key)
			}
			for _, c := range revision.Changed {
				if c.Before != replayed[c.Key].Reason {
					t.Fatalf("%v changed from %q, and was %q", c.Key, c.Before, replayed[c.Key].Reason)
				}
				if reflect.DeepEqual(c.Verdict, replayed[c.Key]) {
					t.Fatalf("%v is said to have changed, and has not: %+v", c.Key, c.Verdict)
				}
				replayed[c.Key] = c.Verdict
			}
			for _, a := range plan.Layer2().Watched {
				if slices.ContainsFunc(w.shared.Services, func(s announce.Service) bool { return s.LoadBalancer && slices.Contains(s.Addresses, a.Addr) }) {
					t.Fatalf("%s is watched, and a Service holds it", a.Addr)
				}
			}
			plan.LookAhead()
			if got := plan.Layer2(); !got.Equal(want.Layer2) {
				t.Fatalf("orders of the plan (-decide +plan):\n%s", cmp.Diff(want.Layer2, got, addrText))
			}
			if got := plan.BGP(); !equalBGP(got, want.BGP) {
				t.Fatalf("routes of the plan (-decide +plan):\n%s", cmp.Diff(tellBGP(want.BGP), tellBGP(got)))
			}
			if got := plan.BFD(); !got.Equal(want.BFD) {
				t.Fatalf("paths of the plan (-decide +plan):\n%s", cmp.Diff(want.BFD, got, addrText))
			}
			if got := plan.Unnumbered(); !reflect.DeepEqual(got, want.Unnumbered) {
				t.Fatalf("links of the plan (-decide +plan):\n%s", cmp.Diff(want.Unnumbered, got, addrText))
			}
			all := slices.SortedFunc(maps.Values(replayed), func(a, b announce.Verdict) int {
				return stdcmp.Or(strings.Compare(a.Service.Name, b.Service.Name), a.Addr.Compare(b.Addr), strings.Compare(string(a.Protocol), string(b.Protocol)))
			})
			if !slices.EqualFunc(all, want.Verdicts, func(a, b announce.Verdict) bool { return reflect.DeepEqual(a, b) }) {
				t.Fatalf("replayed revisions (-decide +plan):\n%s", cmp.Diff(want.Verdicts, all, addrText))
			}
			if again := plan.Revise(); len(again.Changed)+len(again.Gone) > 0 {
				t.Fatalf("a revision without news has news: %+v", again)
			}
		}
	})
}

func equalBGP(a, b bgp.Config) bool {
	return a.Draining == b.Draining && slices.EqualFunc(a.Peers, b.Peers, func(a, b bgp.Peer) bool {
		return a.Name == b.Name && a.Session == b.Session && a.Routes.Equal(b.Routes)
	})
}

func tellBGP(c bgp.Config) string {
	var b strings.Builder
	tellRouters(&b, announce.Decision{BGP: c})
	return b.String()
}
