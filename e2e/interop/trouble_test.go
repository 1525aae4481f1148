package interop_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// beside adds to an order a session with a well-behaved router, tor2, which trouble with the other must not touch.
func beside(order interop.Order) interop.Order {
	well := ebgp(route(vip)).Peers[0]
	well.Name, well.Session.Address, well.Session.PeerASN = "tor2", v4(tor2Number), 64501
	order.Peers = append(order.Peers, well)
	return order
}

// wellBehaved starts that router, with the other kind's software if FRR plays the troubled one.
func wellBehaved(r *rig) router.Router {
	return r.bird(tor2Number, side{Number: tor2Number, AS: 64501, Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}.bird())
}

// untouched checks that the session beside has been up all the time.
func untouched(t *testing.T, s *interop.Speaker, well router.Router) {
	t.Helper()
	status := report(t, s).Peer("tor2")
	if status.State != bgp.Established || status.Counters.Established != 1 || status.Counters.Lost != 0 {
		t.Errorf("the session beside was touched: %+v", status)
	}
	if diff := cmp.Diff(map[string][]heard{vip: {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}}}, table(t, well, router.IPv4)); diff != "" {
		t.Errorf("what the router beside has heard (-want +got):\n%s", diff)
	}
}

// TestTroubleIsNamed holds that a session that cannot be says why, and that others do not suffer.
func TestTroubleIsNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		order  func(*bgp.Session)
		router *side // nil: there is none
		want   bgp.Cause
	}{
		"wrong password":              {order: func(s *bgp.Session) { s.Password = "wrong" }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber), Password: "right"}}}, want: bgp.NoAnswer},
		"password on our side alone":  {order: func(s *bgp.Session) { s.Password = "right" }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}, want: bgp.NoAnswer},
		"the router is in another AS": {order: func(s *bgp.Session) { s.PeerASN = 64999 }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}, want: bgp.WrongASN},
		"the router wants another AS": {router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber), AS: 64999}}}, want: bgp.OpenRejected},
		"the router must be internal": {order: func(s *bgp.Session) { s.PeerASN, s.Kind = 0, bgp.Internal }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}, want: bgp.WrongASN},
		"nothing listens":             {want: bgp.ConnectionRefused},
		"no such host":                {order: func(s *bgp.Session) { s.Address = v4(99) }, want: bgp.Unreachable},
		"no such source":              {order: func(s *bgp.Session) { s.Source = v4(98) }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}, want: bgp.SourceMissing},
		"no such device":              {order: func(s *bgp.Session) { s.Device = "vrf-blue" }, router: &side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}, want: bgp.SourceMissing},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			well := wellBehaved(r)
			if tt.router != nil {
				r.frr(torNumber, tt.router.frr())
			}
			order := ebgp(route(vip), route("203.0.113.2/32"))
			if tt.order != nil {
				tt.order(&order.Peers[0].Session)
			}
			speaker := r.speaker(nodeNumber, interop.Setup{})
			check(t, speaker.Set(beside(order)))
			comesUp(t, well, v4(nodeNumber))
			status := saysCause(t, speaker, "tor", tt.want)
			t.Log(status.LastError)
			never(t, 2*time.Second, func() string {
				if got := report(t, speaker).Peer("tor"); got.LastCause != tt.want {
					return fmt.Sprintf("the cause changed to %q: %s", got.LastCause, got.LastError)
				}
				return ""
			})
			// It goes on trying, and not madly.
			if got := report(t, speaker).Peer("tor").Counters.OpensSent; got > 20 {
				t.Errorf("the speaker has sent %d OPENs", got)
			}
			untouched(t, speaker, well)
		})
	}
}

// TestTooManyRoutes holds that a router's complaint is remembered although it says no more than that once.
func TestTooManyRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	limit := " address-family ipv4 unicast\n  neighbor 192.0.2.11 maximum-prefix 1\n exit-address-family"
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}, FRR: limit}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	// FRR counts what an UPDATE brings when the next one comes.
	order := ebgp()
	for _, prefix := range []string{"203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"} {
		order.Peers[0].Routes = append(order.Peers[0].Routes, route(prefix))
		check(t, speaker.Set(order))
		eventually(t, func() string {
			if _, ok := table(t, frr, router.IPv4)[prefix]; !ok && report(t, speaker).Peer("tor").LastReceived == nil {
				return "FRR has not heard " + prefix
			}
			return ""
		})
	}
	eventually(t, func() string {
		status := report(t, speaker).Peer("tor")
		if n := status.LastReceived; n == nil || n.Code != bgp.ErrorCease || n.Subcode != 1 { // RFC 4486: Maximum Number of Prefixes Reached
			return fmt.Sprintf("the speaker says %+v", status)
		}
		return ""
	})
}

// TestRouterComesAndGoes holds that a router that resets every session once a second neither wears the speaker out nor touches other
// sessions, and that a session is back soon after the router is.
func TestRouterComesAndGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	well := wellBehaved(r)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(beside(ebgp(route(vip)))))
	comesUp(t, well, v4(nodeNumber))
	for range 8 {
		comesUp(t, frr, v4(nodeNumber))
		_, err := frr.Vtysh(t.Context(), "clear bgp *")
		check(t, err)
		time.Sleep(time.Second)
	}
	comesUp(t, frr, v4(nodeNumber))
	untouched(t, speaker, well)
	if got := report(t, speaker).Peer("tor"); got.LastCause != bgp.ClosedByPeer || got.Counters.Lost < 8 {
		t.Errorf("the speaker says %+v", got)
	}

	// A crash without a word, a while away, and back.
	frr.Kill()
	eventually(t, func() string {
		if report(t, speaker).Peer("tor").State == bgp.Established {
			return "the speaker has not noticed"
		}
		return ""
	})
	time.Sleep(5 * time.Second)
	check(t, frr.Start(t.Context()))
	back := time.Now()
	comesUp(t, frr, v4(nodeNumber))
	t.Logf("established %s after the router was back", time.Since(back).Round(10*time.Millisecond))
	hears(t, frr, router.IPv4, map[string][]heard{vip: {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}}})
	untouched(t, speaker, well)
}

// TestRouterFallsSilent holds that a router that keeps the connection open and says nothing is given up when the hold time is over, and
// taken back.
func TestRouterFallsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), HoldTime: 3}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(ebgp(route(vip))))
	comesUp(t, frr, v4(nodeNumber))
	check(t, frr.Signal("bgpd", stop))
	saysCause(t, speaker, "tor", bgp.HoldTimerExpired)
	check(t, frr.Signal("bgpd", proceed))
	eventually(t, func() string {
		if n := session(t, frr, v4(nodeNumber)); !n.Up() || n.Established < 2 {
			return fmt.Sprintf("not taken back: %+v", n)
		}
		return ""
	})
}

// TestFullTable holds that a router which sends everything it knows costs neither memory nor the routes of ours.
func TestFullTable(t *testing.T) {
	t.Parallel()
	const routes = 100_000
	r := newRig(t)
	well := wellBehaved(r)
	var statics strings.Builder
	for i := range routes {
		fmt.Fprintf(&statics, "route %s blackhole;\n", netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
	}
	full := side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}, BIRD: "protocol static { ipv4;\n" + statics.String() + "}"}
	bird := r.bird(torNumber, full.bird())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	before, err := speaker.PeakMemory()
	check(t, err)
	check(t, speaker.Set(beside(ebgp(route(vip)))))
	comesUp(t, well, v4(nodeNumber))
	comesUp(t, bird, v4(nodeNumber))
	eventually(t, func() string {
		out, err := bird.Birdc(t.Context(), "show protocols all n0")
		check(t, err)
		if !strings.Contains(out, fmt.Sprintf("%d exported", routes)) {
			return "BIRD has not sent its table"
		}
		if got := report(t, speaker).Peer("tor").Counters.UpdatesReceived; got < 100 {
			return fmt.Sprintf("%d UPDATEs received", got)
		}
		return ""
	})
	hears(t, well, router.IPv4, map[string][]heard{vip: {{Peer: "192.0.2.11", NextHop: "192.0.2.11", ASPath: []uint32{nodeAS}}}})
	after, err := speaker.PeakMemory()
	check(t, err)
	t.Logf("memory at most: %d MiB before, %d MiB after %d routes", before>>20, after>>20, routes)
	if grown := after - before; grown > 32<<20 {
		t.Errorf("the speaker's memory has grown by %d MiB", grown>>20)
	}
	untouched(t, speaker, well)
}

// TestMalformedMessages holds that no message a router can send does more than end its own session: the speaker lives, says what was
// wrong, calls again, and other sessions do not notice.
func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	well := wellBehaved(r)
	rogue := newRogue(t, r.host(torNumber))
	speaker := r.speaker(nodeNumber, interop.Setup{})
	order := beside(ebgp(route(vip)))
	order.Peers[0].Session.ConnectRetry, order.Peers[0].Session.PeerASN = time.Second, rogueAS
	check(t, speaker.Set(order))
	comesUp(t, well, v4(nodeNumber))
	for _, m := range malformedMessages(t) {
		answer := rogue.serve(t, m)
		if !speaker.Running() {
			t.Fatalf("%s ended the speaker:\n%s", m.name, speaker.Log())
		}
		t.Logf("%s: answered with %s", m.name, answer)
		// An UPDATE is not even looked at. What cannot be, is refused.
		if refused := strings.HasPrefix(answer, "NOTIFICATION"); refused != (m.kind != updateType) && !strings.HasPrefix(m.name, "OPEN") {
			t.Errorf("%s: answered with %s", m.name, answer)
		}
	}
	untouched(t, speaker, well)
	if strings.Contains(speaker.Log(), "panic") {
		t.Errorf("something panicked:\n%s", speaker.Log())
	}
}

// malformedMessages reads testdata/malformed.txt.
func malformedMessages(t *testing.T) []malformed {
	t.Helper()
	data, err := os.ReadFile("testdata/malformed.txt")
	check(t, err)
	var all []malformed
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, parseMalformed(t, strings.TrimSpace(line)))
		}
	}
	if len(all) < 34 {
		t.Fatalf("only %d messages", len(all))
	}
	return all
}
