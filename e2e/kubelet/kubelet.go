package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

	"github.com/clarion-lb/clarion/e2e/controlplane"
	"github.com/clarion-lb/clarion/e2e/network"
)

// Options describe a node. Host, PodCIDRs, Identity, Box and Dir are required.
type Options struct {
	Host     *network.Host
	PodCIDRs []netip.Prefix // IPv4 first
	Labels   map[string]string
	Identity controlplane.Node
	Images   *Images
	Box      string // the program made from cmd/box
	Dir      string // for volumes and logs
	// Service is where Pods find the API server: the ClusterIP of the Service named kubernetes.
	Service netip.AddrPort
	Log     *slog.Logger
}

// Kubelet runs the Pods of one node.
type Kubelet struct {
	options Options
	name    string
	client  kubernetes.Interface
	network *network.PodNetwork
	events  record.EventRecorder
	log     *slog.Logger

	mu    sync.Mutex
	pods  map[types.UID]*pod
	group sync.WaitGroup
}

// New prepares a kubelet. It starts nothing.
func New(options Options) (*Kubelet, error) {
	podNetwork, err := network.NewPodNetwork(options.Host, options.PodCIDRs)
	if err != nil {
		return nil, err
	}
	config := rest.CopyConfig(options.Identity.Config)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to make a client: %w", err)
	}
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Kubelet{
		options: options,
		name:    options.Host.Name(),
		client:  client,
		network: podNetwork,
		log:     log.With("node", options.Host.Name()),
		pods:    map[types.UID]*pod{},
	}, nil
}

// Run runs the node until ctx ends. Then every process of every Pod is killed and nobody is told: to the cluster it is a crash. It
// returns when all are gone.
func (k *Kubelet) Run(ctx context.Context) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: k.client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	k.events = broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: k.name})

	server, err := k.newServer(ctx)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	group.Go(func() { server.serve(ctx) })
	if err := k.register(ctx); err != nil {
		return err
	}
	group.Go(func() { k.keepLease(ctx) })
	group.Go(func() { k.keepStatus(ctx) })
	group.Go(func() { k.watchPods(ctx) })
	group.Wait()
	k.group.Wait()
	return nil
}

// sync brings the worker of a Pod up to date, or starts one.
func (k *Kubelet) sync(ctx context.Context, object *corev1.Pod) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.pods[object.UID]; ok {
		p.update(object)
		return
	}
	if ctx.Err() != nil || (finished(object) && object.DeletionTimestamp == nil) {
		return
	}
	p := newPod(k, object)
	k.pods[object.UID] = p
	k.group.Go(func() {
		p.run(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.pods, object.UID)
	})
}

// forget ends a Pod whose object has vanished, as force deletion makes it.
func (k *Kubelet) forget(uid types.UID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.pods[uid]; ok {
		p.vanish()
	}
}

// known returns the Pods that have a worker.
func (k *Kubelet) known() []types.UID {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Keys(k.pods))
}

// find returns the worker of a Pod by name.
func (k *Kubelet) find(namespace, name string) (*pod, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		if p.object().Namespace == namespace && p.object().Name == name {
			return p, true
		}
	}
	return nil, false
}

// finished reports whether a Pod has run to its end and is only kept to be looked at.
func finished(object *corev1.Pod) bool {
	return object.Status.Phase == corev1.PodSucceeded || object.Status.Phase == corev1.PodFailed
}

// pause waits, and reports whether it could wait for the whole time.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
