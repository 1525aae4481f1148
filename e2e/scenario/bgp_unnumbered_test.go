//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"
)

// TestUnnumbered holds that a BGPPeer may name an interface instead of an
// address: over a cable without any addresses but link-local ones, node and
// router find each other, and the router forwards both families through it.
func TestUnnumbered(t *testing.T) {
	frr := tor(t)
	cable(t, "node-a", "eth1", "eth2")
	if err := frr.Configure(t.Context(), `
router bgp 64500
 neighbor eth2 interface remote-as 64512
 neighbor eth2 timers connect 1
 address-family ipv4 unicast
  neighbor eth2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor eth2 activate
 exit-address-family
`); err != nil {
		t.Fatal(err)
	}
	apply(t, `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: cable, namespace: metallb-system}
spec:
  myASN: 64512
  peerASN: 64500
  interface: eth1
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]
`)
	apply(t, routedPool)
	ns := namespace(t)
	applyTo(t, ns, workload(1, "{}", "Cluster"))
	addrs := waitForAddresses(t, ns, "web", 2)
	for i, family := range []router.Family{router.IPv4, router.IPv6} {
		prefix := netip.PrefixFrom(addrs[i], addrs[i].BitLen())
		until(t, "the router has heard "+prefix.String()+" over the cable", func(ctx context.Context) (bool, error) {
			routes, err := frr.Routes(ctx, family)
			return len(routes[prefix]) == 1 && routes[prefix][0].Peer.IsLinkLocalUnicast(), err
		})
		until(t, "its kernel forwards to the link-local next hop", func(context.Context) (bool, error) {
			routes, err := cluster.Router().Routes()
			hops := routes[prefix].Gateways
			return len(hops) == 1 && hops[0].IsLinkLocalUnicast(), err
		})
		reachable(t, addrs[i])
	}
}

// cable joins a node directly to the router, by interfaces of these names that
// have no addresses.
func cable(t *testing.T, node, atNode, atRouter string) {
	t.Helper()
	sw, err := network.NewSwitch(t.Context(), "cable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	for name, host := range map[string]*network.Host{atNode: cluster.Node(node).Host(), atRouter: cluster.Router()} {
		if err := host.Connect(sw, name, nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = host.Exec(context.Background(), "ip", "link", "del", name) })
	}
}
