package config_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
)

// peerYAML is a BGPPeer tor-1 of a router at 192.0.2.1, with more in its spec.
func peerYAML(more string) string {
	return "kind: BGPPeer\nmetadata: {name: tor-1, namespace: metallb-system}\nspec: {myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, " + more + "}\n"
}

// TestSession: what becomes of each field of a BGPPeer.
func TestSession(t *testing.T) {
	t.Parallel()

	plain := bgp.Session{
		Address: netip.MustParseAddr("192.0.2.1"), Port: 179,
		LocalASN: 64500, PeerASN: 64496, Families: bgp.Families{IPv4: true},
	}
	both := bgp.Families{IPv4: true, IPv6: true}

	for _, tt := range []struct {
		name, spec string
		want       func(*bgp.Session)
	}{
		{"plain", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1}", func(*bgp.Session) {}},
		{"disableMP has no effect", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, disableMP: true}", func(*bgp.Session) {}},
		{"what a Go client leaves empty", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, sourceAddress: '', interface: '', routerID: '', passwordSecret: {}}", func(*bgp.Session) {}},
		{"IPv4-mapped", "{myASN: 64500, peerASN: 64496, peerAddress: '::ffff:192.0.2.1'}", func(*bgp.Session) {}},
		{"IPv6", "{myASN: 64500, peerASN: 64496, peerAddress: '2001:db8::1', sourceAddress: '2001:db8::2'}", func(s *bgp.Session) {
			s.Address, s.Source, s.Families = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), bgp.Families{IPv6: true}
		}},
		{"both families over IPv4", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, dualStackAddressFamily: true}", func(s *bgp.Session) { s.Families = both }},
		{"both families over IPv6", "{myASN: 64500, peerASN: 64496, peerAddress: '2001:db8::1', dualStackAddressFamily: true}", func(s *bgp.Session) {
			s.Address, s.Families = netip.MustParseAddr("2001:db8::1"), both
		}},
		{"unnumbered, which is one hop away whatever is said", "{myASN: 64500, dynamicASN: external, interface: eth0, ebgpMultiHop: true}", func(s *bgp.Session) {
			*s = bgp.Session{Port: 179, LocalASN: 64500, Kind: bgp.External, Families: both}
		}},
		{"unnumbered from an address of its own", "{myASN: 64500, peerASN: 64496, interface: eth0, sourceAddress: 'fe80::2'}", func(s *bgp.Session) {
			s.Address, s.Source, s.Families = netip.Addr{}, netip.MustParseAddr("fe80::2"), both
		}},
		{"any router of ours", "{myASN: 64500, dynamicASN: internal, peerAddress: 192.0.2.1}", func(s *bgp.Session) { s.PeerASN, s.Kind = 0, bgp.Internal }},
		{"iBGP", "{myASN: 64500, peerASN: 64500, peerAddress: 192.0.2.1}", func(s *bgp.Session) { s.PeerASN = 64500 }},
		{"localASN is what is shown", "{myASN: 64500, localASN: 4200000000, peerASN: 64496, peerAddress: 192.0.2.1}", func(s *bgp.Session) { s.LocalASN = 4200000000 }},
		{"several hops to the AS that localASN hides", "{myASN: 64500, localASN: 64501, peerASN: 64500, peerAddress: 192.0.2.1, ebgpMultiHop: true}", func(s *bgp.Session) {
			s.LocalASN, s.PeerASN, s.MultiHop = 64501, 64500, true
		}},
		{"everything else", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, sourceAddress: 192.0.2.2, peerPort: 1179, routerID: 192.0.2.3, vrf: red, connectTime: 5s, ebgpMultiHop: true, enableGracefulRestart: true, password: geheim}", func(s *bgp.Session) {
			s.Source, s.Port, s.RouterID = netip.MustParseAddr("192.0.2.2"), 1179, netip.MustParseAddr("192.0.2.3")
			s.Device, s.ConnectRetry, s.MultiHop, s.GracefulRestart, s.Password = "red", 5*time.Second, true, true, "geheim"
		}},
		{"a line end is no part of a password", `{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, password: "geheim\r\n"}`, func(s *bgp.Session) { s.Password = "geheim" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			snap, problems := config.Compile(objectsOf(t, "kind: BGPPeer\nmetadata: {name: tor-1}\nspec: "+tt.spec))
			if len(problems) > 0 {
				t.Fatal(texts(problems))
			}
			want := plain
			tt.want(&want)
			if diff := cmp.Diff(want, snap.Peers[0].Session, addrText); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTimers is the table of holdTime and keepaliveTime.
func TestTimers(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		spec            string
		hold, keepalive time.Duration
		problem         string
	}{
		{spec: ""}, // 90 s, and a third of what is agreed on
		{spec: "holdTime: 90s", hold: 90 * time.Second},
		{spec: "holdTime: 3s", hold: 3 * time.Second},
		{spec: "holdTime: 65535s", hold: 65535 * time.Second},
		{spec: "holdTime: 3.9s", hold: 3 * time.Second},
		{spec: "holdTime: 1m30s, keepaliveTime: 30s", hold: 90 * time.Second, keepalive: 30 * time.Second},
		{spec: "holdTime: 9s, keepaliveTime: 9s", hold: 9 * time.Second, keepalive: 9 * time.Second},
		{spec: "holdTime: 9s, keepaliveTime: 2.9s", hold: 9 * time.Second, keepalive: 2 * time.Second},
		{spec: "holdTime: 9s, keepaliveTime: 0s", hold: 9 * time.Second}, // there is no hold time without keepalives
		{spec: "holdTime: 9s, keepaliveTime: 10ms", hold: 9 * time.Second},
		{spec: "keepaliveTime: 1s", hold: 3 * time.Second, keepalive: time.Second},
		{spec: "keepaliveTime: 1.5s", hold: 4 * time.Second, keepalive: time.Second},
		{spec: "keepaliveTime: 21845s", hold: 65535 * time.Second, keepalive: 21845 * time.Second},
		{spec: "keepaliveTime: 0s", hold: bgp.NoHoldTime},
		{spec: "keepaliveTime: 300ms", hold: bgp.NoHoldTime},
		{spec: "holdTime: 0s", hold: bgp.NoHoldTime},
		{spec: "holdTime: 0s, keepaliveTime: 0s", hold: bgp.NoHoldTime},
		{spec: "holdTime: 0.9s", hold: bgp.NoHoldTime},
		{spec: "holdTime: 0.9s, keepaliveTime: 0.9s", hold: bgp.NoHoldTime},

		{spec: "holdTime: 1s", problem: `spec.holdTime: invalid value "1s": must be 0s, or from 3s to 65535s`},
		{spec: "holdTime: 2.9s", problem: `spec.holdTime: invalid value "2.9s": must be 0s, or from 3s to 65535s`},
		{spec: "holdTime: -3s", problem: `spec.holdTime: invalid value "-3s": must be 0s, or from 3s to 65535s`},
		{spec: "holdTime: -1ms", problem: `spec.holdTime: invalid value "-1ms": must be 0s, or from 3s to 65535s`},
		{spec: "holdTime: 65536s", problem: `spec.holdTime: invalid value "18h12m16s": must be 0s, or from 3s to 65535s`},
		{spec: "holdTime: 9s, keepaliveTime: 10s", problem: `spec.keepaliveTime: invalid value "10s": is longer than holdTime 9s`},
		{spec: "holdTime: 0s, keepaliveTime: 1s", problem: `spec.keepaliveTime: invalid value "1s": is longer than holdTime 0s`},
		{spec: "holdTime: 9s, keepaliveTime: -1s", problem: `spec.keepaliveTime: invalid value "-1s": must not be negative`},
		{spec: "keepaliveTime: -1s", problem: `spec.keepaliveTime: invalid value "-1s": must not be negative`},
		{spec: "keepaliveTime: 500ms", problem: `spec.keepaliveTime: invalid value "500ms": means a holdTime of 1.5s, which must be 0s, or from 3s to 65535s`},
		{spec: "keepaliveTime: 7h", problem: `spec.keepaliveTime: invalid value "7h0m0s": means a holdTime of 21h0m0s, which must be 0s, or from 3s to 65535s`},
		{spec: "keepaliveTime: 2000000h", problem: `spec.keepaliveTime: invalid value "2000000h0m0s": means a holdTime of 54h36m45s, which must be 0s, or from 3s to 65535s`},
	} {
		t.Run(tt.spec, func(t *testing.T) {
			t.Parallel()

			snap, problems := config.Compile(objectsOf(t, peerYAML(tt.spec)))
			if tt.problem != "" {
				if diff := cmp.Diff([]string{"BGPPeer tor-1: " + tt.problem}, texts(problems)); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
				if len(snap.Peers) > 0 {
					t.Error("the peer is in force")
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(texts(problems))
			}
			got := snap.Peers[0].Session
			if got.HoldTime != tt.hold || got.Keepalive != tt.keepalive {
				t.Errorf("hold time %s, keepalive %s; want %s, %s", got.HoldTime, got.Keepalive, tt.hold, tt.keepalive)
			}
		})
	}
}

func TestConnectTime(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]time.Duration{
		"1s": time.Second, "65535s": 65535 * time.Second, "2000ms": 2 * time.Second,
		"0s": 0, "999ms": 0, "1500ms": 0, "65536s": 0, "-1s": 0,
	} {
		snap, problems := config.Compile(objectsOf(t, peerYAML("connectTime: "+text)))
		if want == 0 {
			if len(problems) != 1 || problems[0].Field != "spec.connectTime" || len(snap.Peers) > 0 {
				t.Errorf("%s: problems %q, %d peers", text, texts(problems), len(snap.Peers))
			}
			continue
		}
		if len(problems) > 0 || snap.Peers[0].Session.ConnectRetry != want {
			t.Errorf("%s: problems %q, want a wait of %s", text, texts(problems), want)
		}
	}
}

// TestPasswordSecret: which Secret gives a password, and what is said of one
// that does not. The password itself is never told.
func TestPasswordSecret(t *testing.T) {
	t.Parallel()

	const (
		typed = "type: kubernetes.io/basic-auth\n"
		field = `BGPPeer tor-1: spec.passwordSecret.name: invalid value "tor": `
	)
	secret := func(namespace, rest string) string {
		return "---\nkind: Secret\nmetadata: {name: tor, namespace: " + namespace + "}\n" + rest
	}
	for _, tt := range []struct{ name, spec, secret, want, problem string }{
		{
			name: "good", secret: secret("metallb-system", typed+"stringData: {password: geheim}"), want: "geheim",
		},
		{
			name: "another namespace in the reference is ignored", spec: "{name: tor, namespace: elsewhere}",
			secret: secret("metallb-system", typed+"stringData: {password: geheim}"), want: "geheim",
		},
		{
			name: "with the line end that echo leaves", secret: secret("metallb-system", typed+`stringData: {password: "geheim\n"}`), want: "geheim",
		},
		{
			name: "80 octets", secret: secret("metallb-system", typed+"stringData: {password: "+strings.Repeat("x", 80)+"}"), want: strings.Repeat("x", 80),
		},
		{
			name: "missing", problem: field + "there is no Secret of that name and of type kubernetes.io/basic-auth in the namespace of the peer",
		},
		{
			name: "elsewhere", secret: secret("default", typed+"stringData: {password: geheim}"),
			problem: field + "there is no Secret of that name and of type kubernetes.io/basic-auth in the namespace of the peer",
		},
		{
			name: "of another type", secret: secret("metallb-system", "type: Opaque\nstringData: {password: geheim}"),
			problem: field + "the Secret is of type Opaque, which must be kubernetes.io/basic-auth",
		},
		{
			name: "without the key", secret: secret("metallb-system", typed+"stringData: {secret: geheim}"),
			problem: field + `the Secret has nothing under the key "password"`,
		},
		{
			name: "empty", secret: secret("metallb-system", typed+`stringData: {password: "\n"}`),
			problem: field + `the Secret has nothing under the key "password"`,
		},
		{
			name: "81 octets", secret: secret("metallb-system", typed+"stringData: {password: "+strings.Repeat("x", 81)+"}"),
			problem: field + "the password in the Secret is longer than 80 octets",
		},
		{
			name: "beside a password", spec: "{name: tor}, password: geheim", secret: secret("metallb-system", typed+"stringData: {password: geheim}"),
			problem: field + "contradicts spec.password: set one of them",
		},
		{
			name: "a password of a line end", spec: `{}, password: "\n"`,
			problem: "BGPPeer tor-1: spec.password: has nothing but line ends",
		},
		{
			name: "a password too long", spec: "{}, password: " + strings.Repeat("x", 81),
			problem: "BGPPeer tor-1: spec.password: is longer than 80 octets",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			spec := "{name: tor}"
			if tt.spec != "" {
				spec = tt.spec
			}
			snap, problems := config.Compile(objectsOf(t, peerYAML("passwordSecret: "+spec)+tt.secret))
			if tt.problem != "" {
				if diff := cmp.Diff([]string{tt.problem}, texts(problems)); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
				if len(snap.Peers) > 0 {
					t.Error("the peer is in force without its password")
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(texts(problems))
			}
			if got := string(snap.Peers[0].Session.Password); got != tt.want {
				t.Errorf("password = %q, want %q", got, tt.want)
			}
		})
	}
}
