//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// latePool is announced on interfaces that no node has yet.
const latePool = `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: late, namespace: metallb-system}
spec:
  addresses: [198.51.100.64/28, "2001:db8:0:2::40/124"]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: late, namespace: metallb-system}
spec: {ipAddressPools: [late], interfaces: [eth1, lan1]}
`

// TestInterfaceAddedLater holds that an address is answered on an interface that
// an advertisement names as soon as one node has it, and no more when it is gone
// again; P3.
func TestInterfaceAddedLater(t *testing.T) {
	apply(t, latePool)
	ns := namespace(t)
	applyTo(t, ns, workload(1, "{}", "Cluster"))
	addrs := waitForAddresses(t, ns, "web", 2)
	until(t, "no node announces them", saysOwner(ns, "web", ""))
	node := cluster.Node("node-b")
	for _, test := range []struct {
		name string
		link string // what the advertisement knows it by
		add  func(t *testing.T)
	}{
		{"network card", "eth1", func(t *testing.T) { t.Helper(); secondCard(t, node, "eth1") }},
		{"bridge", "lan1", func(t *testing.T) {
			t.Helper()
			// Addressed and up before it has a carrier, as it is at boot.
			ip(t, node, "link", "add", "lan1", "type", "bridge", "forward_delay", "0")
			ip(t, node, "address", "add", "192.0.2.42/24", "dev", "lan1")
			ip(t, node, "link", "set", "lan1", "up")
			secondCard(t, node, "eth2")
			ip(t, node, "link", "set", "eth2", "master", "lan1")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Cleanup(func() {
				for _, name := range []string{test.link, "eth2"} {
					_, _ = node.Exec(context.Background(), "ip", "link", "del", name) // if it is still there
				}
			})
			waitForSilence(t, addrs) // who had them for another Service may just be letting go
			capture, err := frames.Watch(cluster.Switch())
			if err != nil {
				t.Fatal(err)
			}
			test.add(t)
			added := time.Now()
			for _, addr := range addrs {
				until(t, addr.String()+" is answered", func(context.Context) (bool, error) {
					return len(ask(t, addr)) == 1, nil
				})
			}
			records, err := capture.Stop()
			if err != nil {
				t.Fatal(err)
			}
			for _, addr := range addrs {
				took := frames.ClaimsFor(records, addr)[0].At.Sub(added)
				t.Logf("%s was announced %s after the interface was there", addr, took.Round(time.Millisecond))
				if took > prompt { // nobody is in the way: it is asked about first, for 0.3 s
					t.Errorf("%s was announced %s after the interface was there, want at once", addr, took)
				}
			}
			ip(t, node, "link", "del", test.link)
			waitForSilence(t, addrs)
		})
	}
}

// waitForSilence waits until nobody answers for the addresses.
func waitForSilence(t *testing.T, addrs []netip.Addr) {
	t.Helper()
	for _, addr := range addrs {
		until(t, addr.String()+" is not answered", func(context.Context) (bool, error) {
			return len(ask(t, addr)) == 0, nil
		})
	}
}

// secondCard joins a node to the switch once more.
func secondCard(t *testing.T, node *lab.Node, name string) {
	t.Helper()
	if err := node.Host().Connect(cluster.Switch(), name, []netip.Prefix{netip.MustParsePrefix("192.0.2.42/24")}); err != nil {
		t.Fatal(err)
	}
}

// ip runs ip(8) on a node.
func ip(t *testing.T, node *lab.Node, args ...string) {
	t.Helper()
	if _, err := node.Exec(t.Context(), "ip", args...); err != nil {
		t.Fatal(err)
	}
}
