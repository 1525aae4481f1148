package interop_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// everyAttribute is a route with one of each optional attribute.
func everyAttribute(prefix string) bgp.Route {
	return bgp.Route{Prefix: netip.MustParsePrefix(prefix), Attributes: &bgp.Attributes{
		LocalPref:           150,
		Communities:         []bgp.Community{64496<<16 | 100, 64496<<16 | 200},
		LargeCommunities:    []bgp.LargeCommunity{{Global: 64496, Local1: 1, Local2: 2}, {Global: 4200000000, Local1: 3, Local2: 4}},
		ExtendedCommunities: []bgp.ExtendedCommunity{{0x00, 0x02, 0xfb, 0xf0, 0, 0, 0, 7}}, // route target 64496:7
	}}
}

// TestRoutes holds that routers hear routes as ordered, over every combination of session and family, and forget those no longer ordered.
func TestRoutes(t *testing.T) {
	t.Parallel()
	both := bgp.Families{IPv4: true, IPv6: true}
	tests := map[string]struct {
		session  bgp.Session // PeerASN and LocalASN are filled in
		internal bool
		neighbor neighbor
		noIPv4   bool // on the node's interface
	}{
		"eBGP over IPv4":                      {session: bgp.Session{Address: v4(torNumber), Families: bgp.Families{IPv4: true}}, neighbor: neighbor{Addr: v4(nodeNumber)}},
		"eBGP over IPv6":                      {session: bgp.Session{Address: v6(torNumber), Families: bgp.Families{IPv6: true}}, neighbor: neighbor{Addr: v6(nodeNumber)}},
		"eBGP, both families over IPv4":       {session: bgp.Session{Address: v4(torNumber), Families: both}, neighbor: neighbor{Addr: v4(nodeNumber), IPv4: true, IPv6: true}},
		"eBGP, both families over IPv6":       {session: bgp.Session{Address: v6(torNumber), Families: both}, neighbor: neighbor{Addr: v6(nodeNumber), IPv4: true, IPv6: true}},
		"eBGP, IPv6 next hop for IPv4":        {session: bgp.Session{Address: v6(torNumber), Families: both}, neighbor: neighbor{Addr: v6(nodeNumber), IPv4: true, IPv6: true, ExtendedNextHop: true}, noIPv4: true},
		"iBGP over IPv4":                      {session: bgp.Session{Address: v4(torNumber), Families: bgp.Families{IPv4: true}}, internal: true, neighbor: neighbor{Addr: v4(nodeNumber), AS: torAS}},
		"iBGP, both families over IPv4":       {session: bgp.Session{Address: v4(torNumber), Families: both}, internal: true, neighbor: neighbor{Addr: v4(nodeNumber), AS: torAS, IPv4: true, IPv6: true}},
		"eBGP, we carry more than the router": {session: bgp.Session{Address: v4(torNumber), Families: both}, neighbor: neighbor{Addr: v4(nodeNumber), IPv4: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for software, start := range routers() {
				t.Run(software, func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					tor := start(r, side{Neighbors: []neighbor{tt.neighbor}})
					peer := interop.Peer{Name: "tor", Session: tt.session, Routes: []bgp.Route{
						everyAttribute("203.0.113.0/28"), route("203.0.113.16/32"), everyAttribute("2001:db8:0:2::/64"), route("2001:db8:0:3::1/128"),
					}}
					peer.Session.PeerASN, peer.Session.LocalASN = torAS, nodeAS
					if tt.internal {
						peer.Session.LocalASN = torAS
					}
					nextHop4 := v4(nodeNumber)
					if tt.noIPv4 {
						_, err := r.host(nodeNumber).Exec(t.Context(), "ip", "-4", "addr", "flush", "dev", "eth0")
						check(t, err)
						nextHop4 = v6(nodeNumber)
					}
					speaker := r.speaker(nodeNumber, interop.Setup{})
					check(t, speaker.Set(interop.Order{Peers: []interop.Peer{peer}}))

					carried := side{Neighbors: []neighbor{tt.neighbor}}.defaults().Neighbors[0]
					want := func(full, plain string, nextHop netip.Addr) map[string][]heard {
						h := heard{Peer: tt.neighbor.Addr.String(), NextHop: nextHop.String(), ASPath: []uint32{nodeAS}}
						if tt.internal {
							h.ASPath, h.LocalPref = nil, 100
						}
						all := h
						all.Communities, all.Extended = []string{"64496:100", "64496:200"}, []string{"rt:64496:7"}
						all.Large = []string{"4200000000:3:4", "64496:1:2"}
						if tt.internal {
							all.LocalPref = 150
						}
						return map[string][]heard{full: {all}, plain: {h}}
					}
					want4, want6 := map[string][]heard{}, map[string][]heard{}
					if carried.IPv4 {
						want4 = want("203.0.113.0/28", "203.0.113.16/32", nextHop4)
					}
					if carried.IPv6 {
						want6 = want("2001:db8:0:2::/64", "2001:db8:0:3::1/128", v6(nodeNumber))
					}
					hears(t, tor, router.IPv4, want4)
					hears(t, tor, router.IPv6, want6)

					// The kernel forwards by them.
					for prefix, gateway := range map[string]netip.Addr{"203.0.113.16/32": nextHop4, "2001:db8:0:3::1/128": v6(nodeNumber)} {
						if is4 := netip.MustParsePrefix(prefix).Addr().Is4(); is4 && !carried.IPv4 || !is4 && !carried.IPv6 {
							continue
						}
						eventually(t, func() string {
							routes, err := r.host(torNumber).Routes()
							check(t, err)
							got := routes[netip.MustParsePrefix(prefix)].Gateways
							// For an IPv6 destination it may be the node's link-local address as well.
							if len(got) != 1 || got[0] != gateway && !got[0].IsLinkLocalUnicast() {
								return fmt.Sprintf("the router's kernel sends %s to %v, want %s", prefix, got, gateway)
							}
							return ""
						})
					}

					// One goes, one changes, one comes.
					changed := everyAttribute("203.0.113.16/32")
					peer.Routes = []bgp.Route{changed, route("203.0.113.17/32")}
					check(t, speaker.Set(interop.Order{Peers: []interop.Peer{peer}}))
					want4 = map[string][]heard{}
					if carried.IPv4 {
						want4 = want("203.0.113.16/32", "203.0.113.17/32", nextHop4)
					}
					hears(t, tor, router.IPv4, want4)
					hears(t, tor, router.IPv6, nil)
					if got := session(t, tor, tt.neighbor.Addr); !got.Up() || got.Dropped != 0 {
						t.Errorf("the router thinks of the session: %+v", got)
					}
				})
			}
		})
	}
}

// TestWellKnownCommunities holds that the communities users call by name mean to routers what they say.
func TestWellKnownCommunities(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tor := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}})
			speaker := r.speaker(nodeNumber, interop.Setup{})
			named := map[string]bgp.Community{
				"65535:0": bgp.GracefulShutdown, "65535:1": bgp.AcceptOwn, "65535:6": bgp.LLGRStale, "65535:7": bgp.NoLLGR, "65535:666": bgp.Blackhole,
				"65535:65281": bgp.NoExport, "65535:65282": bgp.NoAdvertise, "65535:65283": bgp.NoExportSubconfed, "65535:65284": bgp.NoPeer,
			}
			prefixes := map[string]string{}
			var routes []bgp.Route
			for text, community := range named {
				prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(len(routes))}), 32)
				prefixes[prefix.String()] = text
				routes = append(routes, bgp.Route{Prefix: prefix, Attributes: &bgp.Attributes{Communities: []bgp.Community{community}}})
			}
			check(t, speaker.Set(ebgp(routes...)))
			eventually(t, func() string {
				got := map[string]string{}
				for prefix, paths := range table(t, tor, router.IPv4) {
					for _, community := range paths[0].Communities {
						// A router may add what it takes one of them to imply.
						if community == prefixes[prefix] {
							got[prefix] = community
						}
					}
				}
				return cmp.Diff(prefixes, got)
			})
		})
	}
}
