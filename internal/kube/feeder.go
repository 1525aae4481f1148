package kube

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// feeder turns watched objects into the facts of one node's loop.
type feeder struct {
	*Speaker
	reader client.Reader

	mu sync.Mutex
	// last is the configuration handed over last.
	last *config.Snapshot
}

// handOver reads everything the cache holds, once, and then says so. The cache
// is complete when it is called.
func (f *feeder) handOver(ctx context.Context) error {
	if _, err := f.compile(ctx); err != nil {
		return err
	}
	var services corev1.ServiceList
	if err := list(ctx, f.reader, &services); err != nil {
		return err
	}
	for i := range services.Items {
		if err := f.hand(ctx, &services.Items[i]); err != nil {
			return err
		}
	}
	f.Feed.Synced()
	f.synced.Store(true)
	<-ctx.Done()
	return nil
}

func (f *feeder) reconcileConfiguration(state *configState) reconcile.Func {
	return func(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
		problems, err := f.compile(ctx)
		if err != nil {
			return reconcile.Result{}, err
		}
		ailing := f.troubles.all()
		f.troubles.tell(ctx, ailing)
		return reconcile.Result{}, state.write(ctx, append(problems, ailing...))
	}
}

// compile reads the configuration from the cache and hands it over if it says
// something new.
func (f *feeder) compile(ctx context.Context) ([]config.Problem, error) {
	// Held from reading to handing over, so that what is older never comes last.
	f.mu.Lock()
	defer f.mu.Unlock()

	objects, err := readObjects(ctx, f.reader, true)
	if err != nil {
		return nil, err
	}
	snap, problems := config.Compile(objects)
	if !reflect.DeepEqual(f.last, snap) {
		f.last = snap
		f.Feed.Snapshot(snap)
	}
	f.Meter.Config(len(problems))
	return problems, nil
}

func (f *feeder) reconcileService(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	var svc corev1.Service
	err := f.reader.Get(ctx, r.NamespacedName, &svc)
	if apierrors.IsNotFound(err) {
		f.Feed.Gone(r.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("kube: failed to read Service %s: %w", r, err)
	}
	return reconcile.Result{}, f.hand(ctx, &svc)
}

// hand gives one Service and its endpoints to the loop, or takes back one that
// is not, or no longer, ours.
func (f *feeder) hand(ctx context.Context, obj *corev1.Service) error {
	svc := config.ParseService(obj)
	if !svc.LoadBalancer || !f.Handles(svc.Class) {
		f.Feed.Gone(svc.Name)
		return nil
	}
	endpoints, err := f.endpoints(ctx, svc.Name)
	if err != nil {
		return err
	}
	f.Feed.Service(&announce.Service{Service: svc, Endpoints: endpoints})
	return nil
}

func (f *feeder) endpoints(ctx context.Context, svc types.NamespacedName) (config.Endpoints, error) {
	var found discoveryv1.EndpointSliceList
	err := f.reader.List(ctx, &found, client.InNamespace(svc.Namespace), client.MatchingFields{byService: svc.String()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return config.Endpoints{}, fmt.Errorf("kube: failed to read the endpoints of Service %s: %w", svc, err)
	}
	all := make([]*discoveryv1.EndpointSlice, len(found.Items))
	for i := range found.Items {
		all[i] = &found.Items[i]
	}
	return config.ParseEndpoints(all), nil
}

// reconcilePeers hands over the addresses of the other speakers' pods.
func (f *feeder) reconcilePeers(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	var pods corev1.PodList
	err := f.reader.List(ctx, &pods, client.InNamespace(f.Namespace), client.MatchingLabels(f.PeerLabels), client.UnsafeDisableDeepCopy)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("kube: failed to list the speakers' pods: %w", err)
	}
	var peers []netip.Addr
	for i := range pods.Items {
		p := &pods.Items[i]
		if a, err := netip.ParseAddr(p.Status.PodIP); err == nil && p.Spec.NodeName != f.Node {
			peers = append(peers, a)
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	f.Feed.Peers(slices.Compact(peers))
	return reconcile.Result{}, nil
}

// metered counts each object handled.
func (p *Process) metered(do reconcile.Func) reconcile.Func {
	return func(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
		result, err := do(ctx, r)
		p.Meter.Update(err)
		return result, err
	}
}
