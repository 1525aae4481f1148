package interop_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/interop"
)

const vip = "203.0.113.1/32"

// TestSessionOptions holds that what a session is ordered to be is what the router sees.
func TestSessionOptions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		order  func(*bgp.Session)
		second string // another address of the node
		router side
		// accepts reports whether the router sees what it should.
		accepts func(router.Router, router.Neighbor) bool
	}{
		"capabilities": {
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
			accepts: func(one router.Router, n router.Neighbor) bool {
				_, isFRR := one.(*router.FRR) // which alone shows the name
				return n.FourOctetAS && n.RouteRefresh && n.RemoteAS == nodeAS && n.GracefulRestart.Time == 0 &&
					slices.Equal(n.Families, []router.Family{router.IPv4}) && (n.Hostname == "node-11" || !isFRR)
			},
		},
		"graceful restart": {
			order:  func(s *bgp.Session) { s.GracefulRestart = true },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
			accepts: func(_ router.Router, n router.Neighbor) bool {
				g := n.GracefulRestart
				return g.Announced && g.Time > 0 && !g.Restarting && slices.Equal(g.Families, []router.Family{router.IPv4})
			},
		},
		"timers": {
			order:   func(s *bgp.Session) { s.HoldTime, s.Keepalive = 6*time.Second, time.Second },
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber), HoldTime: 90}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.HoldTime == 6*time.Second },
		},
		"the router's timers are shorter": {
			order:   func(s *bgp.Session) { s.HoldTime = 180 * time.Second },
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber), HoldTime: 3}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.HoldTime == 3*time.Second },
		},
		"no timers": {
			order:   func(s *bgp.Session) { s.HoldTime = bgp.NoHoldTime },
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.HoldTime == 0 && n.KeepaliveTime == 0 },
		},
		"the router has no timers": {
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber), FRR: "timers 0 0", BIRD: "hold time 0;"}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.HoldTime == 0 },
		},
		"router ID": {
			order:   func(s *bgp.Session) { s.RouterID = v4(200) },
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.RouterID == v4(200) },
		},
		"router ID of the node": {
			router:  side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.RouterID == v4(nodeNumber) },
		},
		"router ID over IPv6": {
			order:   func(s *bgp.Session) { s.Address, s.Families = v6(torNumber), bgp.Families{IPv4: true, IPv6: true} },
			router:  side{Neighbors: []neighbor{{Addr: v6(nodeNumber), IPv4: true, IPv6: true}}},
			accepts: func(_ router.Router, n router.Neighbor) bool { return n.RouterID == v4(nodeNumber) },
		},
		"source address": {
			order:  func(s *bgp.Session) { s.Source = v4(111) },
			second: "192.0.2.111/24",
			router: side{Neighbors: []neighbor{{Addr: v4(111)}}},
		},
		"MD5": {
			order:  func(s *bgp.Session) { s.Password = "correct-horse" },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber), Password: "correct-horse"}}},
		},
		"MD5 over IPv6": {
			order: func(s *bgp.Session) {
				s.Address, s.Families, s.Password = v6(torNumber), bgp.Families{IPv6: true}, "correct-horse"
			},
			router: side{Neighbors: []neighbor{{Addr: v6(nodeNumber), Password: "correct-horse"}}},
		},
		"GTSM, both": {
			order:  func(s *bgp.Session) { s.TTLSecurity = true },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber), TTLSecurity: true}}},
		},
		"GTSM over IPv6": {
			order: func(s *bgp.Session) {
				s.Address, s.Families, s.TTLSecurity = v6(torNumber), bgp.Families{IPv6: true}, true
			},
			router: side{Neighbors: []neighbor{{Addr: v6(nodeNumber), TTLSecurity: true}}},
		},
		"GTSM of the router alone": { // we send with 255 in any case
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber), TTLSecurity: true}}},
		},
		"any AS": {
			order:  func(s *bgp.Session) { s.PeerASN = 0 },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
		},
		"any external AS": {
			order:  func(s *bgp.Session) { s.PeerASN, s.Kind = 0, bgp.External },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}},
		},
		"any internal AS": {
			order:  func(s *bgp.Session) { s.PeerASN, s.Kind, s.LocalASN = 0, bgp.Internal, torAS },
			router: side{Neighbors: []neighbor{{Addr: v4(nodeNumber), AS: torAS}}},
		},
		"AS of four octets": {
			order:  func(s *bgp.Session) { s.LocalASN, s.PeerASN = 4200000001, 4200000002 },
			router: side{AS: 4200000002, Neighbors: []neighbor{{Addr: v4(nodeNumber), AS: 4200000001}}},
		},
		"several hops": {
			order:  func(s *bgp.Session) { s.Address, s.MultiHop = farV4(remoteNumber), true },
			router: side{Number: remoteNumber, Neighbors: []neighbor{{Addr: v4(nodeNumber), MultiHop: true}}},
		},
		"several hops over IPv6": {
			order: func(s *bgp.Session) {
				s.Address, s.MultiHop, s.Families = farV6(remoteNumber), true, bgp.Families{IPv6: true}
			},
			router: side{Number: remoteNumber, Neighbors: []neighbor{{Addr: v6(nodeNumber), MultiHop: true}}},
		},
		"several hops in one AS": {
			order:  func(s *bgp.Session) { s.Address, s.LocalASN = farV4(remoteNumber), torAS },
			router: side{Number: remoteNumber, Neighbors: []neighbor{{Addr: v4(nodeNumber), AS: torAS, BIRD: "multihop;"}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for software, start := range routers() {
				t.Run(software, func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					if tt.second != "" {
						_, err := r.host(nodeNumber).Exec(t.Context(), "ip", "addr", "add", tt.second, "dev", "eth0")
						check(t, err)
					}
					one := start(r, tt.router)
					order := ebgp(route(vip), route("2001:db8:0:2::1/128"))
					if tt.order != nil {
						tt.order(&order.Peers[0].Session)
					}
					speaker := r.speaker(nodeNumber, interop.Setup{})
					check(t, speaker.Set(order))
					n := comesUp(t, one, tt.router.Neighbors[0].Addr)
					if tt.accepts != nil && !tt.accepts(one, n) {
						t.Errorf("the router sees %+v", n)
					}
					eventually(t, func() string {
						n = session(t, one, tt.router.Neighbors[0].Addr)
						if n.Accepted[router.IPv4]+n.Accepted[router.IPv6] == 0 {
							return fmt.Sprintf("the router has accepted nothing: %+v", n)
						}
						return ""
					})
					status := report(t, speaker).Peer("tor")
					if status.State != bgp.Established || status.HoldTime != n.HoldTime || status.Advertised == 0 {
						t.Errorf("the router says %+v, the speaker %+v", n, status)
					}
				})
			}
		})
	}
}

// TestRouterOnAnotherPort is for BIRD alone: FRR's port is not in its configuration.
func TestRouterOnAnotherPort(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bird := r.bird(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), BIRD: "local port 1179; passive on;"}}}.bird())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	order := ebgp(route(vip))
	order.Peers[0].Session.Port = 1179
	check(t, speaker.Set(order))
	comesUp(t, bird, v4(nodeNumber))
	if got := report(t, speaker).Peer("tor").Address; got != netip.AddrPortFrom(v4(torNumber), 1179) {
		t.Errorf("the speaker says its peer is at %s", got)
	}
}

// TestOneChangeTouchesOneSession holds that a peer that is changed, added or removed leaves the sessions of others alone, and that a
// new password is a session with the new password.
func TestOneChangeTouchesOneSession(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			changed := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), Password: "first"}}})
			still := start(r, side{Number: tor2Number, AS: 64501, Neighbors: []neighbor{{Addr: v4(nodeNumber)}}})
			order := ebgp(route(vip))
			order.Peers[0].Session.Password = "first"
			other := ebgp(route(vip)).Peers[0]
			other.Name, other.Session.Address, other.Session.PeerASN = "tor2", v4(tor2Number), 64501
			order.Peers = append(order.Peers, other)
			speaker := r.speaker(nodeNumber, interop.Setup{})
			check(t, speaker.Set(order))
			comesUp(t, changed, v4(nodeNumber))
			comesUp(t, still, v4(nodeNumber))
			before := report(t, speaker).Peer("tor2").Counters

			// The password is rotated: here first, so there is a time when the two do not match.
			order.Peers[0].Session.Password = "second"
			check(t, speaker.Set(order))
			saysCause(t, speaker, "tor", bgp.NoAnswer)
			configure(t, changed, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), Password: "second"}}})
			comesUp(t, changed, v4(nodeNumber))

			order.Peers[0].Routes = append(order.Peers[0].Routes, route("203.0.113.2/32"))
			check(t, speaker.Set(order))
			hears(t, changed, router.IPv4, map[string][]heard{
				vip:              {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}},
				"203.0.113.2/32": {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}},
			})
			order.Peers = order.Peers[1:]
			check(t, speaker.Set(order))
			hears(t, changed, router.IPv4, nil)

			after := report(t, speaker).Peer("tor2").Counters
			if after.Lost != before.Lost || after.OpensSent != before.OpensSent || after.UpdatesSent != before.UpdatesSent {
				t.Errorf("the other session was touched: %+v, then %+v", before, after)
			}
			hears(t, still, router.IPv4, map[string][]heard{vip: {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}}})
		})
	}
}

// configure changes a running router.
func configure(t *testing.T, one router.Router, s side) {
	t.Helper()
	switch one := one.(type) {
	case *router.FRR:
		check(t, one.Configure(t.Context(), s.frr()))
	case *router.BIRD:
		check(t, one.Configure(t.Context(), s.bird()))
	}
}

// TestRouteRefresh holds that a router that asks for all routes again gets them.
func TestRouteRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(ebgp(everyAttribute("203.0.113.0/28"), route(vip))))
	comesUp(t, frr, v4(nodeNumber))
	eventually(t, func() string { return cmp.Diff(2, len(table(t, frr, router.IPv4))) })
	// Filtering everything and then nothing, without soft reconfiguration, makes FRR forget and ask again.
	check(t, frr.Configure(t.Context(), "ip prefix-list none deny any\nrouter bgp 64500\n address-family ipv4 unicast\n  neighbor 192.0.2.11 prefix-list none in\n"))
	eventually(t, func() string { return cmp.Diff(0, len(table(t, frr, router.IPv4))) })
	check(t, frr.Configure(t.Context(), "router bgp 64500\n address-family ipv4 unicast\n  no neighbor 192.0.2.11 prefix-list none in\n"))
	eventually(t, func() string { return cmp.Diff(2, len(table(t, frr, router.IPv4))) })
	if n := session(t, frr, v4(nodeNumber)); n.Dropped != 0 || n.Established != 1 {
		t.Errorf("the session was dropped: %+v", n)
	}
	if got := report(t, speaker).Peer("tor").Counters.RefreshesReceived; got == 0 {
		t.Error("the speaker has counted no refresh")
	}
}
