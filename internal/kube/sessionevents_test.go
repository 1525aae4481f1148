package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/api/v1beta2"
)

// TestSessionNews: what is worth an Event, and its words.
func TestSessionNews(t *testing.T) {
	t.Parallel()

	const router = "192.0.2.1:179"
	const lost = "the router sent nothing for 90 s"
	idle := Session{Router: router}
	unreachable := Session{Router: router, Cause: "unreachable", Detail: "no route to host"}
	up := Session{Router: router, Established: true, Ups: 1}
	upAtLast := Session{Router: router, Established: true, Ups: 1, Cause: "unreachable", Detail: "no route to host"}
	down := Session{Router: router, Ups: 1, Cause: "holdTimerExpired", Detail: lost}
	again := Session{Router: router, Established: true, Ups: 2, Cause: "holdTimerExpired", Detail: lost}
	for name, tt := range map[string]struct {
		before, now Session
		want        string // empty: nothing is said
	}{
		"not tried yet":      {Session{}, idle, ""},
		"cannot connect":     {Session{}, unreachable, "SessionDown by unreachable: no session from node node-a with 192.0.2.1:179: no route to host"},
		"still cannot":       {unreachable, unreachable, ""},
		"established":        {Session{}, up, "SessionEstablished by Connect: session from node node-a with 192.0.2.1:179 established"},
		"established late":   {unreachable, upAtLast, "SessionEstablished by Connect: session from node node-a with 192.0.2.1:179 established"},
		"still established":  {up, up, ""},
		"lost":               {up, down, "SessionDown by holdTimerExpired: no session from node node-a with 192.0.2.1:179: " + lost},
		"lost and back":      {down, again, "SessionEstablished by Reconnect: session from node node-a with 192.0.2.1:179 established again, after: " + lost},
		"away for a moment":  {up, again, "SessionEstablished by Reconnect: session from node node-a with 192.0.2.1:179 established again, after: " + lost},
		"something else now": {unreachable, down, "SessionDown by holdTimerExpired: no session from node node-a with 192.0.2.1:179: " + lost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := ""
			if tt.now.news(tt.before) {
				n, action := tt.now.event("node-a")
				got = n.reason + " by " + action + ": " + n.text
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSessionEvents: what happens before it has settled is one piece of news,
// and a peer that is gone is none.
func TestSessionEvents(t *testing.T) {
	t.Parallel()

	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	name := types.NamespacedName{Namespace: testNamespace, Name: "tor-1"}
	heard := events.NewFakeRecorder(100)
	e := newSessionEvents(testNamespace, "node-a")
	e.events, e.reader = heard, fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}},
	).Build()
	settled := func() {
		t.Helper()
		if _, err := e.reconcile(t.Context(), reconcile.Request{NamespacedName: name}); err != nil {
			t.Fatal(err)
		}
	}

	s := Session{Peer: "tor-1", Router: "192.0.2.1:179"}
	for range 5 {
		s.Established, s.Ups = true, s.Ups+1
		e.report([]Session{s})
		s.Established, s.Cause, s.Detail = false, "closedByPeer", "the router closed the session"
		e.report([]Session{s})
	}
	if _, due := e.queue.waiting[name]; !due || len(heard.Events) > 0 {
		t.Errorf("due %t, %d Events before it settled", due, len(heard.Events))
	}
	settled()
	settled()
	want := "Warning SessionDown no session from node node-a with 192.0.2.1:179: the router closed the session"
	if got := <-heard.Events; got != want || len(heard.Events) > 0 {
		t.Errorf("Event %q and %d more, want %q alone", got, len(heard.Events), want)
	}

	e.report(nil)
	settled()
	if len(e.told) > 0 || len(heard.Events) > 0 {
		t.Errorf("of a peer that is gone: remembered %v, %d Events", e.told, len(heard.Events))
	}
}
