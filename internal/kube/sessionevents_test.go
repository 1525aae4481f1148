package kube

import (
	"testing"
	"testing/synctest"
	"time"

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
		"cannot connect":     {Session{}, unreachable, "SessionDown: no session from node node-a with 192.0.2.1:179: no route to host"},
		"still cannot":       {unreachable, unreachable, ""},
		"established":        {Session{}, up, "SessionEstablished: session from node node-a with 192.0.2.1:179 established"},
		"established late":   {unreachable, upAtLast, "SessionEstablished: session from node node-a with 192.0.2.1:179 established"},
		"still established":  {up, up, ""},
		"lost":               {up, down, "SessionDown: no session from node node-a with 192.0.2.1:179: " + lost},
		"lost and back":      {down, again, "SessionEstablished: session from node node-a with 192.0.2.1:179 established again, after: " + lost},
		"away for a moment":  {up, again, "SessionEstablished: session from node node-a with 192.0.2.1:179 established again, after: " + lost},
		"something else now": {unreachable, down, "SessionDown: no session from node node-a with 192.0.2.1:179: " + lost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := ""
			if tt.now.news(tt.before) {
				n := tt.now.event("node-a")
				got = n.reason + ": " + n.text
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSessionEvents: a router that resets all the time is told of now and then.
func TestSessionEvents(t *testing.T) {
	t.Parallel()

	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	name := types.NamespacedName{Namespace: testNamespace, Name: "tor-1"}
	peer := &v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(peer).Build()

	synctest.Test(t, func(t *testing.T) {
		heard := events.NewFakeRecorder(100)
		e := newSessionEvents(testNamespace, "node-a")
		e.reader, e.events = api, heard
		s := Session{Peer: "tor-1", Router: "192.0.2.1:179"}
		for range 60 {
			s.Established, s.Ups = true, s.Ups+1
			e.report([]Session{s})
			s.Established, s.Cause, s.Detail = false, "closedByPeer", "closed"
			e.report([]Session{s})
			// The queue calls once for all that was added meanwhile, when it is time.
			for due := e.queue.waiting[name]; due == settle; due = 0 {
				if _, err := e.reconcile(t.Context(), reconcile.Request{NamespacedName: name}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		if got := len(heard.Events); got == 0 || got > 3 {
			t.Errorf("a router that resets every second for a minute got %d Events, want at most 3", got)
		}

		e.report(nil)
		if len(e.told) > 0 {
			t.Errorf("a peer that is gone is remembered: %v", e.told)
		}
	})
}
