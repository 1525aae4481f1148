package kube

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// troubles are what ails one node and is no object's fault alone: a mounted file
// that says nothing usable, a setting of its kernel. They are told where the
// problems of objects are, in the node's ConfigurationState, and in Events on the
// Node; and are taken back there by themselves.
type troubles struct {
	node   string
	log    *slog.Logger
	reader client.Reader
	events events.EventRecorder

	mu    sync.Mutex
	now   map[string][]config.Problem // by who found them
	queue queue                       // has its own lock; wakes who writes the ConfigurationState

	said []config.Problem // the reconciler's own
}

func newTroubles(node string, log *slog.Logger) *troubles {
	return &troubles{node: node, log: log, now: map[string][]config.Problem{}}
}

// found replaces what one finder has found.
func (t *troubles) found(by string, problems []config.Problem) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Equal(t.now[by], problems) {
		return
	}
	t.now[by] = slices.Clone(problems)
	t.queue.add(everything().NamespacedName, 0)
}

// all returns the troubles of all finders.
func (t *troubles) all() []config.Problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []config.Problem
	for _, by := range slices.Sorted(maps.Keys(t.now)) {
		out = append(out, t.now[by]...)
	}
	return out
}

// tell says of each trouble once that it is there, and that it is over.
func (t *troubles) tell(ctx context.Context, problems []config.Problem) {
	for _, p := range t.said {
		if !slices.Contains(problems, p) {
			t.log.Info("trouble on this node is over", "kind", p.Kind, "name", p.Name, "field", p.Field)
		}
	}
	for _, p := range problems {
		if slices.Contains(t.said, p) {
			continue
		}
		t.log.Warn("trouble on this node", "kind", p.Kind, "name", p.Name, "field", p.Field, "value", p.Value, "reason", p.Reason)
		var node corev1.Node
		if t.reader.Get(ctx, types.NamespacedName{Name: t.node}, &node) == nil {
			// The action keeps the Events of two troubles apart, which share the rest.
			t.events.Eventf(&node, nil, corev1.EventTypeWarning, v1beta1.ReasonConfigurationError, p.Kind+" "+p.Name, "%s", shorten(p.Error()))
		}
	}
	t.said = slices.Clone(problems)
}
