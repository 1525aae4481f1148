package kube

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// poolStatusDelay gathers the changes of a burst into one write per pool.
const poolStatusDelay = 250 * time.Millisecond

// poolStatus keeps the status of pools, and the counters of the metrics, in
// line with the ledger. A status edited by hand is put right.
type poolStatus struct {
	client   client.Client
	assigner *assigner
	usage    func(map[string]allocator.Usage)
	events   events.EventRecorder
	// low is the share in use, in percent, from which on a pool is low on
	// addresses; 0 for never.
	low int
}

func (p *poolStatus) watch(m manager.Manager) error {
	return builder.ControllerManagedBy(m).Named("poolstatus").
		Watches(&v1beta1.IPAddressPool{}, handler.EnqueueRequestsFromMapFunc(p.touched)).
		WatchesRawSource(source.Func(p.assigner.touched.connect)).
		Complete(reconcile.Func(p.reconcile))
}

// touched takes note of a change of a pool. Most are our own writes: answered
// at once, each would lead to the next one as long as a burst lasts.
func (p *poolStatus) touched(context.Context, client.Object) []reconcile.Request {
	p.assigner.touched.add(everything().NamespacedName, poolStatusDelay)
	return nil
}

func (p *poolStatus) reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	view, ok := p.assigner.poolView()
	if !ok {
		return reconcile.Result{}, nil // nothing was read yet; that will wake us
	}
	p.usage(view.usage)
	var pools v1beta1.IPAddressPoolList
	if err := list(ctx, p.client, &pools); err != nil {
		return reconcile.Result{}, err
	}
	for i := range pools.Items {
		if err := p.write(ctx, &pools.Items[i], view); err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{}, nil
}

// write brings the status of one pool in line, if it is not. The whole status
// is sent, not a difference: its counters are required fields, and a pool that
// has none yet differs from one whose counters are all zero.
func (p *poolStatus) write(ctx context.Context, pool *v1beta1.IPAddressPool, view poolView) error {
	u, ok := view.usage[pool.Name]
	if !ok {
		return nil
	}
	before := pool.Status.DeepCopy()
	pool.Status.AssignedIPv4, pool.Status.AvailableIPv4 = u.AssignedIPv4, u.Available(config.IPv4)
	pool.Status.AssignedIPv6, pool.Status.AvailableIPv6 = u.AssignedIPv6, u.Available(config.IPv6)
	pool.Status.Quarantined = view.quarantined[pool.Name]
	meta.SetStatusCondition(&pool.Status.Conditions, verdictOn(pool, view.problems))
	turnedLow := false
	if p.low > 0 {
		wasLow := meta.IsStatusConditionTrue(before.Conditions, conditionLow)
		meta.SetStatusCondition(&pool.Status.Conditions, lowness(pool, u, p.low))
		turnedLow = !wasLow && meta.IsStatusConditionTrue(pool.Status.Conditions, conditionLow)
	} else {
		meta.RemoveStatusCondition(&pool.Status.Conditions, conditionLow)
	}
	if reflect.DeepEqual(*before, pool.Status) {
		return nil
	}
	err := p.client.Status().Update(ctx, pool)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // the pool has changed, which brings us back
	}
	if err != nil {
		return fmt.Errorf("kube: failed to write the status of IPAddressPool %s: %w", pool.Name, err)
	}
	if turnedLow {
		c := meta.FindStatusCondition(pool.Status.Conditions, conditionLow)
		p.events.Eventf(pool, nil, corev1.EventTypeWarning, reasonLow, "Count", "%s", c.Message)
	}
	return nil
}

// poolView is what the status of pools is made of.
type poolView struct {
	usage    map[string]allocator.Usage
	problems []config.Problem
	// quarantined are by pool the addresses that strangers use.
	quarantined map[string][]v1beta1.QuarantinedAddress
}

// poolView counts every pool of the configuration in force; ok is false before
// there is one.
func (a *assigner) poolView() (view poolView, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.snap == nil {
		return poolView{}, false
	}
	view = poolView{
		usage: make(map[string]allocator.Usage, len(a.snap.Pools)), problems: a.problems,
		quarantined: map[string][]v1beta1.QuarantinedAddress{},
	}
	for _, pool := range a.snap.Pools {
		view.usage[pool.Name] = a.ledger.Usage(pool)
		if q := a.ledger.Quarantine(pool); len(q) > 0 {
			view.quarantined[pool.Name] = quarantined(q)
		}
	}
	return view, true
}
