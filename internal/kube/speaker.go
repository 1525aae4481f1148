package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// SpeakerOptions are what a [Speaker] is made of.
type SpeakerOptions struct {
	Process
	// Node names this node.
	Node string
	// PeerLabels select the pods of all speakers; nil looks for none.
	PeerLabels labels.Set
	Feed       Feed
	Strangers  Strangers
}

// Strangers is whom to ask who else uses addresses of this node.
type Strangers struct {
	// Conflicts returns those that somebody uses, each once.
	Conflicts func() []Conflict
	// Undisputed reports whether an address is this node's, and nobody uses it.
	Undisputed func(netip.Addr) bool
}

// Speaker connects one node's loop to the API server.
type Speaker struct {
	SpeakerOptions

	status    []*serviceStatus // one per protocol
	sessions  *sessionEvents
	conflicts *conflicts
	troubles  *troubles
	synced    atomic.Bool
}

// NewSpeaker returns a connection that is not yet made.
func NewSpeaker(o SpeakerOptions) *Speaker {
	s := &Speaker{
		SpeakerOptions: o,
		sessions:       newSessionEvents(o.Namespace, o.Node),
		conflicts:      newConflicts(o.Node, o.Strangers),
		troubles:       newTroubles(o.Node, o.Log),
	}
	for _, kind := range []statusKind{layer2Status(), bgpStatus()} {
		s.status = append(s.status, newServiceStatus(kind, o.Namespace, o.Node))
	}
	return s
}

// Feed is whom the facts are handed to. None of its functions may block.
type Feed struct {
	Snapshot func(*config.Snapshot)
	Service  func(*announce.Service)
	Gone     func(types.NamespacedName)
	// Synced is called once, when all of the cluster has been handed over.
	Synced func()
	// Peers is called with the addresses of all other speakers, sorted.
	Peers func([]netip.Addr)
}

// Report takes note of what the loop decided; it is written to the API server
// in the background. It does not block.
func (s *Speaker) Report(r announce.Revision) {
	for _, w := range s.status {
		w.report(r)
	}
}

// Sessions takes note of the state of all BGP sessions; what is new is told in
// Events on the BGPPeers. It does not block.
func (s *Speaker) Sessions(all []Session) { s.sessions.report(all) }

// Conflicted takes note that what Strangers say has changed. It does not
// block.
func (s *Speaker) Conflicted() { s.conflicts.changed() }

// Ailing takes note of what somebody has found that ails this node, in place of
// what he found before; it is told in the node's ConfigurationState and in Events
// on the Node. It does not block.
func (s *Speaker) Ailing(by string, problems ...config.Problem) { s.troubles.found(by, problems) }

// Run feeds facts until ctx ends. The error finishes the sentence of what
// failed; nil after a cancelled ctx.
func (s *Speaker) Run(ctx context.Context) error {
	if err := s.await(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	m, err := s.newManager(managing{ready: s.ready, cached: s.cached()})
	if err != nil {
		return err
	}
	if err := m.GetFieldIndexer().IndexField(ctx, &discoveryv1.EndpointSlice{}, byService, indexEndpointSlice); err != nil {
		return fmt.Errorf("kube: failed to index EndpointSlices: %w", err)
	}
	owner := nodeOwner(m.GetClient(), s.Node)
	feeder := &feeder{Speaker: s, reader: m.GetClient()}
	s.troubles.reader, s.troubles.events = m.GetClient(), m.GetEventRecorder("metallb-speaker")
	state := &configState{
		client:    m.GetClient(),
		live:      m.GetAPIReader(),
		namespace: s.Namespace,
		name:      "speaker-" + s.Node,
		condition: v1beta1.ConditionConfigReconcilerValid,
		labels:    map[string]string{v1beta1.LabelComponentType: "speaker", v1beta1.LabelNodeName: s.Node},
		owner:     owner,
	}
	for _, add := range []func() error{
		func() error { return feeder.watchConfiguration(m, state) },
		func() error { return feeder.watchServices(m) },
		func() error { return feeder.watchPeers(m) },
		func() error { return s.sessions.setUp(m) },
		func() error { return s.conflicts.setUp(m) },
		func() error { return m.Add(manager.RunnableFunc(feeder.handOver)) },
	} {
		if err := add(); err != nil {
			return fmt.Errorf("kube: failed to set up a watch: %w", err)
		}
	}
	for _, w := range s.status {
		if err := w.setUp(ctx, m, owner); err != nil {
			return fmt.Errorf("kube: failed to set up the %s: %w", w.kind.name, err)
		}
	}
	if err := m.Start(ctx); err != nil {
		return fmt.Errorf("kube: the connection to the API server ended: %w", err)
	}
	return nil
}

// cached says what the cache keeps of the objects that only speakers read. A
// node looks only at its own ServiceBGPStatus: all nodes announce, and those of
// all would be as many as there are Services, times nodes.
func (s *Speaker) cached() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{
		&corev1.Service{}:          {Transform: trimService},
		&v1beta1.ServiceL2Status{}: {Namespaces: s.here(), Transform: trimStatus},
		&v1beta1.ServiceBGPStatus{}: {
			Namespaces: s.here(), Label: labels.SelectorFromSet(labels.Set{v1beta1.LabelNode: s.Node}), Transform: trimStatus,
		},
		&corev1.Secret{}: passwordSecrets(s.here()),
	}
}

func (s *Speaker) ready(*http.Request) error {
	if !s.synced.Load() {
		return errors.New("the cluster's objects have not been read yet")
	}
	return nil
}

// watchConfiguration reads the whole configuration again whenever one object
// of it changes.
func (f *feeder) watchConfiguration(m manager.Manager, state *configState) error {
	one := handler.EnqueueRequestsFromMapFunc(toEverything)
	return watchConfiguration(m, one).
		Watches(&corev1.Node{}, one, builder.WithPredicates(nodeChanged())).
		Watches(&corev1.Secret{}, one).
		WatchesRawSource(source.Func(f.troubles.queue.connect)).
		Complete(f.metered(f.reconcileConfiguration(state)))
}

func (f *feeder) watchServices(m manager.Manager) error {
	return builder.ControllerManagedBy(m).Named("services").
		For(&corev1.Service{}).
		Watches(&discoveryv1.EndpointSlice{}, handler.EnqueueRequestsFromMapFunc(serviceOf)).
		Complete(f.metered(f.reconcileService))
}

func (f *feeder) watchPeers(m manager.Manager) error {
	if f.PeerLabels == nil {
		return nil
	}
	return builder.ControllerManagedBy(m).Named("peers").WithOptions(quiet()).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(toEverything), builder.WithPredicates(matches(f.PeerLabels))).
		Complete(f.metered(f.reconcilePeers))
}
