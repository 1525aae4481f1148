//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clarion-lb/clarion/e2e/router"
)

// TestRoutedThroughAllNodes holds that a router spreads the traffic for an
// address over all nodes, in both families over one session each, that the
// status names them, and that the routes go with the Service.
func TestRoutedThroughAllNodes(t *testing.T) {
	frr := tor(t)
	apply(t, torPeer(""))
	waitForSessions(t, frr)
	ns, addrs := routed(t, workload(3, "{}", "Cluster"), all()...)
	for _, node := range all() {
		until(t, "the ServiceBGPStatus names the peer", func(ctx context.Context) (bool, error) {
			out, err := cluster.Kubectl(ctx, "-n", "metallb-system", "get", "servicebgpstatus",
				"-l", "metallb.io/service-namespace="+ns+",metallb.io/service-name=web,metallb.io/node="+node, "-o", "jsonpath={.items[*].status.peers[*]}")
			return out == "tor", err
		})
	}
	kubectl(t, "-n", ns, "patch", "service", "web", "--type=merge", "-p", `{"spec":{"type":"ClusterIP"}}`)
	for _, addr := range addrs {
		waitForNextHops(t, addr)
	}
	waitForSessions(t, frr)
}

// TestRoutedToEndpoints holds that with externalTrafficPolicy Local the router
// knows of nodes with a serving endpoint only: P4.
func TestRoutedToEndpoints(t *testing.T) {
	tor(t)
	apply(t, torPeer(""))
	ns, addrs := routed(t, workload(1, "{kubernetes.io/hostname: node-b}", "Local"), "node-b")
	applyTo(t, ns, workload(1, "{kubernetes.io/hostname: node-c}", "Local"))
	for _, addr := range addrs {
		waitForNextHops(t, addr, "node-c")
		reachable(t, addr)
	}
	kubectl(t, "-n", ns, "scale", "deployment", "web", "--replicas=0")
	for _, addr := range addrs {
		waitForNextHops(t, addr)
	}
	kubectl(t, "-n", ns, "scale", "deployment", "web", "--replicas=1")
	for _, addr := range addrs {
		waitForNextHops(t, addr, "node-c")
	}
}

// TestAdvertisements holds that what a user writes in BGPAdvertisements,
// Communities and BGPPeers is what the router hears: aggregation, communities by
// name, selectors of nodes.
func TestAdvertisements(t *testing.T) {
	frr := tor(t)
	apply(t, torPeer(""))
	apply(t, `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: routed, namespace: metallb-system}
spec:
  addresses: [203.0.113.64/28, "2001:db8:0:4::40/124"]
---
apiVersion: metallb.io/v1beta1
kind: Community
metadata: {name: ours, namespace: metallb-system}
spec:
  communities:
    - {name: datacenter-only, value: "64496:100"}
    - {name: from-kubernetes, value: "large:4200000000:1:7"}
    - {name: vpn-red, value: "extended:rt:64496:100"}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: each, namespace: metallb-system}
spec:
  ipAddressPools: [routed]
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]
  communities: [datacenter-only, from-kubernetes, vpn-red]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: whole, namespace: metallb-system}
spec:
  ipAddressPools: [routed]
  nodeSelectors: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-a, node-b]}]}]
  aggregationLength: 28
  aggregationLengthV6: 124
  communities: [no-export]
`)
	ns := namespace(t)
	applyTo(t, ns, workload(1, "{}", "Cluster"))
	addrs := waitForAddresses(t, ns, "web", 2)
	a, b := netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("192.0.2.12")
	for i, family := range []router.Family{router.IPv4, router.IPv6} {
		each := router.Route{
			Peer: a, ASPath: []uint32{nodeAS}, Origin: "IGP", Best: true,
			Communities: []string{"64496:100"}, LargeCommunities: []string{"4200000000:1:7"}, ExtendedCommunities: []string{"rt:64496:100"},
		}
		whole := router.Route{Peer: a, ASPath: []uint32{nodeAS}, Origin: "IGP", Best: true, Communities: []string{"65535:65281"}}
		wholeB := whole
		wholeB.Peer = b
		want := map[netip.Prefix][]router.Route{
			netip.PrefixFrom(addrs[i], addrs[i].BitLen()): {each},
			routedPrefixes()[i]:                           {whole, wholeB},
		}
		var diff string
		err := cluster.Until(t.Context(), "the router has heard it", func(ctx context.Context) (bool, error) {
			got, err := frr.Routes(ctx, family)
			diff = cmp.Diff(want, got, cmpopts.IgnoreFields(router.Route{}, "NextHops", "MED"), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty())
			return diff == "", err
		})
		if err != nil {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	}
}

// TestPasswordIsRotated holds that a new password in the Secret is used without
// anybody restarting anything, and that while the passwords differ the reason is
// to be read where users look.
func TestPasswordIsRotated(t *testing.T) {
	frr := tor(t, "password first")
	secret := func(password string) string {
		return `
apiVersion: v1
kind: Secret
metadata: {name: tor-password, namespace: metallb-system}
type: kubernetes.io/basic-auth
stringData: {password: ` + password + `}
`
	}
	apply(t, secret("first"))
	apply(t, torPeer("  passwordSecret: {name: tor-password}\n"))
	waitForSessions(t, frr)
	if err := feed(t.Context(), secret("second"), "apply"); err != nil {
		t.Fatal(err)
	}
	until(t, "an Event on the BGPPeer says so", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "get", "events", "-A", "--field-selector=involvedObject.kind=BGPPeer,involvedObject.name=tor", "-o", "jsonpath={.items[*].message}")
		return cmp.Equal(out, "") == false && containsAll(out, "password"), err
	})
	if err := frr.Configure(t.Context(), "router bgp 64500\n neighbor nodes password second\n"); err != nil {
		t.Fatal(err)
	}
	waitForSessions(t, frr)
}
