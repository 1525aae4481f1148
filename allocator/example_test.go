package allocator_test

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// A pool of two addresses, and three Services that want one.
func ExampleAssign() {
	snap, _ := config.Compile(config.Objects{Pools: []v1beta1.IPAddressPool{{
		ObjectMeta: metav1.ObjectMeta{Name: "small"},
		Spec:       v1beta1.IPAddressPoolSpec{Addresses: []string{"192.0.2.10-192.0.2.11"}},
	}}})
	ledger := allocator.NewLedger()

	for _, name := range []string{"a", "b", "c"} {
		svc := config.Service{
			Name:         types.NamespacedName{Namespace: "default", Name: name},
			LoadBalancer: true,
			Families:     []config.Family{config.IPv4},
		}
		outcome := allocator.Assign(snap, ledger, svc)
		if err := ledger.Apply(svc, outcome); err != nil {
			fmt.Println(err)
			return
		}
		for _, n := range outcome.Notes {
			fmt.Println(outcome.Action, n.Type, n.Reason, "-", n.Message)
		}
	}
	// Output:
	// allocate Normal IPAllocated - assigned 192.0.2.10 from pool "small"
	// allocate Normal IPAllocated - assigned 192.0.2.11 from pool "small"
	// refuse Warning AllocationFailed - no address for default/c: pool "small" has no free IPv4 address (2 of 2 in use)
}
