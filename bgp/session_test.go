package bgp

import (
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, values); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A session comes up, tells its routes, says End-of-RIB and keeps alive.
func TestSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		tagged := &Attributes{Communities: []Community{NoExport}}
		p := peer("tor", "192.0.2.1",
			route("198.51.100.1/32", nil), route("198.51.100.2/32", &Attributes{}),
			route("198.51.100.3/32", tagged), route("2001:db8:1::1/128", nil))
		l.engine.Set(Config{Peers: []Peer{p}})
		same(t, "beginning", []string{
			"0s call", "0s open AS64500", "0s keepalive",
			"0s +198.51.100.1/32,198.51.100.2/32 via 192.0.2.11 path [64500]",
			"0s +198.51.100.3/32 via 192.0.2.11 path [64500] tags [65535:65281]",
			"0s +2001:db8:1::1/128 via 2001:db8::11 path [64500]",
			"0s end of ipv4", "0s end of ipv6",
		}, r.told())
		same(t, "OPEN", []Open{{
			ASN: 64500, RouterID: netip.MustParseAddr("192.0.2.11"), HoldTime: 90 * time.Second,
			Families: Families{IPv4: true, IPv6: true}, RouteRefresh: true, HostName: "node-1",
		}}, r.opened)
		same(t, "target", Target{Remote: r.at, TTL: 255}, r.target)

		time.Sleep(time.Minute)
		same(t, "keepalives", []string{"30s keepalive", "1m0s keepalive"}, r.told())

		p.Routes = p.Routes.Edit([]Route{route("198.51.100.4/32", nil)}, []netip.Prefix{prefix("198.51.100.1/32")})
		l.engine.Set(Config{Peers: []Peer{p}})
		l.engine.Set(Config{Peers: []Peer{p}})
		same(t, "an edit", []string{
			"1m0s +198.51.100.4/32 via 192.0.2.11 path [64500]", "1m0s -198.51.100.1/32",
		}, r.told())

		s := l.status("tor")
		same(t, "status", PeerStatus{
			Name: "tor", Address: r.at, State: Established, Since: l.began,
			Local: netip.MustParseAddrPort("192.0.2.11:40000"), RouterID: netip.MustParseAddr("192.0.2.11"),
			Remote: r.open, Families: Families{IPv4: true, IPv6: true}, HoldTime: 90 * time.Second, Keepalive: 30 * time.Second,
			Desired: 4, Advertised: 4,
			Counters: Counters{
				Established: 1, OpensSent: 1, OpensReceived: 1, KeepalivesSent: 3, KeepalivesReceived: 3,
				UpdatesSent: 7, TotalSent: 11, TotalReceived: 4,
			},
		}, s)
		same(t, "log", []string{
			"0s msg=\"session established\" peer=tor address=192.0.2.1:179 as=64501 hold_time=1m30s",
		}, l.logged())
	})
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	type agreed struct {
		State           State
		Hold, Keepalive time.Duration
		Cause           Cause
		Error           string
		Said            string
	}
	for name, test := range map[string]struct {
		session func(*Session)
		open    func(*Open)
		want    agreed
	}{
		"defaults":             {want: agreed{State: Established, Hold: 90 * time.Second, Keepalive: 30 * time.Second}},
		"the router's is less": {open: func(o *Open) { o.HoldTime = 9 * time.Second }, want: agreed{State: Established, Hold: 9 * time.Second, Keepalive: 3 * time.Second}},
		"ours is less": {
			session: func(s *Session) { s.HoldTime, s.Keepalive = 3*time.Second, 10*time.Second },
			want:    agreed{State: Established, Hold: 3 * time.Second, Keepalive: time.Second},
		},
		"keepalives of our own": {
			session: func(s *Session) { s.Keepalive = 5 * time.Second },
			want:    agreed{State: Established, Hold: 90 * time.Second, Keepalive: 5 * time.Second},
		},
		"none for the router": {open: func(o *Open) { o.HoldTime = 0 }, want: agreed{State: Established}},
		"none for us":         {session: func(s *Session) { s.HoldTime = NoHoldTime }, want: agreed{State: Established}},
		"a second": {
			open: func(o *Open) { o.HoldTime = time.Second },
			want: agreed{
				Cause: OpenMalformed, Error: "the router wants a hold time of 1s, less than 3s",
				Said: "OPEN Message Error/Unacceptable Hold Time",
			},
		},
		"wrong AS": {
			open: func(o *Open) { o.ASN = 64666 },
			want: agreed{Cause: WrongASN, Error: "the router is in AS 64666, not in AS 64501", Said: "OPEN Message Error/Bad Peer AS"},
		},
		"any AS": {session: func(s *Session) { s.PeerASN = 0 }, want: agreed{State: Established, Hold: 90 * time.Second, Keepalive: 30 * time.Second}},
		"internal, yet external": {
			session: func(s *Session) { s.PeerASN, s.Kind = 0, Internal },
			want:    agreed{Cause: WrongASN, Error: "the router is in AS 64501, not in ours, AS 64500", Said: "OPEN Message Error/Bad Peer AS"},
		},
		"external, yet internal": {
			session: func(s *Session) { s.PeerASN, s.Kind = 0, External },
			open:    func(o *Open) { o.ASN = 64500 },
			want:    agreed{Cause: WrongASN, Error: "the router is in our own AS 64500, not in another", Said: "OPEN Message Error/Bad Peer AS"},
		},
		"no router ID": {
			open: func(o *Open) { o.RouterID = netip.IPv4Unspecified() },
			want: agreed{Cause: OpenMalformed, Error: "the router has no BGP identifier", Said: "OPEN Message Error/Bad BGP Identifier"},
		},
		"our router ID, other AS": {
			open: func(o *Open) { o.RouterID = netip.MustParseAddr("192.0.2.11") },
			want: agreed{State: Established, Hold: 90 * time.Second, Keepalive: 30 * time.Second},
		},
		"our router ID, our AS": {
			session: func(s *Session) { s.PeerASN = 64500 },
			open:    func(o *Open) { o.ASN, o.RouterID = 64500, netip.MustParseAddr("192.0.2.11") },
			want:    agreed{Cause: OpenMalformed, Error: "the router has our own BGP identifier, 192.0.2.11", Said: "OPEN Message Error/Bad BGP Identifier"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				defer l.end(nil)
				r := l.router("192.0.2.1")
				p := peer("tor", "192.0.2.1")
				if test.session != nil {
					test.session(&p.Session)
				}
				if test.open != nil {
					test.open(&r.open)
				}
				l.engine.Set(Config{Peers: []Peer{p}})
				s := l.status("tor")
				got := agreed{State: s.State, Hold: s.HoldTime, Keepalive: s.Keepalive, Cause: s.LastCause, Error: s.LastError}
				if s.LastSent != nil {
					got.Said = s.LastSent.String()
				}
				same(t, "agreed", test.want, got)
				time.Sleep(10 * time.Minute)
				if s := l.status("tor"); test.want.State == Established && (s.State != Established || s.Counters.Lost > 0) && test.want.Hold == 0 {
					t.Errorf("without a hold time the session ended: %s", s.LastError)
				}
			})
		})
	}
}

// Each way of failing has its word, and attempts go on every ConnectRetry.
func TestFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		router  func(*router)
		session func(*Session)
		after   func(*lab, *router)
		wait    time.Duration
		cause   Cause
		problem string
		told    []string
	}{
		"nobody there": {
			router: func(r *router) { r.away = true }, wait: 5 * time.Second,
			cause: Unreachable, problem: "no answer from 192.0.2.1:179: it is away, or it expects a password",
			told: []string{"0s call", "2s call", "4s call"},
		},
		"nobody there, with a password": {
			router: func(r *router) { r.away = true }, session: func(s *Session) { s.Password = "k" }, wait: 3 * time.Second,
			cause: NoAnswer, problem: "no answer from 192.0.2.1:179: it is away, or the passwords differ",
			told: []string{"0s call", "2s call"},
		},
		"refused": {
			router: func(r *router) { r.refuse = syscall.ECONNREFUSED }, wait: 3 * time.Second,
			cause: ConnectionRefused, problem: "nothing listens at 192.0.2.1:179, or it does not know this node",
			told: []string{"0s call", "2s call"},
		},
		"source gone": {
			router:  func(r *router) { r.refuse = syscall.EADDRNOTAVAIL },
			session: func(s *Session) { s.Source, s.ConnectRetry = netip.MustParseAddr("192.0.2.77"), 10*time.Second }, wait: 25 * time.Second,
			cause: SourceMissing, problem: "this node does not have the source address 192.0.2.77",
			told: []string{"0s call", "10s call", "20s call"},
		},
		"no route": {
			router: func(r *router) { r.refuse = syscall.ENETUNREACH },
			cause:  Unreachable, problem: "this node has no route to 192.0.2.1:179",
			told: []string{"0s call"},
		},
		"no neighbour": {
			router: func(r *router) { r.refuse = syscall.EHOSTUNREACH },
			cause:  Unreachable, problem: "nobody answers for 192.0.2.1:179 on the way there",
			told: []string{"0s call"},
		},
		"no OPEN": {
			router: func(r *router) { r.silent = true }, wait: 11 * time.Second,
			cause: HoldTimerExpired, problem: "the router did not complete the exchange of OPENs within 10s",
			told: []string{"0s call", "0s open AS64500", "10s notification Hold Timer Expired", "10s close", "10s call", "10s open AS64500"},
		},
		"takes not even our OPEN": {
			router: func(r *router) { r.deaf = true }, wait: 12 * time.Second,
			cause: HoldTimerExpired, problem: "the router did not complete the exchange of OPENs within 10s",
			told: []string{"0s call", "11s close", "11s call"},
		},
		"closed before OPEN": {
			router: func(r *router) { r.silent = true }, after: func(_ *lab, r *router) { r.closes() }, wait: time.Second,
			cause: ConnectionLost, problem: "the router closed the connection without a word before the session was established: does the router know this node as a neighbour?",
			told: []string{"0s call", "0s open AS64500", "0s close"},
		},
		"our OPEN rejected": {
			router: func(r *router) { r.silent = true },
			after:  func(_ *lab, r *router) { r.says(Notification{Code: 2, Subcode: 2}, nil) }, wait: time.Second,
			cause: OpenRejected, problem: "the router rejected our OPEN: OPEN Message Error/Bad Peer AS",
			told: []string{"0s call", "0s open AS64500", "0s close"},
		},
		"malformed OPEN": {
			router: func(r *router) { r.silent = true },
			after: func(_ *lab, r *router) {
				r.says(nil, &MessageError{Notification{Code: 2, Subcode: 1}, "an OPEN of version 5"})
			},
			wait: time.Second, cause: OpenMalformed, problem: "the router sent an OPEN of version 5",
			told: []string{"0s call", "0s open AS64500", "0s notification OPEN Message Error/Unsupported Version Number", "0s close"},
		},
		"KEEPALIVE instead of OPEN": {
			router: func(r *router) { r.silent = true },
			after:  func(_ *lab, r *router) { r.says(Keepalive{}, nil) }, wait: time.Second,
			cause: MalformedMessage, problem: "the router broke the protocol: Finite State Machine Error/Unexpected Message in OpenSent",
			told: []string{"0s call", "0s open AS64500", "0s notification Finite State Machine Error/Unexpected Message in OpenSent", "0s close"},
		},
		"UPDATE instead of KEEPALIVE": {
			router: func(r *router) { r.silent = true },
			after: func(_ *lab, r *router) {
				r.says(r.open, nil)
				r.says(Heard{}, nil)
			},
			wait: time.Second, cause: MalformedMessage,
			problem: "the router broke the protocol: Finite State Machine Error/Unexpected Message in OpenConfirm",
			told:    []string{"0s call", "0s open AS64500", "0s keepalive", "0s notification Finite State Machine Error/Unexpected Message in OpenConfirm", "0s close"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				r := l.router("192.0.2.1").configure(test.router)
				p := peer("tor", "192.0.2.1")
				if test.session != nil {
					test.session(&p.Session)
				}
				l.engine.Set(Config{Peers: []Peer{p}})
				synctest.Wait()
				if test.after != nil {
					test.after(l, r)
				}
				time.Sleep(test.wait)
				same(t, "transcript", test.told, r.told())
				s := l.status("tor")
				same(t, "cause", test.cause, s.LastCause)
				same(t, "problem", test.problem, s.LastError)
				if lines := l.logged(); len(lines) != 1 {
					t.Errorf("one failure again and again is logged %d times: %q", len(lines), lines)
				}
				l.end(nil)
			})
		})
	}
}

// What ends an established session, what is said about it, and when the next one
// begins.
func TestLoss(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		happens func(*lab, *router)
		wait    time.Duration
		cause   Cause
		problem string
		told    []string
	}{
		"closed": {
			happens: func(_ *lab, r *router) { r.closes() },
			cause:   ConnectionLost, problem: "the router closed the connection without a word",
			told: []string{"10s close", "10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6"},
		},
		"reset": {
			happens: func(_ *lab, r *router) { r.says(nil, syscall.ECONNRESET) },
			cause:   ConnectionLost, problem: "the connection was reset",
			told: []string{"10s close", "10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6"},
		},
		"shut down by the router": {
			happens: func(_ *lab, r *router) { r.says(Notification{Code: 6, Subcode: 2, Text: "maintenance"}, nil) },
			cause:   ClosedByPeer, problem: `the router closed the session: Cease/Administrative Shutdown: "maintenance"`,
			told: []string{"10s close", "10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6"},
		},
		"malformed": {
			happens: func(_ *lab, r *router) {
				r.says(nil, &MessageError{Notification{Code: 1, Subcode: 3}, "a message of type 9"})
			},
			cause: MalformedMessage, problem: "the router sent a message of type 9",
			told: []string{
				"10s notification Message Header Error/Bad Message Type", "10s close",
				"10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6",
			},
		},
		"a second OPEN": {
			happens: func(_ *lab, r *router) { r.says(r.open, nil) },
			cause:   MalformedMessage, problem: "the router broke the protocol: Finite State Machine Error/Unexpected Message in Established",
			told: []string{
				"10s notification Finite State Machine Error/Unexpected Message in Established", "10s close",
				"10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6",
			},
		},
		"BFD": {
			happens: func(l *lab, _ *router) { l.engine.PathDown("tor") },
			cause:   BFDDown, problem: "BFD: the path to the router is broken",
			told: []string{
				"10s notification Cease/BFD Down", "10s close",
				"10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6",
			},
		},
		"silence": { // heard last at 9 s, and then for 9 s not
			happens: func(_ *lab, r *router) { r.configure(func(r *router) { r.silent = true }) }, wait: 8 * time.Second,
			cause: HoldTimerExpired, problem: "the router was not heard for 9s",
			told: []string{
				"12s keepalive", "15s keepalive", "18s notification Hold Timer Expired", "18s close",
				"18s call", "18s open AS64500",
			},
		},
		"takes nothing": { // the KEEPALIVE of 12 s goes on for 18 s, unless the router falls silent before
			happens: func(_ *lab, r *router) {
				r.configure(func(r *router) { r.deaf = true })
				for range 20 {
					time.Sleep(time.Second)
					synctest.Wait()
					r.says(Keepalive{}, nil)
				}
			},
			wait: 2 * time.Second, cause: HoldTimerExpired, problem: "the router took nothing for 18s",
			told: []string{"31s close", "31s call"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				r := l.router("192.0.2.1")
				r.open.HoldTime = 9 * time.Second
				l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1")}})
				time.Sleep(10 * time.Second)
				r.told()
				test.happens(l, r)
				time.Sleep(test.wait)
				same(t, "transcript", test.told, r.told())
				s := l.status("tor")
				same(t, "cause", test.cause, s.LastCause)
				same(t, "problem", test.problem, s.LastError)
				same(t, "lost", uint64(1), s.Counters.Lost)
				l.end(nil)
			})
		})
	}
}

// A router that is away is called every two seconds, so that the session is up
// within two seconds of its return.
func TestReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1")}})
		time.Sleep(time.Minute)
		r.configure(func(r *router) { r.away = true })
		r.closes()
		time.Sleep(time.Minute - time.Millisecond)
		r.configure(func(r *router) { r.away = false })
		time.Sleep(2 * time.Second)
		if s := l.status("tor"); s.State != Established {
			t.Errorf("two seconds after its return there is no session but %+v", s)
		}
		same(t, "log", []string{
			"0s msg=\"session established\" peer=tor address=192.0.2.1:179 as=64501 hold_time=1m30s",
			"1m0s msg=\"session ended\" peer=tor address=192.0.2.1:179 cause=connectionLost detail=\"the router closed the connection without a word\"",
			"1m2s msg=\"session not established\" peer=tor address=192.0.2.1:179 cause=unreachable detail=\"no answer from 192.0.2.1:179: it is away, or it expects a password\"",
			"2m0s msg=\"session established\" peer=tor address=192.0.2.1:179 as=64501 hold_time=1m30s",
		}, l.logged())
	})
}

// A router that resets each second is not called in a hot loop, and fills no log.
func TestFlapping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1")}})
		for range 60 {
			time.Sleep(time.Second)
			if s := l.status("tor"); s.State == Established && time.Since(s.Since) == time.Second {
				r.closes()
			}
		}
		same(t, "sessions in a minute", uint64(21), l.status("tor").Counters.Established)
		time.Sleep(time.Minute) // it has come to its senses
		same(t, "log", []string{
			"0s msg=\"session established\" peer=tor address=192.0.2.1:179 as=64501 hold_time=1m30s",
			"1s msg=\"session ended\" peer=tor address=192.0.2.1:179 cause=connectionLost detail=\"the router closed the connection without a word\"",
			"1m5s msg=\"session established\" peer=tor address=192.0.2.1:179 as=64501 hold_time=1m30s",
		}, l.logged())
	})
}

// A router that asks for its routes again gets those of that family.
func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1",
			route("198.51.100.1/32", nil), route("2001:db8:1::1/128", nil))}})
		r.told()
		r.says(RouteRefresh{IPv6: true}, nil)
		same(t, "IPv6 again", []string{"0s +2001:db8:1::1/128 via 2001:db8::11 path [64500]"}, r.told())
		r.says(RouteRefresh{}, nil)
		same(t, "IPv4 again", []string{"0s +198.51.100.1/32 via 192.0.2.11 path [64500]"}, r.told())
		same(t, "counted", uint64(2), l.status("tor").Counters.RefreshesReceived)
	})
}

// A router that floods us with UPDATEs harms nobody: they are counted, and the
// hold timer runs from the last one.
func TestFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1").configure(func(r *router) { r.open.HoldTime = 9 * time.Second })
		l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1")}})
		synctest.Wait()
		r.configure(func(r *router) { r.silent = true })
		for range 60 {
			time.Sleep(time.Second)
			for range 1000 {
				r.says(Heard{}, nil)
			}
		}
		s := l.status("tor")
		same(t, "UPDATEs", uint64(60_000), s.Counters.UpdatesReceived)
		same(t, "lost", uint64(0), s.Counters.Lost)
	})
}

// Another Session is another session, for that peer only.
func TestReconfigure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after func(*Session)
		told          []string
	}{
		"without graceful restart": {
			after: func(s *Session) { s.Password = "other" },
			told: []string{
				"10s notification Cease/Other Configuration Change", "10s close",
				"10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6",
			},
		},
		"with graceful restart": {
			before: func(s *Session) { s.GracefulRestart = true },
			after:  func(s *Session) { s.Password = "other" },
			told:   []string{"10s close", "10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6"},
		},
		"graceful restart switched off": {
			before: func(s *Session) { s.GracefulRestart = true },
			after:  func(s *Session) { s.GracefulRestart = false },
			told: []string{
				"10s notification Cease/Other Configuration Change", "10s close",
				"10s call", "10s open AS64500", "10s keepalive", "10s end of ipv4", "10s end of ipv6",
			},
		},
		"another router": {
			before: func(s *Session) { s.GracefulRestart = true },
			after:  func(s *Session) { s.Address = netip.MustParseAddr("192.0.2.9") },
			told:   []string{"10s notification Cease/Peer De-configured", "10s close"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				defer l.end(ErrRestart)
				r := l.router("192.0.2.1").configure(func(r *router) {
					r.open.GracefulRestart = &GracefulRestart{Families: Families{IPv4: true}}
				})
				other := l.router("192.0.2.2")
				p, q := peer("tor-1", "192.0.2.1"), peer("tor-2", "192.0.2.2")
				if test.before != nil {
					p = p.with(test.before)
				}
				l.engine.Set(Config{Peers: []Peer{p, q}})
				time.Sleep(10 * time.Second)
				r.told()
				other.told()
				l.engine.Set(Config{Peers: []Peer{p.with(test.after), q}})
				same(t, "the router", test.told, r.told())
				same(t, "the other one", []string(nil), other.told())
				same(t, "its session", uint64(1), l.status("tor-2").Counters.Established)
				same(t, "cause", Reconfigured, l.status("tor-1").LastCause)
			})
		})
	}
}

// A peer that is removed is told so; one that comes back at once begins after
// that.
func TestRemove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		p := peer("tor", "192.0.2.1")
		l.engine.Set(Config{Peers: []Peer{p}})
		r.told()
		l.engine.Set(Config{})
		same(t, "removed", []string{"0s notification Cease/Peer De-configured", "0s close"}, r.told())
		same(t, "status", Status{Peers: []PeerStatus{}}, l.engine.Status())

		l.engine.Set(Config{Peers: []Peer{p}})
		r.told()
		r.configure(func(r *router) { r.deaf = true }) // so that it takes a second
		l.engine.Set(Config{})
		synctest.Wait()
		l.engine.Set(Config{Peers: []Peer{p}})
		time.Sleep(2 * time.Second)
		same(t, "removed and added", []string{"1s close", "1s call"}, r.told())
	})
}

// Restart and forwarding bits: what routers need to keep our routes.
func TestGracefulRestart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		restarted     bool
		first, second GracefulRestart
	}{
		"a first start": {
			first:  GracefulRestart{Time: 2 * time.Minute, Families: Families{IPv4: true, IPv6: true}},
			second: GracefulRestart{Time: 2 * time.Minute, Families: Families{IPv4: true, IPv6: true}, Preserved: Families{IPv4: true, IPv6: true}},
		},
		"a restart": {
			restarted: true,
			first: GracefulRestart{
				Restarted: true, Time: 2 * time.Minute,
				Families: Families{IPv4: true, IPv6: true}, Preserved: Families{IPv4: true, IPv6: true},
			},
			second: GracefulRestart{Time: 2 * time.Minute, Families: Families{IPv4: true, IPv6: true}, Preserved: Families{IPv4: true, IPv6: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(o *Options) { o.Restarted = test.restarted })
				defer l.end(ErrRestart)
				r := l.router("192.0.2.1").configure(func(r *router) { r.silent = true })
				p := peer("tor", "192.0.2.1").with(func(s *Session) { s.GracefulRestart = true })
				l.engine.Set(Config{Peers: []Peer{p}})
				time.Sleep(time.Second)
				r.closes() // before the session was established: it does not count
				r.configure(func(r *router) { r.silent = false })
				time.Sleep(10 * time.Second)
				r.closes()
				synctest.Wait()
				var got []GracefulRestart
				for _, o := range r.opened {
					got = append(got, *o.GracefulRestart)
				}
				same(t, "capabilities", []GracefulRestart{test.first, test.first, test.second}, got)
			})
		})
	}
}

// Routes whose attributes do not fit are withdrawn, and said not to be carried;
// the session lives on.
func TestTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1").configure(func(r *router) { r.narrow = true })
		p := peer("tor", "192.0.2.1", hosts(3, nil)...)
		l.engine.Set(Config{Peers: []Peer{p}})
		r.told()
		p.Routes = p.Routes.Edit(hosts(2, &Attributes{Communities: []Community{NoExport}}), nil)
		l.engine.Set(Config{Peers: []Peer{p}})
		same(t, "told", []string{"0s -198.18.0.0/32,198.18.0.1/32"}, r.told())
		s := l.status("tor")
		same(t, "advertised", 1, s.Advertised)
		same(t, "not carried", 2, s.NotCarried)
		same(t, "why", "the attributes of 2 do not fit into a message", s.NotCarriedWhy)

		p.Routes = p.Routes.Edit(hosts(1, nil), []netip.Prefix{prefix("198.18.0.1/32")})
		l.engine.Set(Config{Peers: []Peer{p}})
		same(t, "told", []string{"0s +198.18.0.0/32 via 192.0.2.11 path [64500]"}, r.told())
		s = l.status("tor")
		same(t, "advertised", 2, s.Advertised)
		same(t, "not carried", 0, s.NotCarried)
	})
}

// Many sessions at once, of which one is stuck.
func TestManyPeers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		var c Config
		for i := range 64 {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}).String()
			l.router(addr)
			c.Peers = append(c.Peers, peer(addr, addr, hosts(100, nil)...))
		}
		l.router("192.0.2.7").configure(func(r *router) { r.deaf = true })
		l.engine.Set(c)
		synctest.Wait()
		up := 0
		for _, s := range l.engine.Status().Peers {
			if s.State == Established && s.Advertised == 100 {
				up++
			}
		}
		same(t, "sessions", 63, up)
		l.end(nil) // stuck or not: synctest would tell of a goroutine left behind
	})
}
