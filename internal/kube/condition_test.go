package kube

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/allocator"
)

// TestCondition defends P7 and P10: a Service says what stands against it as
// long as it does, and is not written to say that nothing does.
func TestCondition(t *testing.T) {
	t.Parallel()

	condition := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: conditionSatisfied, Status: status, Reason: reason, Message: message}}
	}
	given := allocator.Assignment{Pool: "p", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}
	full := allocator.Outcome{
		Refusals: []allocator.Refusal{{Pool: "p", Reason: allocator.PoolFull}},
		Standing: []allocator.Note{{Type: allocator.Warning, Reason: allocator.EventAllocationFailed, Message: "no address"}},
	}
	other := metav1.Condition{Type: "example.com/Other", Status: metav1.ConditionTrue}
	for name, tt := range map[string]struct {
		before  []metav1.Condition
		outcome allocator.Outcome
		want    []metav1.Condition
	}{
		"given":                     {nil, allocator.Outcome{Assignment: given, Changed: true}, condition("True", "Assigned", "")},
		"kept since long":           {nil, allocator.Outcome{Assignment: given}, nil},
		"refused":                   {nil, full, condition("False", "PoolFull", "no address")},
		"refused, then all is well": {condition("False", "PoolFull", "no address"), allocator.Outcome{Assignment: given}, condition("True", "Assigned", "")},
		"no LoadBalancer any more":  {condition("True", "Assigned", ""), allocator.Outcome{Changed: true}, nil},
		"beside others": {
			[]metav1.Condition{other},
			allocator.Outcome{Assignment: given, Changed: true},
			append([]metav1.Condition{other}, condition("True", "Assigned", "")...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			obj := &corev1.Service{Status: corev1.ServiceStatus{Conditions: tt.before}}
			setCondition(obj, tt.outcome)
			ignore := cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime")
			if diff := cmp.Diff(tt.want, obj.Status.Conditions, ignore); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
