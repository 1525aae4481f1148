package interop_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// watched adds BFD to the only session of an order.
func watched(order interop.Order, profile bfd.Profile) interop.Order {
	peer := order.Peers[0]
	order.Paths = []bfd.Session{{Name: peer.Name, Peer: peer.Session.Address, MultiHop: peer.Session.MultiHop, Profile: profile}}
	return order
}

// path is a session between a router and a speaker, whose address the router knows it by.
type path struct {
	router  router.Router
	speaker *interop.Speaker
	addr    netip.Addr
}

// pathUp waits until both ends say that BFD is up, and the router that the BGP session is. FRR begins with a BFD session that it deletes
// in favour of another one, bound to an address, once BGP is up for the first time; it is waited for.
func pathUp(t *testing.T, p path) (router.BFDPeer, bfd.SessionStatus) {
	t.Helper()
	var theirs router.BFDPeer
	var ours bfd.SessionStatus
	eventually(t, func() string {
		peers, err := p.router.BFDPeers(t.Context())
		check(t, err)
		theirs, ours = peers[p.addr], report(t, p.speaker).Path("tor")
		_, isFRR := p.router.(*router.FRR)
		if !theirs.Up() || ours.State != bfd.Up || isFRR && !theirs.Local.IsValid() {
			return fmt.Sprintf("the router says %+v, the speaker %+v", theirs, ours)
		}
		return ""
	})
	comesUp(t, p.router, p.addr)
	return theirs, ours
}

// TestBFD holds that BFD comes up with either router, that both ends agree on the intervals, that a failure of the path, either way, ends
// the BGP session although TCP has not noticed, and that all is well again when the path is.
func TestBFD(t *testing.T) {
	t.Parallel()
	fast := bfd.Profile{ReceiveInterval: 60 * time.Millisecond, TransmitInterval: 80 * time.Millisecond, DetectMultiplier: 5}
	tests := map[string]struct {
		profile  bfd.Profile
		order    func(*bgp.Session)
		number   int
		neighbor neighbor
	}{
		"over IPv4": {profile: fast, neighbor: neighbor{Addr: v4(nodeNumber)}},
		"over IPv6": {
			profile:  fast,
			order:    func(s *bgp.Session) { s.Address, s.Families = v6(torNumber), bgp.Families{IPv6: true} },
			neighbor: neighbor{Addr: v6(nodeNumber)},
		},
		"by default": {neighbor: neighbor{Addr: v4(nodeNumber)}},
		"passive":    {profile: bfd.Profile{Passive: true}, neighbor: neighbor{Addr: v4(nodeNumber)}},
		"several hops": {
			// BIRD sends with the system's TTL, 64, where the other end is several hops away.
			profile: bfd.Profile{ReceiveInterval: 60 * time.Millisecond, TransmitInterval: 80 * time.Millisecond, DetectMultiplier: 5, MinimumTTL: 60},
			order:   func(s *bgp.Session) { s.Address, s.MultiHop = farV4(remoteNumber), true },
			number:  remoteNumber, neighbor: neighbor{Addr: v4(nodeNumber), MultiHop: true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for software, start := range routers() {
				t.Run(software, func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					tt.neighbor.BFD = true
					tor := start(r, side{Number: tt.number, Neighbors: []neighbor{tt.neighbor}})
					order := ebgp(route(vip), route("2001:db8:0:2::1/128"))
					if tt.order != nil {
						tt.order(&order.Peers[0].Session)
					}
					speaker := r.speaker(nodeNumber, interop.Setup{})
					check(t, speaker.Set(watched(order, tt.profile)))
					pathUp(t, path{tor, speaker, tt.neighbor.Addr})
					agree(t, path{tor, speaker, tt.neighbor.Addr}, tt.profile.WithDefaults())

					// The path fails for BFD alone, so that nothing else can be what notices.
					port := uint16(3784)
					if tt.number == remoteNumber {
						port = 4784
					}
					for _, oneWay := range [][2]int{{torNumber, nodeNumber}, {nodeNumber, torNumber}} {
						before := report(t, speaker).Peer("tor").Counters
						heal, err := r.sw.Partition(t.Context(), []string{r.host(oneWay[0]).Name()}, []string{r.host(oneWay[1]).Name()},
							network.Cut{OneWay: true, Protocol: "udp", Port: port})
						check(t, err)
						eventually(t, func() string {
							// By the time of looking BGP may be up again, with BFD still down.
							if after := report(t, speaker).Peer("tor"); after.Counters.Lost == before.Lost {
								return fmt.Sprintf("nobody has noticed, the speaker says %+v", after)
							}
							return ""
						})
						check(t, heal(t.Context()))
						pathUp(t, path{tor, speaker, tt.neighbor.Addr})
					}
					if got := report(t, speaker).Path("tor"); got.Failures < 2 || got.LastFailure == "" {
						t.Errorf("the speaker says %+v", got)
					}
				})
			}
		})
	}
}

// agree checks that both ends know what the other wants, and what follows from it.
func agree(t *testing.T, at path, p bfd.Profile) {
	t.Helper()
	const theirInterval, theirMultiplier = 100 * time.Millisecond, 5 // of side
	eventually(t, func() string {
		theirs, ours := pathUp(t, at)
		transmit, receive := max(p.TransmitInterval, theirInterval), max(p.ReceiveInterval, theirInterval)
		if ours.TransmitInterval != transmit || ours.ReceiveInterval != receive || ours.DetectionTime != theirMultiplier*receive ||
			ours.RemoteMultiplier != theirMultiplier {
			return fmt.Sprintf("want to send every %s and receive every %s, the speaker says %+v", transmit, receive, ours)
		}
		if _, isFRR := at.router.(*router.FRR); isFRR {
			if theirs.RemoteTransmit != p.TransmitInterval || theirs.RemoteReceive != p.ReceiveInterval || theirs.RemoteMultiplier != int(p.DetectMultiplier) {
				return fmt.Sprintf("FRR says %+v", theirs)
			}
			return ""
		}
		if theirs.Interval != receive || theirs.DetectionTime != time.Duration(p.DetectMultiplier)*transmit {
			return fmt.Sprintf("BIRD says %+v", theirs)
		}
		return ""
	})
}

// TestBFDProfileChanges holds that other intervals are negotiated while everything stays up.
func TestBFDProfileChanges(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tor := start(r, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true}}})
			speaker := r.speaker(nodeNumber, interop.Setup{})
			check(t, speaker.Set(watched(ebgp(route(vip)), bfd.Profile{})))
			pathUp(t, path{tor, speaker, v4(nodeNumber)})
			before := report(t, speaker).Path("tor")
			for _, profile := range []bfd.Profile{
				{TransmitInterval: 150 * time.Millisecond, ReceiveInterval: 150 * time.Millisecond, DetectMultiplier: 10},
				{TransmitInterval: 700 * time.Millisecond, ReceiveInterval: 900 * time.Millisecond, DetectMultiplier: 4},
				{TransmitInterval: 200 * time.Millisecond, ReceiveInterval: 200 * time.Millisecond, DetectMultiplier: 10, Passive: true},
			} {
				check(t, speaker.Set(watched(ebgp(route(vip)), profile)))
				agree(t, path{tor, speaker, v4(nodeNumber)}, profile.WithDefaults())
			}
			if after := report(t, speaker).Path("tor"); after.Ups != before.Ups || after.Downs != before.Downs {
				t.Errorf("the path flapped: %+v", after)
			}
		})
	}
}

// TestCableCut holds that a node without a cable is out of the router's kernel although nobody has said goodbye and the hold time is
// long, and that the cause is known on both ends.
func TestCableCut(t *testing.T) {
	t.Parallel()
	for software, start := range routers() {
		t.Run(software, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tor := start(r, side{Interval: 50, Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true, HoldTime: 90, IPv4: true, IPv6: true}}})
			speaker := r.speaker(nodeNumber, interop.Setup{})
			order := restartable() // graceful restart must not keep what BFD says is gone
			order.Peers[0].Session.HoldTime = 90 * time.Second
			check(t, speaker.Set(watched(order, bfd.Profile{TransmitInterval: 50 * time.Millisecond, ReceiveInterval: 50 * time.Millisecond})))
			pathUp(t, path{tor, speaker, v4(nodeNumber)})
			forwards(t, r.host(torNumber), 4)

			check(t, r.host(nodeNumber).CutCable())
			cut := time.Now()
			forwards(t, r.host(torNumber), 0)
			t.Logf("gone from the router's kernel after %s", time.Since(cut).Round(time.Millisecond))
			if took := time.Since(cut); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if n := session(t, tor, v4(nodeNumber)); !strings.Contains(n.LastReset, "BFD") {
				t.Errorf("the router's reason is %q", n.LastReset)
			}
			saysCause(t, speaker, "tor", bgp.BFDDown)
			check(t, r.host(nodeNumber).PlugCable())
			forwards(t, r.host(torNumber), 4)
			pathUp(t, path{tor, speaker, v4(nodeNumber)})
		})
	}
}

// TestBFDTellsTheRouterWhy holds that a router which itself does not tie BGP to BFD learns from the NOTIFICATION what happened.
func TestBFDTellsTheRouterWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, "bfd\n peer 192.0.2.11 interface eth0\n  transmit-interval 200\n  receive-interval 200\n!\n"+
		side{Neighbors: []neighbor{{Addr: v4(nodeNumber)}}, FRR: " bgp log-neighbor-changes"}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(watched(ebgp(route(vip)), bfd.Profile{})))
	comesUp(t, frr, v4(nodeNumber))
	eventually(t, func() string {
		if got := report(t, speaker).Path("tor"); got.State != bfd.Up {
			return fmt.Sprintf("the speaker says %+v", got)
		}
		return ""
	})
	check(t, frr.Signal("bfdd", stop))
	eventually(t, func() string {
		if !strings.Contains(frr.Log(), "NOTIFICATION: received from neighbor 192.0.2.11 6/10") {
			return "FRR has not been told that BFD is down"
		}
		return ""
	})
	if got := report(t, speaker).Peer("tor").LastCause; got != bgp.BFDDown {
		t.Errorf("the speaker gives %q as the cause", got)
	}
	check(t, frr.Signal("bfdd", proceed))
}

// TestRouterStopsBFD holds that the BGP session stays when FRR's administrator turns BFD off: no path has failed, although FRR says so.
func TestRouterStopsBFD(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(watched(ebgp(route(vip)), bfd.Profile{})))
	pathUp(t, path{frr, speaker, v4(nodeNumber)})
	theirs, ours := session(t, frr, v4(nodeNumber)), report(t, speaker)
	check(t, frr.Configure(t.Context(), "router bgp 64500\n no neighbor 192.0.2.11 bfd\n"))
	eventually(t, func() string {
		if got := report(t, speaker).Path("tor"); got.State == bfd.Up {
			return fmt.Sprintf("the speaker says %+v", got)
		}
		return ""
	})
	never(t, time.Second, func() string {
		if n := session(t, frr, v4(nodeNumber)); !n.Up() || n.Dropped != theirs.Dropped {
			return fmt.Sprintf("FRR thinks of the session: %+v", n)
		}
		return ""
	})
	if got := report(t, speaker); got.Path("tor").Failures != ours.Path("tor").Failures || got.Peer("tor").Counters.Lost != ours.Peer("tor").Counters.Lost {
		t.Errorf("the speaker says %+v", got)
	}
}

// TestLeavingIsNoFailure holds that BFD of a speaker that leaves says that this is on purpose, and only when BGP has left.
func TestLeavingIsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true}}, FRR: " bgp log-neighbor-changes"}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(watched(ebgp(route(vip)), bfd.Profile{})))
	pathUp(t, path{frr, speaker, v4(nodeNumber)})
	check(t, speaker.Leave(t.Context()))
	eventually(t, func() string {
		peers, err := frr.BFDPeers(t.Context())
		check(t, err)
		if p := peers[v4(nodeNumber)]; p.Up() || p.RemoteDiagnostic != "administratively down" {
			return fmt.Sprintf("FRR says %+v", p)
		}
		return ""
	})
	if log := frr.Log(); !strings.Contains(log, "Down BGP Notification received") || strings.Contains(log, "Down BFD down received") {
		t.Errorf("FRR's log says:\n%s", log)
	}
}

// TestEcho holds that echo packets come back from FRR's host, and that their absence is noticed.
func TestEcho(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	frr := r.frr(torNumber, side{Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(watched(ebgp(route(vip)), bfd.Profile{Echo: true, EchoInterval: 50 * time.Millisecond})))
	pathUp(t, path{frr, speaker, v4(nodeNumber)})
	eventually(t, func() string {
		if got := report(t, speaker).Path("tor"); !got.EchoActive || got.EchoIn == 0 {
			return fmt.Sprintf("echo is not active: %+v", got)
		}
		return ""
	})
	before := report(t, speaker).Path("tor").Failures
	_, err := r.sw.Partition(t.Context(), []string{r.host(nodeNumber).Name()}, []string{r.host(torNumber).Name()},
		network.Cut{Protocol: "udp", Port: 3785})
	check(t, err)
	eventually(t, func() string {
		if got := report(t, speaker).Path("tor"); got.Failures == before {
			return fmt.Sprintf("nobody noticed: %+v", got)
		}
		return ""
	})
}
