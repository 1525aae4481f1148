package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// carryOut writes what was decided about a Service and then tells its user.
// Nothing is written that is there already.
func (a *assigner) carryOut(ctx context.Context, obj *corev1.Service, svc config.Service, o allocator.Outcome) error {
	news := append(a.untold.take(svc.Name), o.Notes...)
	if o.Changed {
		next := obj.DeepCopy()
		setAssignment(next, svc, o.Assignment)
		// With the version that was read: the answer is for that Service and no
		// other. Whoever changed it meanwhile has sent an event that brings us back.
		patch := client.MergeFromWithOptions(obj, client.MergeFromWithOptimisticLock{})
		if err := a.client.Status().Patch(ctx, next, patch); err != nil {
			a.untold.keep(svc.Name, news)
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("kube: failed to write the status of Service %s: %w", svc.Name, err)
		}
		a.log(svc, o.Assignment)
		a.deprecated(obj)
	}
	for _, n := range news {
		a.events.Eventf(obj, nil, string(n.Type), n.Reason, "Assign", "%s", n.Message)
		if n.Type == allocator.Warning {
			a.Log.Warn("service needs attention", "service", svc.Name.String(), "reason", n.Reason, "detail", n.Message)
		}
	}
	return nil
}

// setAssignment makes the object say what the Service holds. Entries that are
// right already stay as they are, with whatever else they say.
func setAssignment(obj *corev1.Service, svc config.Service, to allocator.Assignment) {
	ingress := &obj.Status.LoadBalancer.Ingress
	if len(*ingress) != len(to.Addresses) || slices.ContainsFunc(to.Addresses, func(x netip.Addr) bool { return !slices.Contains(svc.Addresses, x) }) {
		*ingress = nil
		for _, addr := range to.Addresses {
			*ingress = append(*ingress, corev1.LoadBalancerIngress{IP: addr.String()})
		}
	}
	delete(obj.Annotations, config.AnnotationAllocatedFrom)
	if to.Pool != "" {
		if obj.Annotations == nil {
			obj.Annotations = map[string]string{}
		}
		obj.Annotations[config.AnnotationAllocatedFrom] = to.Pool
	}
}

// untold holds the news of Services that could not be written: they are told
// once the write succeeds, because by then the allocator has nothing new to say.
type untold struct {
	mu    sync.Mutex
	notes map[types.NamespacedName][]allocator.Note
}

func (u *untold) take(svc types.NamespacedName) []allocator.Note {
	u.mu.Lock()
	defer u.mu.Unlock()
	notes := u.notes[svc]
	delete(u.notes, svc)
	return notes
}

func (u *untold) keep(svc types.NamespacedName, notes []allocator.Note) {
	if len(notes) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.notes == nil {
		u.notes = map[types.NamespacedName][]allocator.Note{}
	}
	u.notes[svc] = notes
}

// log says in one line who got what.
func (a *assigner) log(svc config.Service, to allocator.Assignment) {
	if len(to.Addresses) == 0 {
		a.Log.Info("released", "service", svc.Name.String(), "address", join(svc.Addresses), "pool", svc.FromPool)
		return
	}
	a.Log.Info("assigned", "service", svc.Name.String(), "address", join(to.Addresses), "pool", to.Pool)
}

// deprecated tells the user of each annotation that carries the old prefix,
// when the Service is being written anyway.
func (a *assigner) deprecated(obj *corev1.Service) {
	for _, key := range config.DeprecatedAnnotations(obj) {
		a.events.Eventf(obj, nil, corev1.EventTypeWarning, "deprecatedAnnotation", "Assign",
			"annotation %s is deprecated, use %s", key, config.Renamed(key))
	}
}

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ",")
}
