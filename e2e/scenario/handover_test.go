//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// TestHandOver holds that a controller that is asked to end gives the Lease
// back, so that nobody waits for it to run out: P8.
func TestHandOver(t *testing.T) {
	ns := namespace(t)
	apply(t, fmt.Sprintf(claimPool, ns))
	var first string
	until(t, "a controller leads", func(ctx context.Context) (_ bool, err error) {
		first, err = leader(ctx)
		return first != "", err
	})
	leases := cluster.Clientset().CoordinationV1().Leases("metallb-system")
	one := fields.OneTermEqualSelector("metadata.name", "metallb-controller").String()
	list, err := leases.List(t.Context(), metav1.ListOptions{FieldSelector: one})
	if err != nil {
		t.Fatal(err)
	}
	versions, err := leases.Watch(t.Context(), metav1.ListOptions{FieldSelector: one, ResourceVersion: list.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer versions.Stop()

	since := time.Now()
	signalController(t, first, syscall.SIGTERM)
	applyTo(t, ns, fmt.Sprintf(bareService, "during"))
	for event := range versions.ResultChan() {
		lease, ok := event.Object.(*coordinationv1.Lease)
		if !ok {
			t.Fatalf("the watch of the Lease ended with %v", event.Object)
		}
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		if strings.HasPrefix(holder, first+"_") {
			continue // renewed once more
		}
		if holder != "" {
			t.Errorf("the Lease of %s went to %s without having been given back", first, holder)
		}
		break
	}
	t.Logf("given back after %s", time.Since(since).Round(10*time.Millisecond))
	waitForAddresses(t, ns, "during", 1)
	t.Logf("a Service waited %s for the next controller", time.Since(since).Round(10*time.Millisecond))
	waitForProduct(t)
}
