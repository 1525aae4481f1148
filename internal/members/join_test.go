package members

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var errRefused = errors.New("refused")

func TestJoinerBacksOff(t *testing.T) {
	t.Parallel()

	var (
		j     joiner
		start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		now   = start
		peer  = addresses(2)
		said  int
		calls []time.Duration
	)
	for now.Before(start.Add(time.Minute)) {
		if due := j.due(now, peer); len(due) != 1 {
			t.Fatalf("due after %v: %v, want the one peer", now.Sub(start), due)
		}
		calls = append(calls, now.Sub(start))
		if due := j.due(now.Add(time.Hour), peer); len(due) != 0 {
			t.Fatal("a second call while the first is open")
		}
		if j.ended(now, joinResult{peer[0], errRefused}) {
			said++
		}
		at, planned := j.next()
		if !planned || len(j.due(at.Add(-1), peer)) != 0 {
			t.Fatal("no next call, or one before its time")
		}
		now = at
	}

	pauses := []time.Duration{minRetry, 2 * minRetry, 4 * minRetry, 8 * minRetry, maxRetry, maxRetry}
	for i, least := range pauses {
		if got := calls[i+1] - calls[i]; got < least || got > least+least/4 {
			t.Errorf("pause %d is %v, want %v to %v", i+1, got, least, least+least/4)
		}
	}
	if said != 1 {
		t.Errorf("said unreachable %d times, want once", said)
	}

	// A member needs no call; when it is lost it is called at once.
	j.due(now, nil)
	if _, planned := j.next(); planned {
		t.Error("a call is planned though nobody is missing")
	}
	if due := j.due(now, peer); !slices.Equal(due, peer) {
		t.Errorf("due after the loss: %v, want %v", due, peer)
	}
}

func TestJoinerBoundsCalls(t *testing.T) {
	t.Parallel()

	var missing []netip.AddrPort
	for i := range maxCalls + 5 {
		missing = append(missing, address(i+1))
	}
	var (
		j     joiner
		now   = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		first = j.due(now, missing)
	)
	if len(first) != maxCalls {
		t.Fatalf("%d calls at once, want %d", len(first), maxCalls)
	}
	if at, planned := j.next(); planned {
		t.Errorf("next call planned for %v though none can be made", at)
	}
	if j.triedAll(1) {
		t.Error("tried all, though most calls are open")
	}

	for _, p := range first {
		j.ended(now, joinResult{p, errRefused})
	}
	second := j.due(now.Add(time.Hour), missing) // when all are due again
	if len(second) != maxCalls {
		t.Fatalf("%d calls at once, want %d", len(second), maxCalls)
	}
	second = slices.DeleteFunc(second, func(p netip.AddrPort) bool { return slices.Contains(first, p) })
	if len(second) != 5 {
		t.Errorf("second round calls %v for the first time, want the five that the first left out", second)
	}
	for _, p := range second {
		j.ended(now, joinResult{p, errRefused})
	}
	if !j.triedAll(1) {
		t.Error("not tried all, though every call has ended")
	}

	if j.triedAll(2) {
		t.Error("tried all twice, though each has been called once")
	}

	j.ended(now, joinResult{address(99), nil}) // not a peer any more
}
