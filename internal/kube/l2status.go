package kube

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// settle is how long an ownership must have held before it is written down: a
// restart of all speakers moves addresses for a moment, and none of that is
// news worth thousands of API writes.
const settle = 3 * time.Second

// l2Status keeps the ServiceL2Status objects of this node in line with its
// verdicts, and tells of them in Events on the Service.
type l2Status struct {
	namespace, node string

	client client.Client
	events events.EventRecorder
	owner  ownerFunc

	mu sync.Mutex
	// reported is set by the first report: before it, nothing is known of what
	// this node announces, and nothing written earlier may be called wrong.
	reported bool
	// services hold the verdicts this node has on each address of a Service.
	services map[types.NamespacedName]map[netip.Addr]announce.Verdict
	// complained is the last announceFailed said of a Service.
	complained map[types.NamespacedName]string
	// written is the last version this process wrote of its own objects, by
	// UID: the cache may still show an older one.
	written map[types.UID]v1beta1.ServiceL2StatusStatus
	queue   queue // has its own lock
}

func newL2Status(namespace, node string) *l2Status {
	return &l2Status{
		namespace:  namespace,
		node:       node,
		services:   map[types.NamespacedName]map[netip.Addr]announce.Verdict{},
		complained: map[types.NamespacedName]string{},
		written:    map[types.UID]v1beta1.ServiceL2StatusStatus{},
	}
}

// report takes note of changed verdicts and has them written once they settle.
func (w *l2Status) report(r announce.Revision) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.reported = true
	for _, v := range r.Gone {
		delete(w.services[v.Service], v.Addr)
		w.queue.add(v.Service, settle)
	}
	for _, c := range r.Changed {
		if w.services[c.Service] == nil {
			w.services[c.Service] = map[netip.Addr]announce.Verdict{}
		}
		w.services[c.Service][c.Addr] = c.Verdict
		if c.Announced() || c.Before == announce.Announced || c.Reason == announce.NoInterface {
			w.queue.add(c.Service, settle)
		}
	}
}

func (w *l2Status) setUp(m manager.Manager, owner ownerFunc) error {
	w.client = m.GetClient()
	w.events = m.GetEventRecorder("metallb-speaker")
	w.owner = owner
	return builder.ControllerManagedBy(m).Named("servicel2status").
		WatchesRawSource(source.Func(w.queue.connect)).
		Watches(&v1beta1.ServiceL2Status{}, handler.EnqueueRequestsFromMapFunc(statusToService)).
		Complete(reconcile.Func(w.reconcile))
}

func statusToService(_ context.Context, obj client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: obj.GetLabels()[v1beta1.LabelServiceNamespace],
		Name:      obj.GetLabels()[v1beta1.LabelServiceName],
	}}}
}

// reconcile writes what this node says of one Service: the owner sees to it
// that there is one object, its own; any other node removes only its own.
func (w *l2Status) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	now, known := w.stand(r.NamespacedName)
	if !known {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	if err := w.complain(ctx, r.NamespacedName, now.complaint); err != nil {
		return reconcile.Result{}, err
	}
	var objects v1beta1.ServiceL2StatusList
	err := w.client.List(ctx, &objects, client.InNamespace(w.namespace), client.MatchingFields{byService: r.String()})
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("kube: failed to list the ServiceL2Status of %s: %w", r, err)
	}
	var mine *v1beta1.ServiceL2Status
	for i := range objects.Items {
		o := &objects.Items[i]
		own := o.Labels[v1beta1.LabelNode] == w.node
		switch {
		case own && now.announced && mine == nil:
			mine = o
		case own || now.announced:
			delete(w.written, o.UID)
			if err := client.IgnoreNotFound(w.client.Delete(ctx, o)); err != nil {
				return reconcile.Result{}, fmt.Errorf("kube: failed to delete ServiceL2Status %s: %w", o.Name, err)
			}
		}
	}
	if !now.announced {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, w.write(ctx, r.NamespacedName, mine, now.selected)
}

// standing sums up the verdicts on one Service.
type standing struct {
	// announced says that this node announces it, selected on which interfaces
	// the user wants that (none: on all).
	announced bool
	selected  []v1beta1.InterfaceInfo
	// complaint is what keeps this node from announcing what it owns.
	complaint string
}

// stand returns the standing of one Service, and whether it is known yet.
func (w *l2Status) stand(svc types.NamespacedName) (s standing, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()

	verdicts := w.services[svc]
	if len(verdicts) == 0 {
		delete(w.services, svc)
	}
	for _, a := range slices.SortedFunc(maps.Keys(verdicts), netip.Addr.Compare) {
		v := verdicts[a]
		switch {
		case v.Announced() && !s.announced:
			s.announced = true
			for _, name := range v.Selected {
				s.selected = append(s.selected, v1beta1.InterfaceInfo{Name: name})
			}
		case v.Reason == announce.NoInterface && s.complaint == "":
			s.complaint = fmt.Sprintf("cannot announce %s from node %s: %s", a, w.node, v.Detail)
		}
	}
	return s, w.reported
}

func (w *l2Status) write(ctx context.Context, svc types.NamespacedName, mine *v1beta1.ServiceL2Status, selected []v1beta1.InterfaceInfo) error {
	if mine == nil {
		owner, err := w.owner(ctx)
		if err != nil {
			return err
		}
		mine = &v1beta1.ServiceL2Status{ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, GenerateName: "l2-", OwnerReferences: owner,
			Labels: map[string]string{
				v1beta1.LabelNode:             w.node,
				v1beta1.LabelServiceNamespace: svc.Namespace,
				v1beta1.LabelServiceName:      svc.Name,
			},
		}}
		if err := w.client.Create(ctx, mine); err != nil {
			return fmt.Errorf("kube: failed to create the ServiceL2Status of %s: %w", svc, err)
		}
	}
	base := mine.DeepCopy()
	mine.Status = v1beta1.ServiceL2StatusStatus{
		Node: w.node, ServiceName: svc.Name, ServiceNamespace: svc.Namespace, Interfaces: selected,
	}
	if reflect.DeepEqual(base.Status, mine.Status) || reflect.DeepEqual(w.written[mine.UID], mine.Status) {
		return nil
	}
	want := *mine.Status.DeepCopy()
	if err := w.client.Status().Patch(ctx, mine, client.MergeFrom(base)); err != nil {
		return fmt.Errorf("kube: failed to write the ServiceL2Status of %s: %w", svc, err)
	}
	w.written[mine.UID] = want
	return w.tell(ctx, svc, news{corev1.EventTypeNormal, "nodeAssigned", fmt.Sprintf("announcing from node %q with protocol %q", w.node, announce.Layer2)})
}

// complain says once that this node owns an address and cannot announce it.
func (w *l2Status) complain(ctx context.Context, svc types.NamespacedName, complaint string) error {
	w.mu.Lock()
	said := w.complained[svc]
	if complaint == "" {
		delete(w.complained, svc)
	} else {
		w.complained[svc] = complaint
	}
	w.mu.Unlock()

	if complaint == "" || complaint == said {
		return nil
	}
	return w.tell(ctx, svc, news{corev1.EventTypeWarning, "announceFailed", complaint})
}

// news is what an Event says.
type news struct{ kind, reason, text string }

func (w *l2Status) tell(ctx context.Context, name types.NamespacedName, n news) error {
	var svc corev1.Service
	if err := w.client.Get(ctx, name, &svc); err != nil {
		return client.IgnoreNotFound(err)
	}
	w.events.Eventf(&svc, nil, n.kind, n.reason, "Announce", "%s", n.text)
	return nil
}
