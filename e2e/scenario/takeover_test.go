//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// holder returns the process that holds the Lease of the controller; empty if
// none does.
func holder(ctx context.Context) (string, error) {
	lease, err := cluster.Clientset().CoordinationV1().Leases("metallb-system").Get(ctx, "metallb-controller", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", err
	}
	return *lease.Spec.HolderIdentity, nil
}

// leader returns the Pod of that process.
func leader(ctx context.Context) (string, error) {
	identity, err := holder(ctx)
	pod, _, _ := strings.Cut(identity, "_")
	return pod, err
}

// signalled sends a signal to the controller in a Pod, and reports whether
// there is one.
func signalled(pod string, signal syscall.Signal) bool {
	for _, node := range cluster.Nodes() {
		processes, err := node.Processes("component=controller")
		if err != nil {
			continue // the node is dead
		}
		for _, p := range processes {
			if p.Pod.Name == pod {
				return p.Signal(signal) == nil
			}
		}
	}
	return false
}

// signalController sends a signal to the controller in a Pod.
func signalController(t *testing.T, pod string, signal syscall.Signal) {
	t.Helper()
	if !signalled(pod, signal) {
		t.Fatalf("no node runs %s", pod)
	}
}

// TestTakeOver defends P1 and P2: when the controller that leads hangs, another
// goes on, and the one that wakes up again does no harm.
func TestTakeOver(t *testing.T) {
	ns := namespace(t)
	apply(t, fmt.Sprintf(claimPool, ns))
	applyTo(t, ns, fmt.Sprintf(bareService, "before"))
	waitForAddresses(t, ns, "before", 1)
	addr := assigned(t, ns)["before"]

	var first string
	until(t, "a controller leads", func(ctx context.Context) (_ bool, err error) {
		first, err = leader(ctx)
		return first != "", err
	})
	signalController(t, first, syscall.SIGSTOP)
	since := time.Now()
	applyTo(t, ns, fmt.Sprintf(bareService, "during"))
	waitForAddresses(t, ns, "during", 1)
	t.Logf("a Service waited %s for the next controller", time.Since(since).Round(100*time.Millisecond))
	if next, err := leader(t.Context()); err != nil || next == first {
		t.Errorf("%s leads (%v), want another than %s", next, err, first)
	}
	signalController(t, first, syscall.SIGCONT)
	applyTo(t, ns, fmt.Sprintf(bareService, "after"))
	waitForAddresses(t, ns, "after", 1)
	waitForProduct(t) // who lost the Lease begins anew

	all := assigned(t, ns)
	if all["before"] != addr {
		t.Errorf("before holds %s, want %s as before", all["before"], addr)
	}
	holders := map[string]string{}
	for name, a := range all {
		if other, ok := holders[a]; ok {
			t.Errorf("%s is held by %s and %s", a, name, other)
		}
		holders[a] = name
	}
}
