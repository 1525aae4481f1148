//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// guide is where the manifests of the guide on multiple pools are, verbatim.
const guide = "../../examples/multiple-pools"

// guidePools makes the guide's four pools and the advertisement of them.
func guidePools(t *testing.T) {
	t.Helper()
	for _, name := range []string{"pool-public", "pool-internal", "pool-premium", "pool-dev", "l2advertisement"} {
		file := filepath.Join(guide, name+".yaml")
		kubectl(t, "apply", "-f", file)
		t.Cleanup(func() {
			if _, err := cluster.Kubectl(context.Background(), "delete", "--ignore-not-found", "-f", file); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGuide follows the guide from its first command to its last.
func TestGuide(t *testing.T) {
	guidePools(t)
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.Background(), "delete", "--ignore-not-found", "-f", guide); err != nil {
			t.Error(err)
		}
	})
	kubectl(t, "apply", "-f", guide)

	premium := netip.MustParsePrefix("198.51.100.8/29")
	trading := waitForAddresses(t, "default", "trading-api", 1)[0]
	if !premium.Contains(trading) || trading.Less(netip.MustParseAddr("198.51.100.10")) {
		t.Errorf("trading-api holds %s, want one of 198.51.100.10 to .15", trading)
	}
	waitForAnswer(t, trading, 443)
	for _, name := range []string{"dev-app", "web-frontend", "admin-dashboard"} {
		addr := waitForAddresses(t, "default", name, 1)[0]
		if !netip.MustParsePrefix("192.168.200.0/24").Contains(addr) {
			t.Errorf("%s names no pool and holds %s, want one of dev-ips, the first in the alphabet", name, addr)
		}
		waitForAnswer(t, addr, 80)
	}

	// The guide's own commands. It pipes two of them into grep.
	list := kubectl(t, "get", "svc", "-A", "-o", "wide")
	if !containsLine(list, "trading-api", "LoadBalancer", trading.String()) {
		t.Errorf("kubectl get svc -A -o wide does not show trading-api with its address:\n%s", list)
	}
	description := kubectl(t, "describe", "svc", "trading-api")
	for _, want := range []string{
		"metallb.io/ip-allocated-from-pool: premium-ips", "LoadBalancer Ingress:     " + trading.String(), "IPAllocated",
	} {
		if !strings.Contains(description, want) {
			t.Errorf("kubectl describe svc trading-api does not say %q:\n%s", want, description)
		}
	}
	logs := kubectl(t, "logs", "-n", "metallb-system", "-l", "app=metallb,component=controller", "--tail=-1")
	if !containsLine(logs, "assigned", "default/trading-api", trading.String(), "premium-ips") {
		t.Errorf("the controller's log has no assigned line for trading-api:\n%s", logs)
	}
	pools := kubectl(t, "get", "ipaddresspool", "-n", "metallb-system")
	for _, pool := range []string{"public-ips", "internal-ips", "premium-ips", "dev-ips"} {
		if !containsLine(pools, pool) {
			t.Errorf("kubectl get ipaddresspool does not show %s:\n%s", pool, pools)
		}
	}
	until(t, "the premium pool shows 1 address assigned and 5 available", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "get", "ipaddresspool", "premium-ips", "-n", "metallb-system",
			"-o", "jsonpath={.status.assignedIPv4} {.status.availableIPv4}")
		return out == "1 5", err
	})

	// Cleaning up as the guide does it. The Service that held an address of the
	// pool loses it, and is told.
	kubectl(t, "delete", "ipaddresspool", "premium-ips", "-n", "metallb-system")
	if out := kubectl(t, "get", "ipaddresspool", "-n", "metallb-system"); containsLine(out, "premium-ips") {
		t.Errorf("premium-ips is still there:\n%s", out)
	}
	waitForAddresses(t, "default", "trading-api", 0)
	waitForEvent(t, "default/trading-api", "ClearAssignment", trading.String())
}

// TestAlphabeticalOrderUntilFull fills the guide's pools: P1, and the guide's
// precedence.
func TestAlphabeticalOrderUntilFull(t *testing.T) {
	guidePools(t)
	ns := namespace(t)
	// dev-ips and internal-ips have 256 addresses each, public-ips 16.
	const fit, more = 256 + 256 + 16, 3
	var manifests strings.Builder
	for i := range fit {
		fmt.Fprintf(&manifests, bareService, fmt.Sprintf("svc-%03d", i))
	}
	createIn(t, ns, manifests.String())
	count := map[netip.Prefix]int{}
	prefixes := []netip.Prefix{
		netip.MustParsePrefix("192.168.200.0/24"), netip.MustParsePrefix("10.10.50.0/24"), netip.MustParsePrefix("203.0.113.0/28"),
	}
	until(t, "every Service that fits holds an address", func(ctx context.Context) (bool, error) {
		clear(count)
		holders := map[string]string{}
		for name, addr := range assigned(t, ns) { //nolint:contextcheck // it ends with the test
			if addr == "" {
				return false, nil
			}
			if other, ok := holders[addr]; ok {
				return false, fmt.Errorf("%s is held by %s and %s", addr, name, other)
			}
			holders[addr] = name
			for _, p := range prefixes {
				if p.Contains(netip.MustParseAddr(addr)) {
					count[p]++
				}
			}
		}
		return true, nil
	})
	for i, want := range []int{256, 256, 16} {
		if got := count[prefixes[i]]; got != want {
			t.Errorf("%d Services hold addresses of %s, want %d", got, prefixes[i], want)
		}
	}

	for i := range more {
		name := fmt.Sprintf("late-%d", i)
		applyTo(t, ns, fmt.Sprintf(bareService, name))
		// Never the premium pool, which has autoAssign off: it stays pending.
		waitForEvent(t, ns+"/"+name, "AllocationFailed", "dev-ips")
		if got := assigned(t, ns)[name]; got != "" {
			t.Errorf("%s holds %s, want none", name, got)
		}
	}
	// One that leaves makes room for one that waits.
	freed := assigned(t, ns)["svc-007"]
	kubectl(t, "-n", ns, "delete", "service", "svc-007")
	until(t, "the address of svc-007 is given to one that waited", func(context.Context) (bool, error) {
		for name, addr := range assigned(t, ns) { //nolint:contextcheck // it ends with the test
			if addr == freed && strings.HasPrefix(name, "late-") {
				return true, nil
			}
		}
		return false, nil
	})
}

// bareService is a Service without Pods and node ports, for filling pools.
const bareService = `---
apiVersion: v1
kind: Service
metadata:
  name: %s
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  ports:
    - port: 80
`

// waitForEvent waits until an Event on a Service, given as namespace/name, has
// the reason and says text.
func waitForEvent(t *testing.T, service, reason, text string) {
	t.Helper()
	ns, name, _ := strings.Cut(service, "/")
	until(t, fmt.Sprintf("%s has an Event %s with %q", service, reason, text), func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "-n", ns, "get", "events", "--field-selector",
			"involvedObject.kind=Service,involvedObject.name="+name+",reason="+reason, "-o", "custom-columns=M:.message", "--no-headers")
		return strings.Contains(out, text), err
	})
}

// containsLine reports whether one line of the text contains all the words.
func containsLine(text string, words ...string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}
