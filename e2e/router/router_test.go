//nolint:paralleltest // the tests share one network
package router_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

func TestMain(m *testing.M) {
	//nolint:forbidigo // it is the main function of the tests
	os.Exit(sandbox.Run(sandbox.Options{}, func(context.Context) int { return m.Run() }))
}

var (
	tor, left, right    = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4")
	tor6, left6, right6 = netip.MustParseAddr("2001:db8:0:1::1"), netip.MustParseAddr("2001:db8:0:1::3"), netip.MustParseAddr("2001:db8:0:1::4")
	shared              = netip.MustParsePrefix("203.0.113.0/28")
	shared6             = netip.MustParsePrefix("2001:db8:0:2::/64")
	uplink              = netip.MustParsePrefix("198.51.100.0/24")
	uplink6             = netip.MustParsePrefix("2001:db8:0:9::/64")
)

const torConfig = `
bfd
 profile fast
  transmit-interval 200
  receive-interval 200
  detect-multiplier 4
!
router bgp 64500
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp bestpath as-path multipath-relax
 neighbor leaves peer-group
 neighbor leaves timers 3 9
 neighbor leaves timers connect 1
 neighbor leaves bfd profile fast
 neighbor 192.0.2.3 remote-as 64501
 neighbor 192.0.2.3 peer-group leaves
 neighbor 192.0.2.4 remote-as 64502
 neighbor 192.0.2.4 peer-group leaves
 neighbor 2001:db8:0:1::3 remote-as 64501
 neighbor 2001:db8:0:1::3 peer-group leaves
 neighbor 2001:db8:0:1::4 remote-as 64502
 neighbor 2001:db8:0:1::4 peer-group leaves
 address-family ipv4 unicast
  network 198.51.100.0/24
  maximum-paths 64
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:0:9::/64
  neighbor leaves activate
  maximum-paths 64
 exit-address-family
`

// leafConfig is BIRD's, for the AS 64501 or 64502 at address .3 or .4. It takes the router's own routes only: whether it would hear those of
// the other leaf too is up to which of them came first.
func leafConfig(number int) string {
	return fmt.Sprintf(`
log stderr all;
router id 192.0.2.%[1]d;
protocol device {}
protocol bfd { interface "eth0" { interval 200 ms; multiplier 5; }; }
protocol static s4 { ipv4;
  route 203.0.113.0/28 blackhole {
    bgp_community.add((65535,0)); bgp_community.add((64496,100)); bgp_large_community.add((64496,1,2)); bgp_ext_community.add((rt,64496,7)); bgp_med = 5;
  };
  route 203.0.113.16/28 blackhole;
}
protocol static s6 { ipv6; route 2001:db8:0:2::/64 blackhole; }
template bgp tor {
  bfd on; graceful restart on; graceful restart time 77;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
}
protocol bgp tor4 from tor { local 192.0.2.%[1]d as %[2]d; neighbor 192.0.2.1 as 64500; ipv4 { import where bgp_path.len = 1; export where source = RTS_STATIC; }; }
protocol bgp tor6 from tor { local 2001:db8:0:1::%[1]d as %[2]d; neighbor 2001:db8:0:1::1 as 64500; ipv6 { import where bgp_path.len = 1; export where source = RTS_STATIC; }; }
`, number, 64498+number)
}

// rig is a router with two others that announce the same prefixes to it.
type rig struct {
	hosts map[string]*network.Host
	tor   *router.FRR
	left  *router.BIRD
	right *router.BIRD
}

func newRig(t *testing.T) *rig {
	t.Helper()
	sw, err := network.NewSwitch(t.Context(), "switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	r := &rig{hosts: map[string]*network.Host{}}
	for name, number := range map[string]int{"tor": 1, "left": 3, "right": 4} {
		host, err := network.NewHost(sw, network.HostOptions{
			Name: name, MAC: net.HardwareAddr{0, 0, 0x5e, 0, 0x53, byte(number)}, Forward: true,
			Addresses: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", number)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:1::%d/64", number)),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(host.Close)
		r.hosts[name] = host
	}
	if r.tor, err = router.StartFRR(t.Context(), r.hosts["tor"], torConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.tor.Kill)
	if r.left, err = router.StartBIRD(t.Context(), r.hosts["left"], leafConfig(3)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.left.Kill)
	if r.right, err = router.StartBIRD(t.Context(), r.hosts["right"], leafConfig(4)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.right.Kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("FRR: %s\nleft: %s\nright: %s", r.tor.Log(), r.left.Log(), r.right.Log())
		}
	})
	return r
}

// until waits for something to become true.
func until(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// must returns what a call returned, or fails the test.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// waitConverged waits until all sessions and all BFD sessions are up, and both leaves' routes are installed.
func (r *rig) waitConverged(t *testing.T) {
	t.Helper()
	until(t, "all sessions are up", func() bool {
		for _, one := range []router.Router{r.tor, r.left, r.right} {
			neighbors := must[map[netip.Addr]router.Neighbor](t)(one.Neighbors(t.Context()))
			bfd := must[map[netip.Addr]router.BFDPeer](t)(one.BFDPeers(t.Context()))
			for addr, n := range neighbors {
				if !n.Up() || !bfd[addr].Up() || one == r.tor && !bfd[addr].Local.IsValid() {
					return false
				}
			}
		}
		return true
	})
	until(t, "the kernel shares the load", func() bool {
		routes := must[map[netip.Prefix]network.Route](t)(r.hosts["tor"].Routes())
		return len(routes[shared].Gateways) == 2 && len(routes[shared6].Gateways) == 2
	})
	until(t, "both leaves have the uplink", func() bool {
		for _, leaf := range []router.Router{r.left, r.right} {
			if len(must[map[netip.Prefix][]router.Route](t)(leaf.Routes(t.Context(), router.IPv4))[uplink]) == 0 ||
				len(must[map[netip.Prefix][]router.Route](t)(leaf.Routes(t.Context(), router.IPv6))[uplink6]) == 0 {
				return false
			}
		}
		return true
	})
}

// TestRoutersAgree holds that two routers of different make, left to themselves, come to the same view, and that this package reads it
// right from both.
func TestRoutersAgree(t *testing.T) {
	r := newRig(t)
	r.waitConverged(t)

	t.Run("neighbours", func(t *testing.T) {
		until(t, "FRR has heard End-of-RIB", func() bool {
			return len(must[map[netip.Addr]router.Neighbor](t)(r.tor.Neighbors(t.Context()))[left].GracefulRestart.EndOfRIB) == 1
		})
		type pair struct{ FRR, BIRD router.Neighbor }
		got := pair{
			must[map[netip.Addr]router.Neighbor](t)(r.tor.Neighbors(t.Context()))[left],
			must[map[netip.Addr]router.Neighbor](t)(r.left.Neighbors(t.Context()))[tor],
		}
		want := pair{
			router.Neighbor{
				Addr: left, LocalAS: 64500, RemoteAS: 64501, RouterID: left, State: "Established",
				HoldTime: 9 * time.Second, KeepaliveTime: 3 * time.Second, Families: []router.Family{router.IPv4},
				FourOctetAS: true, RouteRefresh: true, Accepted: map[router.Family]int{router.IPv4: 2, router.IPv6: 0},
				GracefulRestart: router.GracefulRestart{
					Announced: true, Time: 77 * time.Second, Families: []router.Family{router.IPv4}, EndOfRIB: []router.Family{router.IPv4},
				},
			},
			router.Neighbor{
				Addr: tor, LocalAS: 64501, RemoteAS: 64500, RouterID: tor, State: "Established",
				HoldTime: 9 * time.Second, KeepaliveTime: 3 * time.Second, Families: []router.Family{router.IPv4},
				FourOctetAS: true, RouteRefresh: true, Accepted: map[router.Family]int{router.IPv4: 1},
				GracefulRestart: router.GracefulRestart{Announced: true},
			},
		}
		// How often they tried until BFD was up on both ends is chance, and the name is the machine's.
		chance := cmpopts.IgnoreFields(router.Neighbor{}, "Established", "Dropped", "LastReset", "Message", "Hostname")
		if diff := cmp.Diff(want, got, chance, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("routes", func(t *testing.T) {
		equal := cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
		linkLocal := func(hops []netip.Addr) []netip.Addr { // the second next hop of IPv6 routes is the kernel's choice
			return hops[:min(len(hops), 1)]
		}
		full := router.Route{
			Peer: left, NextHops: []netip.Addr{left}, ASPath: []uint32{64501}, Origin: "IGP", LocalPref: new(uint32(0)), // for 65535:0, RFC 8326
			Communities: []string{"64496:100", "65535:0"}, LargeCommunities: []string{"64496:1:2"}, ExtendedCommunities: []string{"rt:64496:7"}, Best: true,
		}
		fromRight := full
		fromRight.Peer, fromRight.NextHops, fromRight.ASPath = right, []netip.Addr{right}, []uint32{64502}
		got := must[map[netip.Prefix][]router.Route](t)(r.tor.Routes(t.Context(), router.IPv4))
		if diff := cmp.Diff([]router.Route{full, fromRight}, got[shared], equal, cmpopts.IgnoreFields(router.Route{}, "MED")); diff != "" {
			t.Errorf("FRR, IPv4 (-want +got):\n%s", diff)
		}
		if own := got[uplink]; len(own) != 1 || own[0].Peer.IsValid() || !own[0].Best {
			t.Errorf("FRR's own route is %+v", own)
		}
		got = must[map[netip.Prefix][]router.Route](t)(r.tor.Routes(t.Context(), router.IPv6))
		want := []router.Route{
			{Peer: left6, NextHops: []netip.Addr{left6}, ASPath: []uint32{64501}, Origin: "IGP", Best: true},
			{Peer: right6, NextHops: []netip.Addr{right6}, ASPath: []uint32{64502}, Origin: "IGP", Best: true},
		}
		for i := range got[shared6] {
			got[shared6][i].NextHops = linkLocal(got[shared6][i].NextHops)
		}
		if diff := cmp.Diff(want, got[shared6], equal); diff != "" {
			t.Errorf("FRR, IPv6 (-want +got):\n%s", diff)
		}
		for family, prefix := range map[router.Family]netip.Prefix{router.IPv4: uplink, router.IPv6: uplink6} {
			peer := map[router.Family]netip.Addr{router.IPv4: tor, router.IPv6: tor6}[family]
			got = must[map[netip.Prefix][]router.Route](t)(r.left.Routes(t.Context(), family))
			for i := range got[prefix] {
				got[prefix][i].NextHops = linkLocal(got[prefix][i].NextHops)
			}
			want := []router.Route{{
				Peer: peer, NextHops: []netip.Addr{peer}, ASPath: []uint32{64500}, Origin: "IGP", LocalPref: new(uint32(100)), MED: new(uint32(0)), Best: true,
			}}
			if diff := cmp.Diff(want, got[prefix], equal); diff != "" {
				t.Errorf("BIRD, %s (-want +got):\n%s", family, diff)
			}
		}
		got = must[map[netip.Prefix][]router.Route](t)(r.left.Routes(t.Context(), router.IPv4))
		own := got[shared][0]
		if own.Peer.IsValid() || !cmp.Equal(own.Communities, full.Communities) || !cmp.Equal(own.LargeCommunities, full.LargeCommunities) ||
			!cmp.Equal(own.ExtendedCommunities, full.ExtendedCommunities) {
			t.Errorf("BIRD's own route is %+v", own)
		}
	})

	t.Run("BFD", func(t *testing.T) {
		want := router.BFDPeer{
			Addr: left, Local: tor, Interface: "eth0", State: "up", Transmit: 200 * time.Millisecond, Receive: 200 * time.Millisecond, Multiplier: 4,
			RemoteTransmit: 200 * time.Millisecond, RemoteReceive: 200 * time.Millisecond, RemoteMultiplier: 5,
		}
		equal := cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreFields(router.BFDPeer{}, "Diagnostic", "RemoteDiagnostic")}
		if diff := cmp.Diff(want, must[map[netip.Addr]router.BFDPeer](t)(r.tor.BFDPeers(t.Context()))[left], equal); diff != "" {
			t.Errorf("FRR (-want +got):\n%s", diff)
		}
		want = router.BFDPeer{
			Addr: tor, Interface: "eth0", State: "up", Interval: 200 * time.Millisecond, DetectionTime: 800 * time.Millisecond,
		}
		if diff := cmp.Diff(want, must[map[netip.Addr]router.BFDPeer](t)(r.left.BFDPeers(t.Context()))[tor], equal); diff != "" {
			t.Errorf("BIRD (-want +got):\n%s", diff)
		}
	})
}

func TestBIRDRefusesNonsense(t *testing.T) {
	r := newRig(t)
	if err := r.left.Configure(t.Context(), "no such thing;"); err == nil {
		t.Error("nonsense is no error")
	}
	if err := r.left.Configure(t.Context(), leafConfig(3)); err != nil {
		t.Error(err)
	}
	if _, err := r.left.Birdc(t.Context(), "no such thing"); err == nil {
		t.Error("an unknown command is no error")
	}
}
