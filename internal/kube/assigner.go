package kube

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// assigner gives Services their addresses: it asks package allocator, one
// Service at a time, and writes the answers, many at a time.
type assigner struct {
	ControllerOptions
	client client.Client
	events events.EventRecorder
	// queue wakes Services; touched wakes the pools' status.
	queue, touched queue
	// untold are Events that wait for a write to succeed; it has its own lock.
	untold     untold
	complaints complaints

	mu       sync.Mutex
	snap     *config.Snapshot // nil until everything was read once
	problems []config.Problem
	ledger   *allocator.Ledger
	// waiting are the Services that want an address and have none.
	waiting  map[types.NamespacedName]struct{}
	openings uint64
}

func newAssigner(o ControllerOptions, m manager.Manager) *assigner {
	return &assigner{
		ControllerOptions: o,
		client:            m.GetClient(),
		events:            m.GetEventRecorder("metallb-controller"),
		ledger:            allocator.NewLedger(),
		complaints:        complaints{reader: m.GetClient(), events: m.GetEventRecorder("metallb-controller"), log: o.Log},
		waiting:           map[types.NamespacedName]struct{}{},
	}
}

// reconcile brings one Service's status in line with what it should hold.
func (a *assigner) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	if _, err := a.prepare(ctx, false); err != nil {
		return reconcile.Result{}, err
	}
	var obj corev1.Service
	err := a.client.Get(ctx, r.NamespacedName, &obj)
	if apierrors.IsNotFound(err) {
		a.release(r.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("kube: failed to read Service %s: %w", r, err)
	}
	svc := config.ParseService(&obj)
	if !a.Handles(svc.Class) {
		a.release(svc.Name)
		return reconcile.Result{}, nil
	}
	outcome, err := a.decide(svc)
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, a.carryOut(ctx, &obj, svc, outcome)
}

// decide asks the allocator about one Service and enters the answer.
func (a *assigner) decide(svc config.Service) (allocator.Outcome, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	outcome := allocator.Assign(a.snap, a.ledger, svc)
	if err := a.ledger.Apply(svc, outcome); err != nil {
		return outcome, fmt.Errorf("kube: %w", err)
	}
	if svc.LoadBalancer && len(outcome.Assignment.Addresses) == 0 {
		a.waiting[svc.Name] = struct{}{}
	} else {
		delete(a.waiting, svc.Name)
	}
	a.wake()
	return outcome, nil
}

// release frees what a Service held that is no more, or no longer ours.
func (a *assigner) release(name types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.untold.take(name)
	a.ledger.Release(name)
	delete(a.waiting, name)
	a.wake()
}

// wake has the waiting Services asked again if an address may have become
// free since they last were. a.mu is held.
func (a *assigner) wake() {
	a.touched.add(everything().NamespacedName, poolStatusDelay)
	if n := a.ledger.Openings(); n != a.openings {
		a.openings = n
		for name := range a.waiting {
			a.queue.add(name, 0)
		}
	}
}

// prepare compiles the configuration, the first time or when it changed, and
// returns what is wrong with it. The first time the ledger adopts what every
// Service holds, so that no newcomer is given an address that another has had
// all along.
func (a *assigner) prepare(ctx context.Context, changed bool) ([]config.Problem, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	first := a.snap == nil
	if !first && !changed {
		return nil, nil
	}
	objects, err := readObjects(ctx, a.client, false)
	if err != nil {
		return nil, err
	}
	var services corev1.ServiceList
	if err := list(ctx, a.client, &services); err != nil {
		return nil, err
	}
	snap, problems := config.Compile(objects)
	a.Meter.Config(len(problems))
	a.touched.add(everything().NamespacedName, 0)
	a.problems = problems
	if reflect.DeepEqual(a.snap, snap) {
		return problems, nil
	}
	a.snap = snap
	var ours []config.Service
	for i := range services.Items {
		if svc := config.ParseService(&services.Items[i]); svc.LoadBalancer && a.Handles(svc.Class) {
			ours = append(ours, svc)
		}
	}
	if first {
		a.ledger.Adopt(snap, ours)
	}
	for i := range ours {
		a.queue.add(ours[i].Name, 0)
	}
	return problems, nil
}

func (a *assigner) reconcileConfiguration(state *configState) reconcile.Func {
	return func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
		problems, err := a.prepare(ctx, true)
		if err != nil {
			return reconcile.Result{}, err
		}
		a.complaints.tell(ctx, problems)
		return reconcile.Result{}, state.write(ctx, problems)
	}
}
