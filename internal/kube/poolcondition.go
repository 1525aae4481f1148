package kube

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// The conditions of a pool.
const (
	// conditionValid says whether it is in force.
	conditionValid = "Valid"
	// conditionLow says whether it will soon have no address to give.
	conditionLow = "LowOnAddresses"
)

// The reasons of conditionLow; the first is that of its Event as well.
const (
	reasonLow    = "LowOnAddresses"
	reasonEnough = "EnoughAddresses"
)

func verdictOn(pool *v1beta1.IPAddressPool, problems []config.Problem) metav1.Condition {
	c := metav1.Condition{
		Type: conditionValid, Status: metav1.ConditionTrue, ObservedGeneration: pool.Generation,
		Reason: v1beta1.ReasonReconciled, Message: "the pool is in force",
	}
	var found []string
	for _, p := range problems {
		if p.Kind == "IPAddressPool" && p.Name == pool.Name {
			found = append(found, p.Error())
		}
	}
	if len(found) > 0 {
		c.Status, c.Reason = metav1.ConditionFalse, v1beta1.ReasonConfigurationError
		c.Message = shorten("nothing new is assigned from the pool, and Services keep what they hold: " + strings.Join(found, "; "))
	}
	return c
}

// lowness says of which family a pool has used percent or more of what it has.
func lowness(pool *v1beta1.IPAddressPool, u allocator.Usage, percent int) metav1.Condition {
	c := metav1.Condition{
		Type: conditionLow, Status: metav1.ConditionFalse, ObservedGeneration: pool.Generation, Reason: reasonEnough,
		Message: fmt.Sprintf("less than %d %% of the addresses are in use", percent),
	}
	var low []string
	for _, f := range []config.Family{config.IPv4, config.IPv6} {
		if u.Low(f, percent) {
			low = append(low, fmt.Sprintf("%d of %d %s addresses", u.Assigned(f), u.Capacity(f), f))
		}
	}
	if len(low) > 0 {
		c.Status, c.Reason = metav1.ConditionTrue, reasonLow
		c.Message = strings.Join(low, " and ") + " are in use"
	}
	return c
}
