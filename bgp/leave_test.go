package bgp

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Leaving for good: GRACEFUL_SHUTDOWN, time for the traffic to move, withdrawal,
// and a word. Nobody waits where there is no traffic.
func TestLeave(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options func(*Options)
		session func(*Session)
		router  func(*router)
		routes  []Route
		cause   error
		told    []string
	}{
		"external": {
			routes: []Route{route("198.51.100.1/32", &Attributes{Communities: []Community{NoExport}})},
			told: []string{
				"10s +198.51.100.1/32 via 192.0.2.11 path [64500] tags [65535:0 65535:65281]",
				"12s -198.51.100.1/32", `12s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "12s close",
			},
		},
		"internal": {
			session: func(s *Session) { s.PeerASN = 64500 },
			router:  func(r *router) { r.open.ASN = 64500 },
			routes:  []Route{route("198.51.100.1/32", &Attributes{LocalPref: 200})},
			told: []string{
				"10s +198.51.100.1/32 via 192.0.2.11 pref 0 tags [65535:0]",
				"12s -198.51.100.1/32", `12s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "12s close",
			},
		},
		"without routes": {
			told: []string{`10s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "10s close"},
		},
		"without time": {
			options: func(o *Options) { o.DrainTime = -1 },
			routes:  []Route{route("198.51.100.1/32", nil)},
			told:    []string{"10s -198.51.100.1/32", `10s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "10s close"},
		},
		"a router that takes nothing": {
			routes: []Route{route("198.51.100.1/32", nil)},
			router: func(r *router) {
				time.AfterFunc(10*time.Second-time.Nanosecond, func() { r.configure(func(r *router) { r.deaf = true }) })
			},
			told: []string{"14s close"}, // two seconds to drain, one to flush, one for the last word
		},
		"a router that takes its time": {
			router: func(r *router) { r.slow = true },
			told:   []string{`10s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "15s close"},
		},
		"a router that is away": {
			router: func(r *router) { r.away = true },
			told:   nil,
		},
		"a restart that routers do not know of": {
			cause:  ErrRestart,
			routes: []Route{route("198.51.100.1/32", nil)},
			session: func(s *Session) {
				s.GracefulRestart = true
			},
			told: []string{
				"10s +198.51.100.1/32 via 192.0.2.11 path [64500] tags [65535:0]",
				"12s -198.51.100.1/32", `12s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "12s close",
			},
		},
		"a restart": {
			cause:   ErrRestart,
			routes:  []Route{route("198.51.100.1/32", nil)},
			session: func(s *Session) { s.GracefulRestart = true },
			router:  func(r *router) { r.open.GracefulRestart = &GracefulRestart{} },
			told:    []string{"10s close"},
		},
		"the end, with graceful restart": {
			routes:  []Route{route("198.51.100.1/32", nil)},
			session: func(s *Session) { s.GracefulRestart = true },
			router:  func(r *router) { r.open.GracefulRestart = &GracefulRestart{} },
			told: []string{
				"10s +198.51.100.1/32 via 192.0.2.11 path [64500] tags [65535:0]",
				"12s -198.51.100.1/32", `12s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "12s close",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, test.options)
				r := l.router("192.0.2.1")
				if test.router != nil {
					test.router(r)
				}
				p := peer("tor", "192.0.2.1", test.routes...)
				if test.session != nil {
					test.session(&p.Session)
				}
				l.engine.Set(Config{Peers: []Peer{p}})
				time.Sleep(10 * time.Second)
				r.told()
				l.end(errorOr(test.cause, errors.New("drained")))
				same(t, "told", test.told, r.told())
				same(t, "cause", ShutDown, l.status("tor").LastCause)
				same(t, "state", Idle, l.status("tor").State)
			})
		})
	}
}

func errorOr(err, or error) error {
	if err != nil {
		return err
	}
	return or
}

// All peers leave at the same time, each as its own session allows.
func TestLeaveTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		stuck, fine := l.router("192.0.2.1"), l.router("192.0.2.2")
		l.engine.Set(Config{Peers: []Peer{
			peer("tor-1", "192.0.2.1", hosts(5, nil)...), peer("tor-2", "192.0.2.2", hosts(5, nil)...),
		}})
		time.Sleep(10 * time.Second)
		stuck.told()
		fine.told()
		stuck.configure(func(r *router) { r.deaf = true })
		l.end(nil)
		same(t, "ended", 14*time.Second, time.Since(l.began))
		same(t, "told", []string{
			"10s +5 via 192.0.2.11 path [64500] tags [65535:0]", "12s -5",
			`12s notification Cease/Administrative Shutdown: "node node-1 is leaving"`, "12s close",
		}, fine.told())
	})
}

// Draining keeps the sessions, and can be taken back at any time.
func TestDraining(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(nil)
		r := l.router("192.0.2.1")
		p := peer("tor", "192.0.2.1", route("198.51.100.1/32", nil))
		set := func(draining bool) { l.engine.Set(Config{Peers: []Peer{p}, Draining: draining}) }
		set(false)
		time.Sleep(10 * time.Second)
		r.told()

		set(true)
		time.Sleep(time.Second)
		set(false) // at the last moment
		time.Sleep(time.Second)
		set(true)
		time.Sleep(3 * time.Second)
		same(t, "drained", []string{
			"10s +198.51.100.1/32 via 192.0.2.11 path [64500] tags [65535:0]",
			"11s +198.51.100.1/32 via 192.0.2.11 path [64500]",
			"12s +198.51.100.1/32 via 192.0.2.11 path [64500] tags [65535:0]",
			"14s -198.51.100.1/32",
		}, r.told())
		same(t, "advertised", 0, l.status("tor").Advertised)

		r.closes() // and comes back while we drain
		time.Sleep(3 * time.Second)
		p.Routes = p.Routes.Edit([]Route{route("198.51.100.2/32", nil)}, nil)
		set(true)
		same(t, "came back", []string{
			"15s close", "15s call", "15s open AS64500", "15s keepalive", "15s end of ipv4", "15s end of ipv6",
		}, r.told())

		set(false)
		same(t, "as before", []string{"18s +198.51.100.1/32,198.51.100.2/32 via 192.0.2.11 path [64500]"}, r.told())
	})
}
