package bfd

import "time"

// watch waits for packets that are to come within a limit.
type watch struct {
	heard    time.Time     // when the last one was read; zero while none is waited for
	patience time.Duration // on top of the limit
}

// deadline is when silence means failure, and false if never.
func (w *watch) deadline(limit time.Duration) (time.Time, bool) {
	return w.heard.Add(limit + w.patience), !w.heard.IsZero()
}

// expired reports whether the deadline has passed. A reader that comes to it
// late by a good part of the interval between packets was kept from running, and
// what stopped it may have stopped more than this process: the machine's own
// network stack, if the hypervisor paused it. So then, once per silence, the peer
// gets another interval.
func (w *watch) expired(limit, interval time.Duration, now time.Time) bool {
	at, ok := w.deadline(limit)
	if !ok || now.Before(at) {
		return false
	}
	if late := now.Sub(at); late > interval/4 && w.patience == 0 {
		w.patience = late + interval
		return false
	}
	return true
}
