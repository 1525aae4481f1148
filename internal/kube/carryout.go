package kube

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// carryOut writes what was decided about a Service and then tells its user.
// Nothing is written that is there already; it reports whether anything was to
// be.
func (a *assigner) carryOut(ctx context.Context, obj *corev1.Service, svc config.Service, o allocator.Outcome) (bool, error) {
	news := append(a.untold.take(svc.Name), o.Notes...)
	next := obj.DeepCopy()
	if o.Changed {
		setAssignment(next, svc, o.Assignment)
	}
	setMode(next, svc, o.Assignment)
	setCondition(next, o)
	tried := !equality.Semantic.DeepEqual(obj, next)
	if tried {
		// Over the version that was read: the answer is for that Service and no
		// other. Whoever changed it meanwhile has sent an event that brings us back.
		written, err := a.services.write(ctx, obj, next)
		if err != nil || !written {
			a.untold.keep(svc.Name, news)
			return true, err
		}
		a.wrote(svc.Name, next.ResourceVersion)
	}
	if o.Changed {
		a.log(svc, o.Assignment)
		a.deprecated(obj)
	}
	for _, n := range news {
		a.events.Eventf(obj, nil, string(n.Type), n.Reason, "Assign", "%s", n.Message)
		if n.Type == allocator.Warning {
			a.Log.Warn("service needs attention", "service", svc.Name.String(), "reason", n.Reason, "detail", n.Message)
		}
	}
	return tried, nil
}

// wrote notes the version that a Service has by our doing: what the watch
// brings until then is out of date.
func (a *assigner) wrote(name types.NamespacedName, version string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written[name] = version
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

// setMode makes the entries of a Service that asks for it say ipMode Proxy.
// Otherwise the API server's default (VIP) is left to it.
func setMode(obj *corev1.Service, svc config.Service, to allocator.Assignment) {
	if len(to.Addresses) == 0 {
		return
	}
	for i := range obj.Status.LoadBalancer.Ingress {
		in := &obj.Status.LoadBalancer.Ingress[i]
		isProxy := in.IPMode != nil && *in.IPMode == corev1.LoadBalancerIPModeProxy
		switch {
		case svc.Proxy && !isProxy:
			proxy := corev1.LoadBalancerIPModeProxy
			in.IPMode = &proxy
		case !svc.Proxy && isProxy:
			in.IPMode = nil
		}
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
