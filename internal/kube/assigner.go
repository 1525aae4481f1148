package kube

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// assigner gives Services their addresses: it asks package allocator, one
// Service at a time, and writes the answers, many at a time.
type assigner struct {
	ControllerOptions
	services serviceStore
	claims   claimStore
	// read reads all that decisions are based on.
	read   func(context.Context) (facts, error)
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
	// waiting are the Services that want more than they have.
	waiting  map[types.NamespacedName]struct{}
	openings uint64
	// written are the versions of Services that we wrote and the watch has not
	// brought yet.
	written map[types.NamespacedName]string
	// foreign is when claims of other owners were last found in the way.
	foreign time.Time
}

// facts are what decisions are based on.
type facts struct {
	objects  config.Objects
	services []config.Service
	claims   []allocator.Claim
}

// reconcile brings one Service's status in line with what it should hold: it
// decides, claims, writes, and then lets go of what the Service has left.
func (a *assigner) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	if _, err := a.prepare(ctx, false); err != nil {
		return reconcile.Result{}, err
	}
	obj, err := a.services.cached(ctx, r.NamespacedName)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case obj == nil:
		a.release(r.NamespacedName)
		return a.tidy(ctx, r.NamespacedName, true)
	case a.behind(obj):
		return reconcile.Result{}, nil // what we wrote will come, and bring us back
	}
	svc := config.ParseService(obj)
	if !a.Handles(svc.Class) {
		a.disown(svc)
		return a.tidy(ctx, svc.Name, false)
	}
	written, err := a.assign(ctx, obj, svc)
	if errors.Is(err, errUnsettled) {
		return a.settle(ctx, obj, svc)
	}
	if err != nil || written {
		return reconcile.Result{}, err
	}
	return a.tidy(ctx, svc.Name, true)
}

// claimAttempts bounds how often a Service is decided upon in a row because
// what was decided turned out to be another's.
const claimAttempts = 32

// unsettledDelay is how long a Service waits for another to say in a claim on
// what terms it now shares.
const unsettledDelay = 200 * time.Millisecond

// assign decides what a Service holds, claims it and writes it. It reports
// whether a write was tried: if so, the watch brings the Service back.
func (a *assigner) assign(ctx context.Context, obj *corev1.Service, svc config.Service) (bool, error) {
	var last allocator.Assignment
	for range claimAttempts {
		memo, outcome, err := a.decide(svc)
		if err != nil {
			return false, err
		}
		err = a.claimAll(ctx, obj, svc, outcome.Assignment)
		if err == nil {
			return a.carryOut(ctx, obj, svc, outcome)
		}
		a.restore(svc, memo)
		switch {
		case errors.Is(err, errOutdated):
			return true, nil
		case !errors.Is(err, errTaken):
			return false, err
		case outcome.Assignment.Equal(last):
			return false, errUnsettled
		}
		last = outcome.Assignment
	}
	return false, fmt.Errorf("kube: no claim for Service %s in %d attempts", svc.Name, claimAttempts)
}

// decide asks the allocator about one Service and enters the answer.
func (a *assigner) decide(svc config.Service) (allocator.Memo, allocator.Outcome, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.forgetForeign()
	memo := a.ledger.Memo(svc.Name)
	outcome := allocator.Assign(a.snap, a.ledger, svc)
	if err := a.ledger.Apply(svc, outcome); err != nil {
		return memo, outcome, fmt.Errorf("kube: %w", err)
	}
	if len(outcome.Refusals) > 0 {
		a.waiting[svc.Name] = struct{}{}
	} else {
		delete(a.waiting, svc.Name)
	}
	a.wake()
	return memo, outcome, nil
}

// restore takes back what was decided and could not be claimed.
func (a *assigner) restore(svc config.Service, memo allocator.Memo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.Restore(svc, memo)
}

// release frees what a Service held that is no more.
func (a *assigner) release(name types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.untold.take(name)
	a.ledger.Release(name)
	delete(a.waiting, name)
	delete(a.written, name)
	a.wake()
}

// disown leaves a Service to whoever handles its class. What its status shows
// is nobody else's.
func (a *assigner) disown(svc config.Service) {
	a.mu.Lock()
	defer a.mu.Unlock()
	// Nothing is in nobody's way, so this cannot fail.
	_ = a.ledger.Record(svc, allocator.Assignment{})
	delete(a.waiting, svc.Name)
	a.wake()
}

// behind reports whether we have written a later version of the Service than
// this one.
func (a *assigner) behind(obj *corev1.Service) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := types.NamespacedName{Namespace: obj.Namespace, Name: obj.Name}
	if older(obj.ResourceVersion, a.written[name]) {
		return true
	}
	delete(a.written, name)
	return false
}

// older reports whether one resourceVersion is known to be older than another.
// An API server that does not count makes nothing known.
func older(one, other string) bool {
	if one == "" || other == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(one, other)
	return err == nil && order < 0
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
// returns what is wrong with it. The first time the ledger learns all claims
// and adopts what every Service holds, so that no newcomer is given an address
// that another has had all along.
func (a *assigner) prepare(ctx context.Context, changed bool) ([]config.Problem, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	first := a.snap == nil
	if !first && !changed {
		return nil, nil
	}
	read, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	snap, problems := config.Compile(read.objects)
	a.Meter.Config(len(problems))
	a.touched.add(everything().NamespacedName, 0)
	a.problems = problems
	if reflect.DeepEqual(a.snap, snap) {
		return problems, nil
	}
	a.snap = snap
	for i := range read.services {
		svc := &read.services[i]
		if svc.LoadBalancer && !a.Handles(svc.Class) {
			svc.LoadBalancer = false // the ledger holds what it shows for nobody
		} else if svc.LoadBalancer {
			a.queue.add(svc.Name, 0)
		}
	}
	if first {
		for _, c := range read.claims {
			a.ledger.Learn(c)
			a.wakeHolders(c)
		}
		a.ledger.Adopt(snap, read.services)
	}
	for _, c := range a.ledger.Kept() {
		a.wakeHolders(c) // the pool may say now that it is kept no longer
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
