package bgp

import (
	"net/netip"
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
