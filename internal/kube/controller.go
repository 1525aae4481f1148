package kube

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
)

// workers is how many Services are written at once. Deciding takes
// microseconds and is done by one at a time; the API server answers in
// milliseconds, and serves many.
const workers = 16

// ControllerOptions are what the controller is made of.
type ControllerOptions struct {
	Process
	// Pod names this pod; its workload owns the ConfigurationState.
	Pod string
	// LeaderElect has one of several controllers chosen by a Lease.
	LeaderElect bool
	// MemberlistSecret is created if it does not exist; empty creates none.
	// Deployment owns it; empty leaves it without owner.
	MemberlistSecret, Deployment string
	// Usage is told the use of every pool whenever that changed.
	Usage func(map[string]allocator.Usage)
}

// RunController assigns addresses until ctx ends. The error finishes the
// sentence of what failed; nil after a cancelled ctx.
func RunController(ctx context.Context, o ControllerOptions) error {
	m, err := o.newManager(o.LeaderElect, func(*http.Request) error { return nil })
	if err != nil {
		return err
	}
	assigner := newAssigner(o, m)
	pools := &poolStatus{client: m.GetClient(), assigner: assigner, usage: o.Usage}
	state := &configState{
		client:    m.GetClient(),
		live:      m.GetAPIReader(),
		namespace: o.Namespace,
		name:      "controller",
		condition: v1beta1.ConditionPoolReconcilerValid,
		labels:    map[string]string{v1beta1.LabelComponentType: "controller"},
		owner:     workloadOwner(m.GetAPIReader(), o.Namespace, o.Pod),
	}
	secret := &memberlistSecret{
		client: m.GetClient(), live: m.GetAPIReader(), log: o.Log,
		namespace: o.Namespace, name: o.MemberlistSecret, deployment: o.Deployment,
	}
	for _, add := range []func() error{
		func() error { return assigner.watchServices(m) },
		func() error { return assigner.watchConfiguration(m, state) },
		func() error { return pools.watch(m) },
		func() error { return m.Add(manager.RunnableFunc(secret.ensure)) },
	} {
		if err := add(); err != nil {
			return fmt.Errorf("kube: failed to set up a watch: %w", err)
		}
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("kube: the connection to the API server ended: %w", err)
	}
	return nil
}

func (a *assigner) watchServices(m manager.Manager) error {
	return builder.ControllerManagedBy(m).Named("services").
		For(&corev1.Service{}).
		WatchesRawSource(source.Func(a.queue.connect)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(a.metered(a.reconcile))
}

func (a *assigner) watchConfiguration(m manager.Manager, state *configState) error {
	one := handler.EnqueueRequestsFromMapFunc(toEverything)
	return builder.ControllerManagedBy(m).Named("configuration").
		Watches(&v1beta1.IPAddressPool{}, one, builder.WithPredicates(specOrLabelsChanged())).
		Watches(&v1beta1.L2Advertisement{}, one, builder.WithPredicates(specOrLabelsChanged())).
		Watches(&corev1.Namespace{}, one, builder.WithPredicates(labelsChanged())).
		Complete(a.metered(a.reconcileConfiguration(state)))
}
