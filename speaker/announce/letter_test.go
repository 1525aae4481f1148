package announce_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// FuzzRoutesByTheLetter holds what peers are told against the rules, followed
// one by one without any cleverness.
func FuzzRoutesByTheLetter(f *testing.F) {
	addSeeds(f, 300, 600)
	f.Fuzz(func(t *testing.T, rolls []byte) {
		d := dice(rolls)
		w := d.world()
		for _, node := range w.nodes() {
			got := map[string]map[netip.Prefix]bgp.Attributes{}
			for _, p := range w.decide(node).BGP.Peers {
				got[p.Name] = map[netip.Prefix]bgp.Attributes{}
				for r := range p.Routes.All() {
					got[p.Name][r.Prefix] = *r.Attributes
				}
			}
			prefixText := cmp.Transformer("text", netip.Prefix.String)
			if diff := cmp.Diff(w.routesByTheLetter(node), got, prefixText); diff != "" {
				t.Errorf("%s: routes (-letter +decide):\n%s", node, diff)
			}
		}
	})
}

// routesByTheLetter are the routes of one node by peer and destination.
func (w *world) routesByTheLetter(node string) map[string]map[netip.Prefix]bgp.Attributes {
	self := w.snap.NodeIndex(node)
	var peers []*config.Peer
	for _, p := range w.snap.Peers {
		_, found := w.routers[node][p.Interface]
		if p.Nodes.Has(self) && (p.Interface == "" || found) {
			peers = append(peers, p)
		}
	}
	told := map[string]map[netip.Prefix]bgp.Attributes{}
	for _, p := range peers {
		asks := map[netip.Prefix][]*config.BGPAdvertisement{}
		for i := range w.shared.Services {
			svc := &w.shared.Services[i]
			for _, a := range svc.Addresses {
				ads := w.matching(&w.snap.Nodes[self], svc)
				if !p.Session.Families.Has(a) || contradictory(ads, peers, a) {
					continue
				}
				for _, ad := range ads {
					if ad.Covers(p.Name) {
						asks[ad.Prefix(a)] = append(asks[ad.Prefix(a)], ad)
					}
				}
			}
		}
		told[p.Name] = map[netip.Prefix]bgp.Attributes{}
		for prefix, ads := range asks {
			told[p.Name][prefix] = together(ads)
		}
	}
	return told
}

// matching are the advertisements by which a node advertises a Service; none if
// it does not.
func (w *world) matching(node *config.Node, svc *announce.Service) []*config.BGPAdvertisement {
	pool := w.snap.PoolOf(svc.Addresses, svc.FromPool)
	if pool == nil || !svc.LoadBalancer || !svc.Endpoints.Serving || node.NetworkUnavailable ||
		node.Excluded && !w.shared.IgnoreExcludeLabel ||
		svc.Local && !slices.Contains(svc.Endpoints.Nodes, node.Name) {
		return nil
	}
	var out []*config.BGPAdvertisement
	for _, ad := range pool.BGP {
		if ad.Nodes.Has(w.snap.NodeIndex(node.Name)) && ad.Selects(svc.Labels) {
			out = append(out, ad)
		}
	}
	return out
}

// contradictory reports whether one of the peers would be told of an address
// with two local preferences, for the sake of the Service's labels.
func contradictory(ads []*config.BGPAdvertisement, peers []*config.Peer, a netip.Addr) bool {
	for _, p := range peers {
		for _, one := range ads {
			for _, two := range ads {
				if p.Session.Families.Has(a) && one.Covers(p.Name) && two.Covers(p.Name) &&
					len(one.Services) > 0 && one.Prefix(a) == two.Prefix(a) &&
					one.Attributes.LocalPref != two.Attributes.LocalPref {
					return true
				}
			}
		}
	}
	return false
}

// together is what several advertisements say: all communities, and the local
// preference of the first by name.
func together(ads []*config.BGPAdvertisement) bgp.Attributes {
	first := slices.MinFunc(ads, func(a, b *config.BGPAdvertisement) int { return strings.Compare(a.Name, b.Name) })
	communities, large := map[bgp.Community]bool{}, map[bgp.LargeCommunity]bool{}
	for _, ad := range ads {
		for _, c := range ad.Attributes.Communities {
			communities[c] = true
		}
		for _, c := range ad.Attributes.LargeCommunities {
			large[c] = true
		}
	}
	return bgp.Attributes{
		LocalPref:        first.Attributes.LocalPref,
		Communities:      slices.Sorted(maps.Keys(communities)),
		LargeCommunities: slices.Collect(maps.Keys(large)), // the dice have but one
	}
}
