package kube

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
)

// teller is one node that hears strangers, and an API server that notes what is
// written to it.
type teller struct {
	*testing.T
	*conflicts
	heard  []Conflict // what the engine knows
	owned  netip.Addr // the node's own
	writes []string
	events *events.FakeRecorder
}

func newTeller(t *testing.T, objects ...client.Object) *teller {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &teller{T: t, events: events.NewFakeRecorder(100)}
	note := func(verb string, obj client.Object) { w.writes = append(w.writes, verb+" "+obj.GetName()) }
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			note("create", obj)
			return c.Create(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			note("patch", obj)
			return c.Patch(ctx, obj, patch, opts...)
		},
		Delete: func(_ context.Context, _ client.WithWatch, obj client.Object, _ ...client.DeleteOption) error {
			return fmt.Errorf("a speaker must not delete %s", obj.GetName())
		},
	}).Build()
	w.conflicts = newConflicts("node-a", Strangers{
		Conflicts: func() []Conflict { return w.heard },
		Undisputed: func(addr netip.Addr) bool {
			return addr == w.owned && !slices.ContainsFunc(w.heard, func(c Conflict) bool { return c.Address == addr })
		},
	})
	w.reader, w.conflicts.events, w.claims = c, w.events, &sharedClaims{client: c, live: c}
	return w
}

// round lets the node look and do all that is due, and returns what it wrote.
func (w *teller) round() []string {
	w.Helper()
	w.writes = nil
	if _, err := w.reconcile(w.Context(), everything()); err != nil {
		w.Fatal(err)
	}
	for name := range w.queue.waiting {
		delete(w.queue.waiting, name)
		if _, err := w.reconcile(w.Context(), reconcile.Request{NamespacedName: name}); err != nil {
			w.Fatal(err)
		}
	}
	slices.Sort(w.writes)
	return w.writes
}

func (w *teller) claim(addr string) *networkingv1.IPAddress {
	w.Helper()
	var obj networkingv1.IPAddress
	if err := w.reader.Get(w.Context(), types.NamespacedName{Name: addr}, &obj); err != nil {
		w.Fatal(err)
	}
	return &obj
}

func (w *teller) said() (all []string) {
	for len(w.events.Events) > 0 {
		all = append(all, <-w.events.Events)
	}
	return all
}

func claimOf(t *testing.T, c allocator.Claim) *networkingv1.IPAddress {
	t.Helper()
	obj, err := newClaimObject(c)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestConflictsAreTold defends P7 and P10: who else uses an address is said in
// its claim and to its Service, once; that it still does, rarely; and what is
// another owner's is left alone.
func TestConflictsAreTold(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		owned, watched, foreign := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
		web := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
		web.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: owned.String()}}
		w := newTeller(t, web,
			claimOf(t, allocator.Claim{Address: owned, Holders: []allocator.Holder{{Service: types.NamespacedName{Namespace: "default", Name: "web"}, Version: "1"}}}),
			&networkingv1.IPAddress{ObjectMeta: metav1.ObjectMeta{Name: foreign.String(), Labels: map[string]string{labelManagedBy: "somebody"}}})
		w.owned = owned
		before := w.claim(owned.String()).Annotations[annotationHolders]

		since := time.Now()
		stranger := func(a netip.Addr) Conflict {
			return Conflict{Address: a, MAC: "02:00:5e:00:53:01", Interface: "eth0", Since: since, Heard: time.Now()}
		}
		nobody := func() []Conflict { return nil }
		all := func() []Conflict { return []Conflict{stranger(owned), stranger(watched), stranger(foreign)} }
		for _, step := range []struct {
			name   string
			after  time.Duration
			heard  func() []Conflict
			writes []string
			events []string
		}{
			{"nothing", 0, nobody, nil, nil},
			{
				"strangers", 0, all,
				[]string{"create 192.0.2.2", "patch 192.0.2.1"},
				[]string{"Warning AddressConflict 192.0.2.1 is in use by host 02:00:5e:00:53:01 outside the cluster, seen on eth0: node node-a defends it"},
			},
			{"the same", time.Minute, all, nil, nil},
			{"still there", 5 * time.Minute, all, []string{"patch 192.0.2.1", "patch 192.0.2.2"}, nil},
			{"not heard again", 6 * time.Minute, func() []Conflict { return w.heard }, nil, nil},
			{"heard again", time.Minute, all, []string{"patch 192.0.2.1", "patch 192.0.2.2"}, nil},
			{"gone, or another node's", time.Minute, nobody, []string{"patch 192.0.2.1"}, nil},
			{"nothing again", time.Minute, nobody, nil, nil},
		} {
			time.Sleep(step.after)
			w.heard = step.heard()
			if diff := cmp.Diff(step.writes, w.round()); diff != "" {
				t.Errorf("%s: writes (-want +got):\n%s", step.name, diff)
			}
			if diff := cmp.Diff(step.events, w.said()); diff != "" {
				t.Errorf("%s: Events (-want +got):\n%s", step.name, diff)
			}
			if step.name == "strangers" {
				c, err := parseClaim(w.claim(owned.String()))
				want := &allocator.Stranger{MAC: "02:00:5e:00:53:01", Interface: "eth0", Node: "node-a", Since: since.UTC(), Heard: since.UTC()}
				if diff := cmp.Diff(want, c.Stranger); diff != "" || err != nil {
					t.Errorf("error %v, stranger (-want +got):\n%s", err, diff)
				}
			}
		}
		if got := w.claim(owned.String()).Annotations; got[annotationHolders] != before || got[annotationConflict] != "" {
			t.Errorf("the claim now says %v, want holders %s and no conflict", got, before)
		}
		free := w.claim(watched.String())
		if p := free.Spec.ParentRef; p.Resource != "nodes" || p.Name != "node-a" || free.Annotations[annotationConflict] == "" {
			t.Errorf("the free address says %v of %v", free.Annotations, p)
		}
		if got := w.claim(foreign.String()).Annotations; len(got) > 0 {
			t.Errorf("what is another owner's now says %v", got)
		}
	})
}

// TestTwoStrangers defends P10: two hosts in turn on one address are news with
// every frame, and not a write with every frame.
func TestTwoStrangers(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		w, writes := newTeller(t), 0
		for i := range 600 {
			w.heard = []Conflict{{
				Address: netip.MustParseAddr("192.0.2.1"), MAC: fmt.Sprintf("02:00:5e:00:53:0%d", i%2),
				Interface: "eth0", Since: time.Now(), Heard: time.Now(),
			}}
			writes += len(w.round())
			time.Sleep(100 * time.Millisecond)
		}
		if writes != 6 {
			t.Errorf("%d writes in a minute, want 6", writes)
		}
	})
}

// TestConflictsWithoutClaims holds that Events say it where there are no
// IPAddress objects.
func TestConflictsWithoutClaims(t *testing.T) {
	t.Parallel()

	web := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	web.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}
	w := newTeller(t, web)
	w.claims = nil
	w.heard = []Conflict{{
		Address: netip.MustParseAddr("192.0.2.1"), MAC: "02:00:5e:00:53:01", Interface: "eth0",
		Since: time.Now(), Heard: time.Now(), Held: true,
	}}
	if got := w.round(); got != nil {
		t.Errorf("wrote %v", got)
	}
	want := []string{"Warning AddressConflict 192.0.2.1 is in use by host 02:00:5e:00:53:01 outside the cluster, " +
		"seen on eth0: node node-a does not announce it before that host is gone"}
	if diff := cmp.Diff(want, w.said()); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
}
