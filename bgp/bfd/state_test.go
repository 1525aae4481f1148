package bfd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStateMachine is the complete table of RFC 5880, 6.2 and 6.8.6: every state
// by every event.
func TestStateMachine(t *testing.T) {
	t.Parallel()
	events := []event{heardAdminDown, heardDown, heardInit, heardUp, timedOut, echoTimedOut, disabled}
	const (
		failed = true
		meant  = false
	)
	off := transition{to: AdminDown, diag: AdministrativelyDown}
	stay := func(s State) transition { return transition{to: s} }
	down := func(d Diagnostic, failure bool) transition {
		return transition{to: Down, diag: d, failure: failure}
	}
	want := map[State][]transition{
		AdminDown: {stay(AdminDown), stay(AdminDown), stay(AdminDown), stay(AdminDown), stay(AdminDown), stay(AdminDown), off},
		Down:      {stay(Down), stay(Init), stay(Up), stay(Down), stay(Down), stay(Down), off},
		Init: {
			down(NeighborSignaledDown, meant), stay(Init), stay(Up), stay(Up),
			down(DetectionTimeExpired, meant), stay(Init), off,
		},
		Up: {
			down(NeighborSignaledDown, meant), down(NeighborSignaledDown, failed), stay(Up), stay(Up),
			down(DetectionTimeExpired, failed), down(EchoFailed, failed), off,
		},
	}
	got := make(map[State][]transition)
	for s := range want {
		for i, e := range events {
			want[s][i].from = s
			got[s] = append(got[s], s.next(e))
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(transition{})); diff != "" {
		t.Error(diff)
	}
}

// TestWords: states and diagnostics are told to operators by the words of RFC
// 5880, also those that only peers use.
func TestWords(t *testing.T) {
	t.Parallel()
	var got []string
	for s := range State(5) {
		got = append(got, s.String())
	}
	for d := range Diagnostic(10) {
		got = append(got, d.String())
	}
	want := []string{
		"AdminDown", "Down", "Init", "Up", "unknown state",
		"no diagnostic", "control detection time expired", "echo function failed", "neighbor signaled session down",
		"forwarding plane reset", "path down", "concatenated path down", "administratively down",
		"reverse concatenated path down", "unknown diagnostic",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
