package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/clarion-lb/clarion/allocator"
)

// Conflict is what this node knows about who else uses an address that it
// answers for or watches.
type Conflict struct {
	Address netip.Addr
	// MAC and Interface are those of the host that was heard.
	MAC, Interface string
	// Since is when it was first heard and Heard when it last was.
	Since, Heard time.Time
	// Held tells that this node stays silent until that host does.
	Held bool
}

// same reports whether both are about the same host, heard for the same reason.
func (c Conflict) same(o Conflict) bool {
	return c.MAC == o.MAC && c.Interface == o.Interface && c.Since.Equal(o.Since)
}

const (
	// conflictDelay gathers the changes of a burst.
	conflictDelay = 50 * time.Millisecond
	// conflictLook is how often the engine is asked while there are conflicts, as
	// it does not call that a change when a stranger is heard again.
	conflictLook = time.Minute
	// conflictRenewal is how often it is written that one still is.
	conflictRenewal = allocator.QuarantineTime / 2
	// conflictPause is the least time between two writes about one address: two
	// strangers on one address are news with every frame.
	conflictPause = 10 * time.Second
)

// conflicts tell the cluster of hosts outside it that use its addresses: in the
// claim of the address, which is where the controller looks, and in an Event on
// the Service. They write what was heard and when. What follows from it, and when
// it is over, is for the controller to say: so nothing stays behind if this node
// dies, and a speaker needs no right to delete claims.
type conflicts struct {
	node      string
	strangers Strangers
	reader    client.Reader
	events    events.EventRecorder
	// claims is nil where the API server has no IPAddress objects: all that is
	// said is then in Events.
	claims *sharedClaims

	queue queue // has its own lock

	// The reconciler's own.

	// now are the conflicts that are to be told of, and told those that were.
	now  map[netip.Addr]Conflict
	told map[netip.Addr]telling
}

// telling is what was said of an address.
type telling struct {
	Conflict
	written time.Time
}

func newConflicts(node string, strangers Strangers) *conflicts {
	return &conflicts{node: node, strangers: strangers, now: map[netip.Addr]Conflict{}, told: map[netip.Addr]telling{}}
}

// changed has the engine asked again. It does not block.
func (w *conflicts) changed() { w.queue.add(everything().NamespacedName, conflictDelay) }

func (w *conflicts) setUp(m manager.Manager) error {
	shared, err := servesClaims(m.GetRESTMapper())
	if err != nil {
		return err
	}
	if shared {
		w.claims = &sharedClaims{client: m.GetClient(), live: m.GetAPIReader()}
	}
	w.reader = m.GetClient()
	w.events = m.GetEventRecorder("metallb-speaker")
	return builder.ControllerManagedBy(m).Named("conflicts").WithOptions(quiet()).
		WatchesRawSource(source.Func(w.queue.connect)).
		Complete(reconcile.Func(w.reconcile))
}

func (w *conflicts) reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	if r == everything() {
		return reconcile.Result{RequeueAfter: w.look(time.Now())}, nil
	}
	addr, err := netip.ParseAddr(r.Name)
	if err != nil {
		return reconcile.Result{}, nil //nolint:nilerr // only addresses are added
	}
	later, err := w.tell(ctx, addr)
	return reconcile.Result{RequeueAfter: later}, err
}

// look asks the engine what it knows, has what is new told, and returns when to
// ask again at the latest; 0 for not before something changes.
func (w *conflicts) look(now time.Time) time.Duration {
	clear(w.now)
	for _, c := range w.strangers.Conflicts() {
		if now.Sub(c.Heard) < allocator.QuarantineTime {
			w.now[c.Address] = c
			w.queue.add(types.NamespacedName{Name: c.Address.String()}, 0)
		}
	}
	for addr := range w.told {
		if _, conflict := w.now[addr]; conflict {
			continue
		}
		if w.strangers.Undisputed(addr) {
			w.queue.add(types.NamespacedName{Name: addr.String()}, 0)
		} else {
			// Not heard for long, or no longer this node's to know about.
			delete(w.told, addr)
		}
	}
	if len(w.now) == 0 {
		return 0
	}
	return conflictLook
}

// tell says of one address what is new, and returns when to try again what was
// put off.
func (w *conflicts) tell(ctx context.Context, addr netip.Addr) (later time.Duration, err error) {
	c, conflict := w.now[addr]
	last, told := w.told[addr]
	switch {
	case !conflict && !told:
		return 0, nil
	case !conflict:
		if err := w.write(ctx, addr, nil); err != nil {
			return 0, err
		}
		delete(w.told, addr)
		return 0, nil
	}
	since := time.Since(last.written)
	renewed := since >= conflictRenewal && c.Heard.After(last.Heard)
	switch {
	case told && c.same(last.Conflict) && !renewed:
		return 0, nil
	case told && since < conflictPause:
		return conflictPause - since, nil
	}
	if err := w.write(ctx, addr, &allocator.Stranger{
		MAC: c.MAC, Interface: c.Interface, Node: w.node, Since: c.Since, Heard: c.Heard,
	}); err != nil {
		return 0, err
	}
	w.told[addr] = telling{c, time.Now()}
	if told && c.same(last.Conflict) {
		return 0, nil
	}
	return 0, w.warn(ctx, c)
}

// write says in the claim of an address who else uses it; nil that nobody does.
// There may be no claim yet, of an address that is only watched. That of another
// owner is left alone: nobody is given such an address anyway.
func (w *conflicts) write(ctx context.Context, addr netip.Addr, by *allocator.Stranger) error {
	if w.claims == nil {
		return nil
	}
	for range claimAttempts {
		c, err := w.claims.read(ctx, addr)
		if err != nil {
			return err
		}
		if c.Foreign != "" || by == nil && (c.Stranger == nil || c.Stranger.Node != w.node) {
			return nil
		}
		c.Stranger = by
		if err := w.claims.say(ctx, c); !errors.Is(err, errStale) {
			return err
		}
	}
	return fmt.Errorf("kube: the claim of %s changes too often", addr)
}

// warn tells the users of an address.
func (w *conflicts) warn(ctx context.Context, c Conflict) error {
	var services corev1.ServiceList
	if err := w.reader.List(ctx, &services, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("kube: failed to list Services: %w", err)
	}
	does := "node " + w.node + " defends it"
	if c.Held {
		does = "node " + w.node + " does not announce it before that host is gone"
	}
	for i := range services.Items {
		if svc := &services.Items[i]; shows(svc, c.Address) {
			w.events.Eventf(svc, nil, corev1.EventTypeWarning, allocator.EventAddressConflict, "Announce",
				"%s is in use by host %s outside the cluster, seen on %s: %s", c.Address, c.MAC, c.Interface, does)
		}
	}
	return nil
}
