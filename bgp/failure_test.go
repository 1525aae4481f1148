package bgp

import (
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

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
