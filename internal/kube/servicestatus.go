package kube

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// settle is how long an announcement must have held before it is written down:
// a restart of all speakers moves addresses for a moment, and none of that is
// news worth thousands of API writes.
const settle = 3 * time.Second

// The complaints of one node in a row, and from then on.
const (
	complaintsInARow    = 25
	complaintsPerSecond = 0.1
	complaintDelay      = 10 * time.Second
)

// serviceStatus keeps the status objects that one protocol has for Services in
// line with the verdicts of this node, and tells of them in Events on the
// Service.
type serviceStatus struct {
	kind            statusKind
	namespace, node string

	client client.Client
	events events.EventRecorder
	owner  ownerFunc

	mu sync.Mutex
	// reported is set by the first report: before it, nothing is known of what
	// this node announces, and nothing written earlier may be called wrong.
	reported bool
	// services hold the verdicts on each address of a Service that tell anything.
	services map[types.NamespacedName]map[netip.Addr]announce.Verdict
	queue    queue // has its own lock

	// The reconciler's own.

	// complained is the last announceFailed said of a Service; complaints limit
	// how many are said in a row.
	complained map[types.NamespacedName]string
	complaints flowcontrol.RateLimiter
	// written is the last version this process wrote of its own objects: the
	// cache may still hold an older one.
	written map[types.UID]string
	// claimed are the Services that this node announces and has said so of.
	claimed map[types.NamespacedName]bool
}

func newServiceStatus(kind statusKind, namespace, node string) *serviceStatus {
	return &serviceStatus{
		kind:       kind,
		namespace:  namespace,
		node:       node,
		services:   map[types.NamespacedName]map[netip.Addr]announce.Verdict{},
		complained: map[types.NamespacedName]string{},
		complaints: flowcontrol.NewTokenBucketRateLimiter(complaintsPerSecond, complaintsInARow),
		written:    map[types.UID]string{},
		claimed:    map[types.NamespacedName]bool{},
	}
}

// report takes note of changed verdicts and has them written once they settle.
func (w *serviceStatus) report(r announce.Revision) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.reported = true
	for i := range r.Gone {
		if v := &r.Gone[i]; v.Protocol == w.kind.protocol {
			delete(w.services[v.Service], v.Addr)
			w.queue.add(v.Service, settle)
		}
	}
	for i := range r.Changed {
		c := &r.Changed[i]
		if c.Protocol != w.kind.protocol {
			continue
		}
		if w.tells(c.Reason) {
			w.keep(c.Verdict)
		} else {
			delete(w.services[c.Service], c.Addr)
		}
		if w.tells(c.Reason) || w.tells(c.Before) {
			w.queue.add(c.Service, settle)
		}
	}
}

func (w *serviceStatus) keep(v announce.Verdict) {
	if w.services[v.Service] == nil {
		w.services[v.Service] = map[netip.Addr]announce.Verdict{}
	}
	w.services[v.Service][v.Addr] = v
}

// tells reports whether anything is written of a verdict with that reason.
func (w *serviceStatus) tells(r announce.Reason) bool {
	return r == announce.Announced || slices.Contains(w.kind.failures, r)
}

func (w *serviceStatus) setUp(ctx context.Context, m manager.Manager, owner ownerFunc) error {
	if err := m.GetFieldIndexer().IndexField(ctx, w.kind.object(), byService, indexServiceStatus); err != nil {
		return err
	}
	w.client = m.GetClient()
	w.events = m.GetEventRecorder("metallb-speaker")
	w.owner = owner
	return builder.ControllerManagedBy(m).Named(w.kind.watch).WithOptions(quiet()).
		WatchesRawSource(source.Func(w.queue.connect)).
		Watches(w.kind.object(), handler.EnqueueRequestsFromMapFunc(statusToService)).
		Complete(reconcile.Func(w.reconcile))
}

func statusToService(_ context.Context, obj client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: obj.GetLabels()[v1beta1.LabelServiceNamespace],
		Name:      obj.GetLabels()[v1beta1.LabelServiceName],
	}}}
}

// reconcile writes what this node says of one Service: one object if it
// announces it, none if it does not.
func (w *serviceStatus) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	now, known := w.stand(r.NamespacedName)
	if !known {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	later, err := w.complain(ctx, r.NamespacedName, now.complaint)
	if err != nil {
		return reconcile.Result{}, err
	}
	objects := w.kind.list()
	err = w.client.List(ctx, objects, client.InNamespace(w.namespace), client.MatchingFields{byService: r.String()})
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("kube: failed to list the %s of %s: %w", w.kind.name, r, err)
	}
	if !now.announced {
		delete(w.claimed, r.NamespacedName)
	}
	mine, other, err := w.tidy(ctx, objects, now.announced, w.claimed[r.NamespacedName])
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case !now.announced, mine == nil && other:
		return reconcile.Result{RequeueAfter: later}, nil
	}
	err = w.write(ctx, mine, statement{node: w.node, service: r.NamespacedName, where: now.where})
	if err == nil {
		w.claimed[r.NamespacedName] = true
	}
	return reconcile.Result{RequeueAfter: later}, err
}

// tidy deletes what should not be there. It returns the object of this node, if
// there is one that should, and whether there is another's that has come since
// this node wrote its own: nodes that disagree about who announces must not
// delete each other's words in turns. The latest stands.
func (w *serviceStatus) tidy(ctx context.Context, objects client.ObjectList, announced, claimed bool) (mine client.Object, other bool, err error) {
	err = meta.EachListItem(objects, func(o runtime.Object) error {
		obj, ok := o.(client.Object)
		if !ok {
			return nil
		}
		own := obj.GetLabels()[v1beta1.LabelNode] == w.node
		switch {
		case own && announced && mine == nil:
			mine = obj
			return nil
		case !own && (!w.kind.single || !announced):
			return nil // another node's, who sees to it
		case !own && claimed:
			other = true
			return nil
		}
		delete(w.written, obj.GetUID())
		if err := client.IgnoreNotFound(w.client.Delete(ctx, obj)); err != nil {
			return fmt.Errorf("kube: failed to delete %s %s: %w", w.kind.name, obj.GetName(), err)
		}
		return nil
	})
	return mine, other, err
}

// standing sums up the verdicts on one Service.
type standing struct {
	// announced says that this node announces it, and where.
	announced bool
	where     []string
	// complaint is what keeps this node from announcing what it should.
	complaint string
}

// stand returns the standing of one Service, and whether it is known yet.
func (w *serviceStatus) stand(svc types.NamespacedName) (s standing, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	verdicts := w.services[svc]
	if len(verdicts) == 0 {
		delete(w.services, svc)
	}
	for _, a := range slices.SortedFunc(maps.Keys(verdicts), netip.Addr.Compare) {
		v := verdicts[a]
		switch {
		case v.Announced() && (!s.announced || !w.kind.single):
			s.announced = true
			s.where = append(s.where, w.kind.where(&v)...)
		case slices.Contains(w.kind.failures, v.Reason) && s.complaint == "":
			s.complaint = fmt.Sprintf("cannot announce %s from node %s: %s", a, w.node, because(&v))
		}
	}
	slices.Sort(s.where)
	s.where = slices.Compact(s.where)
	return s, w.reported
}

func because(v *announce.Verdict) string {
	if v.Detail != "" {
		return v.Detail
	}
	return string(v.Reason)
}

// write makes the object say what it should, if it does not; mine is nil if
// there is none yet.
func (w *serviceStatus) write(ctx context.Context, mine client.Object, want statement) error {
	if mine == nil {
		var err error
		if mine, err = w.create(ctx, want); err != nil {
			return err
		}
	}
	before := w.kind.read(mine)
	if before.equal(want) || older(mine.GetResourceVersion(), w.written[mine.GetUID()]) {
		return nil // an older one is followed by what we wrote, which brings us back
	}
	base, _ := mine.DeepCopyObject().(client.Object)
	w.kind.fill(mine, want)
	if err := w.client.Status().Patch(ctx, mine, client.MergeFrom(base)); err != nil {
		return fmt.Errorf("kube: failed to write the %s of %s: %w", w.kind.name, want.service, err)
	}
	w.written[mine.GetUID()] = mine.GetResourceVersion()
	if before.node != "" {
		return nil // announced elsewhere now, but announced as before
	}
	return w.tell(ctx, want.service, news{corev1.EventTypeNormal, "nodeAssigned", fmt.Sprintf("announcing from node %q with protocol %q", w.node, w.kind.protocol)})
}

func (w *serviceStatus) create(ctx context.Context, s statement) (client.Object, error) {
	owner, err := w.owner(ctx)
	if err != nil {
		return nil, err
	}
	obj := w.kind.object()
	obj.SetNamespace(w.namespace)
	obj.SetGenerateName(w.kind.prefix)
	obj.SetOwnerReferences(owner)
	obj.SetLabels(map[string]string{
		v1beta1.LabelNode:             s.node,
		v1beta1.LabelServiceNamespace: s.service.Namespace,
		v1beta1.LabelServiceName:      s.service.Name,
	})
	if err := w.client.Create(ctx, obj); err != nil {
		return nil, fmt.Errorf("kube: failed to create the %s of %s: %w", w.kind.name, s.service, err)
	}
	return obj, nil
}

// complain says once that this node should announce an address and cannot. It
// returns when to try again: one mistake can concern every Service, and no
// reader is served by thousands of Events.
func (w *serviceStatus) complain(ctx context.Context, svc types.NamespacedName, complaint string) (later time.Duration, err error) {
	if complaint == "" {
		delete(w.complained, svc)
	}
	if complaint == w.complained[svc] {
		return 0, nil
	}
	if !w.complaints.TryAccept() {
		return complaintDelay, nil
	}
	w.complained[svc] = complaint
	return 0, w.tell(ctx, svc, news{corev1.EventTypeWarning, "announceFailed", complaint})
}

// news is what an Event says.
type news struct{ kind, reason, text string }

func (w *serviceStatus) tell(ctx context.Context, name types.NamespacedName, n news) error {
	var svc corev1.Service
	if err := w.client.Get(ctx, name, &svc); err != nil {
		return client.IgnoreNotFound(err)
	}
	w.events.Eventf(&svc, nil, n.kind, n.reason, "Announce", "%s", n.text)
	return nil
}
