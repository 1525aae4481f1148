package kube

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// configState writes the ConfigurationState object of this process: where a
// user looks to learn which of their objects are not in force.
type configState struct {
	client client.Client
	// live reads past the cache, which may not hold yet what was written last.
	live      client.Reader
	namespace string
	name      string
	labels    map[string]string
	condition string
	owner     ownerFunc
}

// write brings the object in line with the problems found, if it is not.
func (c *configState) write(ctx context.Context, problems []config.Problem) error {
	state := &v1beta1.ConfigurationState{}
	err := c.live.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: c.name}, state)
	if apierrors.IsNotFound(err) {
		state, err = c.create(ctx)
	}
	if err != nil {
		return fmt.Errorf("kube: failed to prepare ConfigurationState %s: %w", c.name, err)
	}
	base := state.DeepCopy()
	c.fill(&state.Status, state.Generation, problems)
	if reflect.DeepEqual(base.Status, state.Status) {
		return nil
	}
	if err := c.client.Status().Patch(ctx, state, client.MergeFrom(base)); err != nil {
		return fmt.Errorf("kube: failed to write the status of ConfigurationState %s: %w", c.name, err)
	}
	return nil
}

func (c *configState) create(ctx context.Context) (*v1beta1.ConfigurationState, error) {
	owner, err := c.owner(ctx)
	if err != nil {
		return nil, err
	}
	state := &v1beta1.ConfigurationState{ObjectMeta: metav1.ObjectMeta{
		Namespace: c.namespace, Name: c.name, Labels: c.labels, OwnerReferences: owner,
	}}
	return state, c.client.Create(ctx, state)
}

func (c *configState) fill(status *v1beta1.ConfigurationStateStatus, generation int64, problems []config.Problem) {
	condition := metav1.Condition{
		Type: c.condition, Status: metav1.ConditionTrue,
		Reason: v1beta1.ReasonReconciled, ObservedGeneration: generation,
	}
	status.Result, status.ErrorSummary = v1beta1.ConfigurationValid, ""
	if len(problems) > 0 {
		lines := make([]string, len(problems))
		for i, p := range problems {
			lines[i] = p.Error()
		}
		status.Result, status.ErrorSummary = v1beta1.ConfigurationInvalid, strings.Join(lines, "\n")
		condition.Status, condition.Reason = metav1.ConditionFalse, v1beta1.ReasonConfigurationError
		condition.Message = "configuration error: " + shorten(status.ErrorSummary)
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}

// shorten cuts text to what an Event may say, which is enough for a condition
// too, and says so.
func shorten(text string) string {
	const limit, mark = 1024, " …"
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}
