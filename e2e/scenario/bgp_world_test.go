package scenario_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"
)

// The autonomous systems of the top-of-rack router and of the nodes.
const (
	torAS  = 64500
	nodeAS = 64512
)

// torConfig makes the lab's router expect a BGP session from each node, with
// BFD, and share the load among all that announce the same. It tells nodes
// nothing, as a router should: what it says they forget, and FRR forgets graceful
// restart if it was just saying something when a node's process died.
const torConfig = `
route-map silence deny 10
!
bfd
 profile rack
  transmit-interval 100
  receive-interval 100
  detect-multiplier 5
!
router bgp 64500
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 neighbor nodes peer-group
 neighbor nodes remote-as 64512
 neighbor nodes timers connect 1
%s
 address-family ipv4 unicast
  neighbor nodes activate
  neighbor nodes route-map silence out
  maximum-paths 64
 exit-address-family
 address-family ipv6 unicast
  neighbor nodes activate
  neighbor nodes route-map silence out
  maximum-paths 64
 exit-address-family
`

// routedPool gives out addresses that no host looks for on the segment: the
// router alone knows where they are.
const routedPool = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: routed, namespace: metallb-system}
spec:
  addresses: [203.0.113.64/28, "2001:db8:0:4::40/124"]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: routed, namespace: metallb-system}
spec: {ipAddressPools: [routed]}
`

// torPeer is the router as nodes know it, with more lines for its spec.
func torPeer(spec string) string {
	return `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor, namespace: metallb-system}
spec:
  myASN: 64512
  peerASN: 64500
  peerAddress: 192.0.2.1
  dualStackAddressFamily: true
` + spec
}

// routedPrefixes contain every address of routedPool.
func routedPrefixes() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("203.0.113.64/28"), netip.MustParsePrefix("2001:db8:0:4::40/124")}
}

// tor starts FRR on the lab's router, with more lines for all nodes as
// neighbours, and waits for nothing.
func tor(t *testing.T, lines ...string) *router.FRR {
	t.Helper()
	defer waited(t, "FRR runs", time.Now())
	var neighbors strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&neighbors, " neighbor nodes %s\n", line)
	}
	for _, node := range cluster.Nodes() {
		fmt.Fprintf(&neighbors, " neighbor %s peer-group nodes\n", address(node))
	}
	// Connections are spread, not only clients.
	for _, key := range []string{"net.ipv4.fib_multipath_hash_policy", "net.ipv6.fib_multipath_hash_policy"} {
		if err := cluster.Router().Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	frr, err := router.StartFRR(t.Context(), cluster.Router(), fmt.Sprintf(torConfig, strings.TrimSuffix(neighbors.String(), "\n")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := frr.Vtysh(context.Background(), "show bgp summary", "show bgp ipv4 unicast", "show bgp ipv6 unicast", "show bfd peers brief")
			t.Logf("the router says:\n%s", out)
			out, _ = cluster.Kubectl(context.Background(), "-n", "metallb-system", "logs", "-l", "component=speaker", "--tail=40", "--prefix")
			t.Logf("the speakers say:\n%s", out)
		}
		frr.Stop(context.Background())
	})
	return frr
}

// address returns a node's IPv4 address, whether it lives or not.
func address(node *lab.Node) netip.Addr {
	i := slices.Index(cluster.Nodes(), node)
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + i)})
}

// nextHops returns the nodes that the router's kernel sends packets for an
// address to, sorted.
func nextHops(addr netip.Addr) ([]string, error) {
	routes, err := cluster.Router().Routes()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, gateway := range routes[netip.PrefixFrom(addr, addr.BitLen())].Gateways {
		names = append(names, nodeAt(gateway))
	}
	slices.Sort(names)
	return names, nil
}

// nodeAt returns the node that a next hop is, in either family: their numbers
// read the same, and link-local addresses are made from the same in the MAC.
func nodeAt(gateway netip.Addr) string {
	neighbours, _ := cluster.Router().Neighbours()
	for _, node := range cluster.Nodes() {
		host := node.Host()
		if gateway == address(node) || host != nil && gateway == host.Address(true) {
			return node.Name()
		}
		for _, n := range neighbours {
			if host != nil && n.Addr == gateway && slices.Equal(n.MAC, host.MAC()) {
				return node.Name()
			}
		}
	}
	return gateway.String()
}

// waitForNextHops waits until the router forwards packets for an address to
// exactly these nodes.
func waitForNextHops(t *testing.T, addr netip.Addr, want ...string) {
	t.Helper()
	defer waited(t, fmt.Sprintf("%s has next hops %v", addr, want), time.Now())
	var got []string
	err := cluster.Until(t.Context(), "the router has its next hops", func(context.Context) (_ bool, err error) {
		got, err = nextHops(addr)
		return slices.Equal(got, want), err
	})
	if err != nil {
		t.Fatalf("%v: it forwards %s to %v, want %v", err, addr, got, want)
	}
}

// all are the names of all nodes.
func all() []string {
	var names []string
	for _, node := range cluster.Nodes() {
		names = append(names, node.Name())
	}
	return names
}

// but returns all nodes without one.
func but(name string) []string {
	return slices.DeleteFunc(all(), func(n string) bool { return n == name })
}

// waitForSessions waits until the router has a session with each node.
func waitForSessions(t *testing.T, frr *router.FRR) {
	t.Helper()
	until(t, "the router has a session with each node", func(ctx context.Context) (bool, error) {
		neighbors, err := frr.Neighbors(ctx)
		for _, n := range neighbors {
			if !n.Up() {
				return false, err
			}
		}
		return err == nil && len(neighbors) == len(cluster.Nodes()), err
	})
}

// routed makes a workload behind the router and returns its addresses once all
// given nodes are next hops for them and it answers.
func routed(t *testing.T, manifest string, via ...string) (ns string, addrs []netip.Addr) {
	t.Helper()
	apply(t, routedPool)
	ns = namespace(t)
	applyTo(t, ns, manifest)
	addrs = waitForAddresses(t, ns, "web", 2)
	for _, addr := range addrs {
		waitForNextHops(t, addr, via...)
		reachable(t, addr)
	}
	return ns, addrs
}

// reachable waits until an address answers HTTP to the host behind the router,
// so often in a row that every node has had its share: each kube-proxy learns of
// endpoints in its own time.
func reachable(t *testing.T, addr netip.Addr) {
	t.Helper()
	ask := lab.Fetch(cluster.Remote().HTTPClient(time.Second), "http://"+netip.AddrPortFrom(addr, 80).String())
	until(t, fmt.Sprintf("%s answers behind the router", addr), func(ctx context.Context) (bool, error) {
		for range 30 {
			if ask(ctx) != nil {
				return false, nil //nolint:nilerr // tried again
			}
		}
		return true, nil
	})
}

// watchRouter remembers what the router's kernel forgets of routedPool. If the
// test fails, it shows everything that changed.
func watchRouter(t *testing.T) (forgotten func() []string) {
	t.Helper()
	watch, err := cluster.Router().WatchRoutes()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		watch.Stop()
		if events, _ := watch.Events(); t.Failed() {
			t.Logf("the router's kernel:\n%s", strings.Join(words(events), "\n"))
		}
	})
	return func() []string {
		events, err := watch.Removals(routedPrefixes()...)
		if err != nil {
			t.Fatal(err)
		}
		return words(events)
	}
}

func words(events []network.RouteEvent) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.String())
	}
	return out
}

// load keeps connecting to an address from behind the router, and reports how
// each connect failed that did when it is stopped.
//
// While kube-proxy changes its rules, whatever the Service, now and then the
// kernel misses one for a packet (nftables mode, Linux 6.18). The node then sends
// that packet back to the router, round and round until its TTL is used up. Nodes
// are made to drop it instead, as it is good practice anyway: the client tries
// again.
func load(t *testing.T, addr netip.Addr) (failed func() []string) {
	t.Helper()
	for _, node := range cluster.Nodes() {
		for _, prefix := range routedPrefixes() {
			if _, err := node.Exec(t.Context(), "ip", "route", "replace", "blackhole", prefix.String()); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = node.Exec(context.Background(), "ip", "route", "del", "blackhole", prefix.String()) })
		}
	}
	target := netip.AddrPortFrom(addr, 80).String()
	var mu sync.Mutex
	var failures []string
	probe := lab.StartProbe(t.Context(), shorter(10*time.Millisecond, time.Millisecond), 5*time.Second, func(ctx context.Context) error {
		began := time.Now()
		conn, err := cluster.Remote().DialContext(ctx, "tcp", target)
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, fmt.Sprintf("%s, after %s: %v", began.Format("15:04:05.000"), time.Since(began).Round(time.Millisecond), err))
			return err
		}
		return conn.Close()
	})
	return func() []string {
		t.Logf("%d connects to %s", len(probe.Stop()), addr)
		return failures
	}
}
