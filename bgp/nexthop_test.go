package bgp

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
)

// Where routes lead, by what the session runs over and what the router takes.
func TestNextHops(t *testing.T) {
	t.Parallel()
	const four, six = "198.51.100.1/32", "2001:db8:1::1/128"
	for name, test := range map[string]struct {
		addr     string
		session  func(*Session)
		router   func(*router)
		told     []string
		carried  int
		problems string
	}{
		"IPv4 session": {
			addr: "192.0.2.1", carried: 2,
			told: []string{"+" + four + " via 192.0.2.11", "+" + six + " via 2001:db8::11"},
		},
		"IPv4 session, internal": {
			addr: "192.0.2.1", carried: 2,
			session: func(s *Session) { s.LocalASN = 64501 },
			told:    []string{"+" + four + " via 192.0.2.11", "+" + six + " via 2001:db8::11"},
		},
		"IPv4 session, no IPv6 address": {
			addr: "192.0.2.1", carried: 1, router: func(r *router) { r.path.IPv6 = netip.Addr{} },
			told:     []string{"+" + four + " via 192.0.2.11"},
			problems: "the interface has no IPv6 address that could be the next hop",
		},
		"IPv6 session": {
			addr: "2001:db8::1", carried: 2,
			told: []string{"+" + four + " via 192.0.2.11", "+" + six + " via 2001:db8::11"},
		},
		"IPv6 session, no IPv4 address": {
			addr: "2001:db8::1", carried: 1, router: func(r *router) { r.path.IPv4 = netip.Addr{} },
			told:     []string{"+" + six + " via 2001:db8::11"},
			problems: "the router does not take IPv4 routes with an IPv6 next hop, and the interface has no IPv4 address",
		},
		"IPv6 session, no IPv4 address, RFC 8950": {
			addr: "2001:db8::1", carried: 2,
			router: func(r *router) { r.path.IPv4, r.open.IPv6NextHop = netip.Addr{}, true },
			told:   []string{"+" + four + " via 2001:db8::11", "+" + six + " via 2001:db8::11"},
		},
		"link-local session": {
			addr: "fe80::1%eth0", carried: 2, router: func(r *router) { r.open.IPv6NextHop = true },
			told: []string{"+" + four + " via 2001:db8::11 and fe80::11", "+" + six + " via 2001:db8::11 and fe80::11"},
		},
		"link-local session, no other address": {
			addr: "fe80::1%eth0", carried: 2,
			router: func(r *router) { r.open.IPv6NextHop, r.path.IPv4, r.path.IPv6 = true, netip.Addr{}, netip.Addr{} },
			told:   []string{"+" + four + " via fe80::11 and fe80::11", "+" + six + " via fe80::11 and fe80::11"},
		},
		"link-local session, no RFC 8950": {
			addr: "fe80::1%eth0", carried: 1,
			told:     []string{"+" + six + " via 2001:db8::11 and fe80::11"},
			problems: "the router does not take IPv4 routes with an IPv6 next hop",
		},
		"a router of IPv4 only": {
			addr: "192.0.2.1", carried: 1, router: func(r *router) { r.open.Families = Families{} },
			told: []string{"+" + four + " via 192.0.2.11"}, problems: "the router does not take IPv6 routes",
		},
		"a session of IPv6 only": {
			addr: "192.0.2.1", carried: 1, session: func(s *Session) { s.Families.IPv4 = false },
			told: []string{"+" + six + " via 2001:db8::11"}, problems: "the session is not to carry IPv4 routes",
		},
		"nothing in common": {
			addr: "192.0.2.1", session: func(s *Session) { s.Families.IPv4 = false },
			router:   func(r *router) { r.open.Families = Families{} },
			problems: "the session is not to carry IPv4 routes; the router does not take IPv6 routes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, nil)
				defer l.end(ErrRestart)
				r := l.router(test.addr)
				if test.router != nil {
					r.configure(test.router)
				}
				p := peer("tor", test.addr, route(four, nil), route(six, nil))
				if test.session != nil {
					p = p.with(test.session)
				}
				l.engine.Set(Config{Peers: []Peer{p}})
				var told []string
				for _, line := range r.told() {
					if _, update, ok := strings.Cut(line, " +"); ok {
						update, _, _ = strings.Cut(update, " path")
						update, _, _ = strings.Cut(update, " pref")
						told = append(told, "+"+update)
					}
				}
				same(t, "told", test.told, told)
				s := l.status("tor")
				same(t, "advertised", test.carried, s.Advertised)
				same(t, "not carried", 2-test.carried, s.NotCarried)
				same(t, "why", test.problems, s.NotCarriedWhy)
				same(t, "RFC 8950 offered", r.at.Addr().Is6() && p.Session.Families.IPv4, r.opened[0].IPv6NextHop)
			})
		})
	}
}
