//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

// TestModeProxy holds that the annotation ip-mode reaches those whom it
// concerns: a node sends what its own Pods want of the address out to the load
// balancer, instead of straight to a Pod.
func TestModeProxy(t *testing.T) {
	ns, addrs := dualWeb(t, 1)
	mode := func(want string) {
		t.Helper()
		until(t, "the status says "+want, func(ctx context.Context) (bool, error) {
			out, err := cluster.Kubectl(ctx, "-n", ns, "get", "service", "web", "-o", "jsonpath={.status.loadBalancer.ingress[*].ipMode}")
			return out == want+" "+want, err
		})
	}
	routed := func(addr netip.Addr, want bool) {
		t.Helper()
		until(t, "kube-proxy does as "+addr.String()+" says", func(ctx context.Context) (bool, error) {
			rules, err := cluster.Nodes()[0].Exec(ctx, "nft", "list", "map", family(addr), "kube-proxy", "service-ips")
			return strings.Contains(rules, addr.String()+" ") == want, err
		})
	}
	mode("VIP")
	for _, addr := range addrs {
		routed(addr, true)
	}
	kubectl(t, "-n", ns, "annotate", "service", "web", "metallb.io/ip-mode=Proxy")
	mode("Proxy")
	for _, addr := range addrs {
		routed(addr, false)
	}
	kubectl(t, "-n", ns, "annotate", "service", "web", "metallb.io/ip-mode-")
	mode("VIP")
	for _, addr := range addrs {
		routed(addr, true)
	}
	if after := waitForAddresses(t, ns, "web", 2); after[0] != addrs[0] || after[1] != addrs[1] {
		t.Errorf("web holds %v, want %v as before", after, addrs)
	}
}

// family is what nftables calls the family of an address.
func family(addr netip.Addr) string {
	if addr.Is4() {
		return "ip"
	}
	return "ip6"
}
