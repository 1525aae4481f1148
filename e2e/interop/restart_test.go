package interop_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// restartable is an order of two routes of each family, over one session with graceful restart.
func restartable() interop.Order {
	order := ebgp(route(vip), route("203.0.113.2/32"), route("2001:db8:0:2::1/128"), route("2001:db8:0:2::2/128"))
	order.Peers[0].Session.Families = bgp.Families{IPv4: true, IPv6: true}
	order.Peers[0].Session.GracefulRestart = true
	return order
}

var (
	everyVIP4 = netip.MustParsePrefix("203.0.113.0/24")
	everyVIP6 = netip.MustParsePrefix("2001:db8:0:2::/64")
)

// forwards waits until the router's kernel has this many routes to what is announced.
func forwards(t *testing.T, host *network.Host, want int) {
	t.Helper()
	eventually(t, func() string {
		routes, err := host.Routes()
		check(t, err)
		got := 0
		for prefix := range routes {
			if everyVIP4.Overlaps(prefix) || everyVIP6.Overlaps(prefix) {
				got++
			}
		}
		if got != want {
			return fmt.Sprintf("the router forwards to %d addresses, want %d", got, want)
		}
		return ""
	})
}

// watch remembers what the router's kernel forgets.
func watch(t *testing.T, host *network.Host) (removed func() []string) {
	t.Helper()
	w, err := host.WatchRoutes()
	check(t, err)
	t.Cleanup(w.Stop)
	return func() []string {
		events, err := w.Removals(everyVIP4, everyVIP6)
		check(t, err)
		var out []string
		for _, e := range events {
			out = append(out, e.Route.Prefix.String())
		}
		return out
	}
}

// away waits until a router has noticed that its neighbour is gone, and keeps what it has from it.
func away(t *testing.T, one router.Router) {
	t.Helper()
	eventually(t, func() string {
		if n := session(t, one, v4(nodeNumber)); n.Up() {
			return "the router has not noticed"
		}
		return cmp.Diff(4, stale(t, one))
	})
}

// confirmed waits until a router keeps nothing from before.
func confirmed(t *testing.T, one router.Router) {
	t.Helper()
	eventually(t, func() string {
		if n := session(t, one, v4(nodeNumber)); !n.Up() {
			return "the session is not up"
		}
		return cmp.Diff(0, stale(t, one))
	})
}

// stale returns how many of a router's paths are kept from before. BIRD does not say, but drops all others with the session.
func stale(t *testing.T, one router.Router) int {
	t.Helper()
	_, isBIRD := one.(*router.BIRD)
	up := session(t, one, v4(nodeNumber)).Up()
	n := 0
	for _, family := range []router.Family{router.IPv4, router.IPv6} {
		routes, err := one.Routes(t.Context(), family)
		check(t, err)
		for _, paths := range routes {
			for _, path := range paths {
				if path.Stale || isBIRD && !up && path.Peer.IsValid() {
					n++
				}
			}
		}
	}
	return n
}

// TestRestartLosesNothing holds that a speaker which crashes, or ends to be started again, leaves its routes in the router's kernel all
// the time until the next one has confirmed them, and that what is no longer ordered then goes.
func TestRestartLosesNothing(t *testing.T) {
	t.Parallel()
	ends := map[string]func(context.Context, *interop.Speaker) error{
		"killed":    func(_ context.Context, s *interop.Speaker) error { s.Kill(); return nil },
		"restarted": func(ctx context.Context, s *interop.Speaker) error { return s.Restart(ctx) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for software, start := range routers() {
				t.Run(software, func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					tor := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), IPv4: true, IPv6: true}}})
					speaker := r.speaker(nodeNumber, interop.Setup{})
					check(t, speaker.Set(restartable()))
					forwards(t, r.host(torNumber), 4)
					removed := watch(t, r.host(torNumber))

					check(t, end(t.Context(), speaker))
					away(t, tor)
					next := r.speaker(nodeNumber, interop.Setup{Restarted: true})
					check(t, next.Set(restartable()))
					n := comesUp(t, tor, v4(nodeNumber))
					if g := n.GracefulRestart; !g.Restarting || len(g.Preserved) != 2 {
						t.Errorf("the router was told %+v", g)
					}
					confirmed(t, tor)
					if diff := cmp.Diff([]string(nil), removed()); diff != "" {
						t.Errorf("the router's kernel forgot (-want +got):\n%s", diff)
					}

					// Once more, and one route is no longer ordered by the time the next speaker starts.
					check(t, end(t.Context(), next))
					away(t, tor)
					last := r.speaker(nodeNumber, interop.Setup{Restarted: true})
					order := restartable()
					order.Peers[0].Routes = order.Peers[0].Routes[1:]
					check(t, last.Set(order))
					forwards(t, r.host(torNumber), 3)
					confirmed(t, tor)
					if diff := cmp.Diff([]string{vip}, removed()); diff != "" {
						t.Errorf("the router's kernel forgot (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}

// TestNobodyComesBack holds that routers give up the routes of a speaker that does not come back once its restart time is over, and
// those of one without graceful restart at once.
func TestNobodyComesBack(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tor := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), IPv4: true, IPv6: true}}})
			speaker := r.speaker(nodeNumber, interop.Setup{})
			order := restartable()
			order.Peers[0].Session.GracefulRestart = false
			check(t, speaker.Set(order))
			forwards(t, r.host(torNumber), 4)
			comesUp(t, tor, v4(nodeNumber))
			speaker.Kill()
			forwards(t, r.host(torNumber), 0)
		})
	}
}

// TestLeavingWell holds that a speaker which ends for good first asks the router to use others, then withdraws, then says why it closes
// the session, and that graceful restart does not keep its routes.
func TestLeavingWell(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tor := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), IPv4: true, IPv6: true}}})
			speaker := r.speaker(nodeNumber, interop.Setup{DrainTime: 3 * time.Second})
			check(t, speaker.Set(restartable()))
			forwards(t, r.host(torNumber), 4)
			ended := make(chan error, 1)
			go func() { ended <- speaker.Leave(t.Context()) }()
			hears(t, tor, router.IPv4, map[string][]heard{
				vip:              {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}, Communities: []string{"65535:0"}}},
				"203.0.113.2/32": {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}, Communities: []string{"65535:0"}}},
			})
			forwards(t, r.host(torNumber), 4) // still
			check(t, <-ended)
			forwards(t, r.host(torNumber), 0)
			n := session(t, tor, v4(nodeNumber))
			if n.Up() || n.Message == "" {
				t.Errorf("the router thinks of the session: %+v", n)
			}
			t.Logf("the router says: %s: %s", n.LastReset, n.Message)
		})
	}
}

// TestDraining holds that a node that is drained leaves in the same order, keeps its session, and comes back.
func TestDraining(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			internal := neighbor{Addr: v4(nodeNumber), AS: torAS}
			tor := start(r, side{Neighbors: []neighbor{internal}})
			speaker := r.speaker(nodeNumber, interop.Setup{DrainTime: 3 * time.Second})
			order := ebgp(everyAttribute(vip))
			order.Peers[0].Session.LocalASN = torAS
			check(t, speaker.Set(order))
			full := heard{
				Peer: "192.0.2.11", NextHop: "192.0.2.11", LocalPref: 150,
				Communities: []string{"64496:100", "64496:200"}, Large: []string{"4200000000:3:4", "64496:1:2"}, Extended: []string{"rt:64496:7"},
			}
			hears(t, tor, router.IPv4, map[string][]heard{vip: {full}})
			order.Draining = true
			check(t, speaker.Set(order))
			leaving := full
			leaving.LocalPref, leaving.Communities = 0, []string{"64496:100", "64496:200", "65535:0"}
			hears(t, tor, router.IPv4, map[string][]heard{vip: {leaving}})
			hears(t, tor, router.IPv4, nil)
			order.Draining = false
			check(t, speaker.Set(order))
			hears(t, tor, router.IPv4, map[string][]heard{vip: {full}})
			if n := session(t, tor, v4(nodeNumber)); !n.Up() || n.Dropped != 0 {
				t.Errorf("the router thinks of the session: %+v", n)
			}
		})
	}
}
