//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/controlplane"
)

// manyServices makes 200 Services that are answered, on one pool of both
// families, and returns the namespace.
func manyServices(t *testing.T) string {
	t.Helper()
	apply(t, strings.ReplaceAll(strings.ReplaceAll(dualPool, "198.51.100.64/28", "10.10.50.0/24"), "::40/124", "::1000/116"))
	ns := namespace(t)
	applyTo(t, ns, workload(2, "{}", "Cluster"))
	var manifests strings.Builder
	for i := range 199 {
		fmt.Fprintf(&manifests, `---
apiVersion: v1
kind: Service
metadata: {name: svc-%03d}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`, i)
	}
	createIn(t, ns, manifests.String())
	until(t, "all Services hold addresses", func(context.Context) (bool, error) {
		all := assigned(t, ns) //nolint:contextcheck // it ends with the test
		for _, addr := range all {
			if addr == "" {
				return false, nil
			}
		}
		return len(all) == 200, nil
	})
	return ns
}

// ourWrites returns what the product has asked the API server to change since
// then, apart from the Lease by which the controller proves that it is alive.
func ourWrites(t *testing.T, since time.Time) []controlplane.Request {
	t.Helper()
	all, err := cluster.APIServer().Writes(since)
	if err != nil {
		t.Fatal(err)
	}
	var ours []controlplane.Request
	for _, w := range all {
		if !strings.HasPrefix(w.User, "system:serviceaccount:metallb-system:") || w.Resource == "leases" {
			continue
		}
		// Questions that happen to be asked by creating something.
		if w.Resource == "tokenreviews" || w.Resource == "subjectaccessreviews" {
			continue
		}
		ours = append(ours, w)
	}
	return ours
}

// TestRestartChangesNothing holds that when every process of the product is
// killed and comes back, no address moves and nothing is written: P2, P10.
func TestRestartChangesNothing(t *testing.T) {
	ns := manyServices(t)
	before := assigned(t, ns)
	quiet(t)
	led, err := holder(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	since := time.Now()
	for _, node := range cluster.Nodes() {
		_ = node.Signal("component=controller", syscall.SIGKILL) // on one node only
		if err := node.Signal("component=speaker", syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	waitForProduct(t)
	until(t, "another controller leads", func(ctx context.Context) (bool, error) {
		leads, err := holder(ctx)
		return leads != "" && leads != led, err
	})
	time.Sleep(5 * time.Second) // longer than anything waits before it writes
	if after := assigned(t, ns); !maps.Equal(before, after) {
		t.Errorf("addresses changed:\nbefore %v\nafter  %v", before, after)
	}
	// The client libraries tell of a new leader in an Event; that is news.
	for _, w := range ourWrites(t, since) {
		if w.Resource == "events" && strings.HasPrefix(w.Name, "metallb-controller.") {
			continue
		}
		t.Errorf("a write that changes nothing: %s %s %s/%s by %s: %d", w.Verb, w.Resource, w.Namespace, w.Name, w.User, w.Code)
	}
}

// TestAPIServerAway holds that without the API server addresses stay answered
// and a dead owner is replaced: P5.
func TestAPIServerAway(t *testing.T) {
	_, addrs := dualWeb(t, 3)
	owner := waitForOwner(t, addrs[0], anyNode)

	// A crash. One that ends in order withdraws the endpoint of the Service
	// kubernetes, and until kube-proxy hears, up to a minute after its return,
	// that it has one again no Pod reaches it.
	began := time.Now()
	cluster.APIServer().Kill()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(speakersSaid(began))
		}
	})
	t.Cleanup(func() {
		if err := cluster.APIServer().Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Node(owner).Boot(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := cluster.WaitReady(context.Background()); err != nil {
			t.Fatal(err)
		}
		waitForProduct(t)
	})
	away := shorter(10*time.Second, 2*time.Minute)
	for end := time.Now().Add(away); time.Now().Before(end); time.Sleep(time.Second) {
		for _, addr := range addrs {
			if got := resolve(t, addr); got != owner {
				t.Fatalf("%s is answered by %q, want still by %s", addr, got, owner)
			}
		}
	}
	if err := cluster.Node(owner).Kill(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForOwner(t, addr, func(node string) bool { return node != "" && node != owner })
	}
}

// TestCableCut holds that another node takes over when the owner's cable is
// pulled, and that the addresses have one owner again when it is back: P3.
func TestCableCut(t *testing.T) {
	_, addrs := dualWeb(t, 3)
	owner := waitForOwner(t, addrs[0], anyNode)
	if err := cluster.Node(owner).CutCable(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForOwner(t, addr, func(node string) bool { return node != "" && node != owner })
	}
	if err := cluster.Node(owner).PlugCable(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForOwner(t, addr, func(node string) bool { return node == owner })
		until(t, fmt.Sprintf("%s has one answerer again", addr), func(context.Context) (bool, error) {
			return len(ask(t, addr)) == 1, nil
		})
		waitForAnswer(t, addr, 80)
	}
}
