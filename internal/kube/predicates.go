package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/config"
)

// toEverything maps an event on any object to the one request of a reconciler
// that reads all.
func toEverything(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{everything()}
}

// specOrLabelsChanged lets through updates of what configuration is made of,
// and not those of status, which we write ourselves.
func specOrLabelsChanged() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{})
}

// annotated lets through updates of annotations as well: of kinds that are told
// more by them.
func annotated() predicate.Predicate {
	return predicate.Or(specOrLabelsChanged(), predicate.AnnotationChangedPredicate{})
}

// labelsChanged lets through updates of labels alone.
func labelsChanged() predicate.Predicate { return predicate.LabelChangedPredicate{} }

// nodeChanged lets through updates of a Node that ownership depends on: a
// kubelet's heartbeats change nothing here.
func nodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, ok2 := e.ObjectNew.(*corev1.Node)
		return !ok || !ok2 || !config.ParseNode(before).Equal(config.ParseNode(after))
	}}
}

// matches lets through objects that carry all of those labels.
func matches(set labels.Set) predicate.Predicate {
	selector := set.AsSelector()
	return predicate.NewPredicateFuncs(func(o client.Object) bool { return selector.Matches(labels.Set(o.GetLabels())) })
}
