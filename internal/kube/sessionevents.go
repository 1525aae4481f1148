package kube

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/api/v1beta2"
)

// Session is the session of this node with one router.
type Session struct {
	// Peer is the name of the BGPPeer.
	Peer string
	// Router is the router's address and port.
	Router      string
	Established bool
	// Ups counts how often it was established.
	Ups uint64
	// Cause is one word for why it is not established, or was not before; empty
	// if nothing has gone wrong yet. Detail says it in a sentence.
	Cause, Detail string
}

// news reports whether s says something that before does not.
func (s Session) news(before Session) bool {
	if s.Established {
		return !before.Established || s.Ups != before.Ups
	}
	return s.Cause != "" && (before.Established || s.Cause != before.Cause)
}

// event says what is new in a session. Its action distinguishes it from others
// of the same reason: those that share both, the API's recorder gathers into one
// Event that counts, so that a router which resets every second is no flood.
func (s Session) event(node string) (n news, action string) {
	switch {
	case !s.Established:
		return news{corev1.EventTypeWarning, "SessionDown", fmt.Sprintf("no session from node %s with %s: %s", node, s.Router, s.Detail)}, s.Cause
	case s.Ups > 1:
		return news{corev1.EventTypeNormal, "SessionEstablished", fmt.Sprintf("session from node %s with %s established again, after: %s", node, s.Router, s.Detail)}, "Reconnect"
	default:
		return news{corev1.EventTypeNormal, "SessionEstablished", fmt.Sprintf("session from node %s with %s established", node, s.Router)}, "Connect"
	}
}

// sessionEvents tell in Events on the BGPPeers what became of the sessions of
// one node.
type sessionEvents struct {
	namespace, node string

	reader client.Reader
	events events.EventRecorder

	mu sync.Mutex
	// now are the sessions by Peer, and told those that Events told of.
	now, told map[string]Session
	queue     queue // has its own lock
}

func newSessionEvents(namespace, node string) *sessionEvents {
	return &sessionEvents{namespace: namespace, node: node, now: map[string]Session{}, told: map[string]Session{}}
}

// report takes note of all sessions, and has what is new told once it settles.
func (e *sessionEvents) report(all []Session) {
	e.mu.Lock()
	defer e.mu.Unlock()

	clear(e.now)
	for _, s := range all {
		e.now[s.Peer] = s
		if s.news(e.told[s.Peer]) {
			e.queue.add(types.NamespacedName{Namespace: e.namespace, Name: s.Peer}, settle)
		}
	}
	for peer := range e.told {
		if _, ok := e.now[peer]; !ok {
			delete(e.told, peer)
		}
	}
}

func (e *sessionEvents) setUp(m manager.Manager) error {
	e.reader = m.GetClient()
	e.events = m.GetEventRecorder("metallb-speaker")
	return builder.ControllerManagedBy(m).Named("sessions").WithOptions(quiet()).
		WatchesRawSource(source.Func(e.queue.connect)).
		Complete(reconcile.Func(e.reconcile))
}

func (e *sessionEvents) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	s, ok := e.take(r.Name)
	if !ok {
		return reconcile.Result{}, nil
	}
	var peer v1beta2.BGPPeer
	if err := e.reader.Get(ctx, r.NamespacedName, &peer); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	n, action := s.event(e.node)
	e.events.Eventf(&peer, nil, n.kind, n.reason, action, "%s", shorten(n.text))
	return reconcile.Result{}, nil
}

// take returns the session with a peer if there is something new to tell of it,
// and notes that it has been told.
func (e *sessionEvents) take(peer string) (Session, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()

	s := e.now[peer]
	if !s.news(e.told[peer]) {
		return Session{}, false
	}
	e.told[peer] = s
	return s, true
}
