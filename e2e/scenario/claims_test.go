//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// claimPool is a pool of four addresses for one namespace.
const claimPool = `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: claims
  namespace: metallb-system
spec:
  addresses:
    - 198.51.100.64/30
  serviceAllocation:
    namespaces: [%s]
`

// sharedService is a Service that shares its address.
const sharedService = `---
apiVersion: v1
kind: Service
metadata:
  name: %s
  annotations:
    metallb.io/allow-shared-ip: together
    metallb.io/loadBalancerIPs: 198.51.100.67
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  ports:
    - port: %d
`

// waitForClaim waits until the claim of an address says something, or is gone.
func waitForClaim(t *testing.T, addr, what string, good func(claim string) bool) {
	t.Helper()
	until(t, "the claim of "+addr+" "+what, func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "get", "ipaddress", addr, "--ignore-not-found", "-o",
			`jsonpath={.metadata.labels.ipaddress\.kubernetes\.io/managed-by} {.spec.parentRef.namespace}/{.spec.parentRef.name} {.metadata.annotations}`)
		return good(out), err
	})
}

// TestClaims defends P1 and P2: every address in use is claimed by the Service
// that has it, one that leaves is kept for whoever comes back under its name,
// and given up when it is needed.
func TestClaims(t *testing.T) {
	ns := namespace(t)
	apply(t, fmt.Sprintf(claimPool, ns))
	for _, name := range []string{"one", "two"} {
		applyTo(t, ns, fmt.Sprintf(bareService, name))
		waitForAddresses(t, ns, name, 1)
	}
	addr := assigned(t, ns)["two"]
	waitForClaim(t, addr, "names two", func(claim string) bool {
		return strings.HasPrefix(claim, "clarion "+ns+"/two ")
	})
	if got := kubectl(t, "-n", ns, "get", "service", "two", "-o",
		`jsonpath={.status.conditions[?(@.type=="metallb.io/RequestSatisfied")].status}`); got != "True" {
		t.Errorf("the condition RequestSatisfied is %q, want True", got)
	}

	// Deleted, its address is kept; recreated, it gets it back, though a lower
	// one has become free.
	kubectl(t, "-n", ns, "delete", "service", "one", "two")
	waitForClaim(t, addr, "is kept", func(claim string) bool { return strings.Contains(claim, "metallb.io/released") })
	applyTo(t, ns, fmt.Sprintf(bareService, "two"))
	waitForAddresses(t, ns, "two", 1)
	if got := assigned(t, ns)["two"]; got != addr {
		t.Errorf("two comes back and holds %s, want %s as before", got, addr)
	}

	// Two share one address: one claim, and it stays when its maker leaves.
	for i, name := range []string{"left", "right"} {
		applyTo(t, ns, fmt.Sprintf(sharedService, name, 80+i))
		waitForAddresses(t, ns, name, 1)
	}
	const shared = "198.51.100.67"
	waitForClaim(t, shared, "names both", func(claim string) bool {
		return strings.Contains(claim, ns+"/left") && strings.Contains(claim, ns+"/right")
	})
	kubectl(t, "-n", ns, "delete", "service", "left")
	waitForClaim(t, shared, "names the other alone", func(claim string) bool {
		return strings.Count(claim, ns+"/left") == 1 /* as its parent */ && strings.Contains(claim, ns+"/right")
	})
	// Asked for by name, it is not kept.
	kubectl(t, "-n", ns, "delete", "service", "right")
	waitForClaim(t, shared, "is gone", func(claim string) bool { return claim == "" })

	// What is kept for nobody who comes back is given up when it is needed.
	for _, name := range []string{"a", "b", "c"} {
		applyTo(t, ns, fmt.Sprintf(bareService, name))
		waitForAddresses(t, ns, name, 1)
	}

	// An address of another owner is nobody's to give.
	applyTo(t, ns, fmt.Sprintf(bareService, "late"))
	waitForEvent(t, ns+"/late", "AllocationFailed", "claims")
	until(t, "the condition of late says why", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "-n", ns, "get", "service", "late", "-o",
			`jsonpath={.status.conditions[?(@.type=="metallb.io/RequestSatisfied")].status}`)
		return out == "False", err
	})
	until(t, "the pool is low on addresses", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "-n", "metallb-system", "get", "ipaddresspool", "claims", "-o",
			`jsonpath={.status.conditions[?(@.type=="LowOnAddresses")].status}`)
		return out == "True", err
	})
}

// TestForeignClaim defends P1: an address that another owner has claimed is
// passed over.
func TestForeignClaim(t *testing.T) {
	ns := namespace(t)
	apply(t, `---
apiVersion: networking.k8s.io/v1
kind: IPAddress
metadata:
  name: 198.51.100.64
  labels:
    ipaddress.kubernetes.io/managed-by: someone-else
spec:
  parentRef:
    resource: services
    namespace: default
    name: kubernetes
`)
	apply(t, fmt.Sprintf(claimPool, ns))
	applyTo(t, ns, fmt.Sprintf(bareService, "next"))
	waitForAddresses(t, ns, "next", 1)
	if got := assigned(t, ns)["next"]; got != "198.51.100.65" {
		t.Errorf("next holds %s, want 198.51.100.65", got)
	}
}
