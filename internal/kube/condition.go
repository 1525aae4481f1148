package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/allocator"
)

const (
	// conditionSatisfied says whether a Service has the addresses it asks for.
	// It goes with the address in one write. A Service that was given its
	// address by another version has none, and is not written for its sake.
	conditionSatisfied = "metallb.io/RequestSatisfied"
	// reasonAssigned: it has.
	reasonAssigned = "Assigned"
)

// setCondition makes the object say what stands against the Service, or that
// nothing does.
func setCondition(obj *corev1.Service, o allocator.Outcome) {
	conditions := &obj.Status.Conditions
	switch {
	case len(o.Standing) > 0:
		meta.SetStatusCondition(conditions, unsatisfied(o))
	case len(o.Assignment.Addresses) == 0:
		if meta.RemoveStatusCondition(conditions, conditionSatisfied) && len(*conditions) == 0 {
			*conditions = nil
		}
	case o.Changed || meta.FindStatusCondition(*conditions, conditionSatisfied) != nil:
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: conditionSatisfied, Status: metav1.ConditionTrue, Reason: reasonAssigned,
		})
	}
}

// unsatisfied says what stands against a Service, in the allocator's word and
// sentences.
func unsatisfied(o allocator.Outcome) metav1.Condition {
	c := metav1.Condition{Type: conditionSatisfied, Status: metav1.ConditionFalse, Reason: o.Standing[0].Reason}
	if len(o.Refusals) > 0 {
		c.Reason = string(o.Refusals[0].Reason)
	}
	messages := make([]string, len(o.Standing))
	for i, n := range o.Standing {
		messages[i] = n.Message
	}
	c.Message = shorten(strings.Join(messages, "; "))
	return c
}
