package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
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
	// Retention is how long an address is kept for the Service that held it,
	// after that was deleted, unless the pool says otherwise; 0 keeps none.
	Retention time.Duration
	// LowOnAddresses is from which share in use on, in percent, a pool is said
	// to be low on addresses; 0 says it never.
	LowOnAddresses int
	// Usage is told the use of every pool whenever that changed.
	Usage func(map[string]allocator.Usage)
}

// RunController assigns addresses until ctx ends. The error finishes the
// sentence of what failed; nil after a cancelled ctx.
func RunController(ctx context.Context, o ControllerOptions) error {
	if err := o.await(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	warm := &readiness{}
	m, err := o.newManager(managing{elect: o.LeaderElect, ready: warm.check})
	if err != nil {
		return err
	}
	assigner, err := newAssigner(o, m)
	if err != nil {
		return err
	}
	pools := &poolStatus{
		client: m.GetClient(), assigner: assigner, usage: o.Usage,
		events: m.GetEventRecorder("metallb-controller"), low: o.LowOnAddresses,
	}
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
		func() error { return warm.watch(m) },
		func() error { return assigner.watchServices(m) },
		func() error { return assigner.watchShared(m) },
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

func newAssigner(o ControllerOptions, m manager.Manager) (*assigner, error) {
	shared, err := servesClaims(m.GetRESTMapper())
	if err != nil {
		return nil, err
	}
	a := &assigner{
		ControllerOptions: o,
		services:          &services{client: m.GetClient(), reader: m.GetAPIReader()},
		claims:            &sharedClaims{client: m.GetClient(), live: m.GetAPIReader()},
		events:            m.GetEventRecorder("metallb-controller"),
		ledger:            allocator.NewLedger(),
		complaints:        complaints{reader: m.GetClient(), events: m.GetEventRecorder("metallb-controller"), log: o.Log},
		waiting:           map[types.NamespacedName]struct{}{},
		written:           map[types.NamespacedName]string{},
	}
	if !shared {
		o.Log.Warn("addresses are not claimed: the API server has no IPAddress objects, the Lease alone keeps controllers apart")
		a.claims = &ownClaims{}
	}
	a.read = func(ctx context.Context) (facts, error) { return a.readFacts(ctx, m.GetClient(), shared) }
	return a, nil
}

// readFacts reads from the cache what decisions are based on.
func (a *assigner) readFacts(ctx context.Context, r client.Reader, shared bool) (f facts, err error) {
	if f.objects, err = readObjects(ctx, r, false); err != nil {
		return f, err
	}
	f.objects.Retention = a.Retention
	if shared {
		if f.claims, err = listClaims(ctx, r); err != nil {
			return f, err
		}
	}
	var services corev1.ServiceList
	if err := r.List(ctx, &services, client.UnsafeDisableDeepCopy); err != nil {
		return f, fmt.Errorf("kube: failed to list Services: %w", err)
	}
	f.services = make([]config.Service, len(services.Items))
	for i := range services.Items {
		f.services[i] = config.ParseService(&services.Items[i])
	}
	return f, nil
}

// watchShared watches claims, if there are any to watch.
func (a *assigner) watchShared(m manager.Manager) error {
	if _, shared := a.claims.(*sharedClaims); !shared {
		return nil
	}
	return a.watchClaims(m)
}

func (a *assigner) watchServices(m manager.Manager) error {
	return builder.ControllerManagedBy(m).Named("services").
		For(&corev1.Service{}).
		WatchesRawSource(source.Func(a.queue.connect)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, EnableWarmup: new(true)}).
		Complete(a.metered(a.reconcile))
}

func (a *assigner) watchConfiguration(m manager.Manager, state *configState) error {
	one := handler.EnqueueRequestsFromMapFunc(toEverything)
	return watchConfiguration(m, one).
		Watches(&corev1.Namespace{}, one, builder.WithPredicates(labelsChanged())).
		WithOptions(controller.Options{EnableWarmup: new(true)}).
		Complete(a.metered(a.reconcileConfiguration(state)))
}
