package bfd

import "time"

// slowInterval is the shortest interval between packets that a session which is
// not Up may announce or send (RFC 5880, 6.8.3).
const slowInterval = time.Second

// timing is the pair of intervals that one end announces, and what of them is in
// force. A change made while the session is up has to be confirmed by the peer,
// by Poll and Final, before it may take effect in the direction where the two
// ends would otherwise disagree (RFC 5880, 6.8.3).
type timing struct {
	desiredTx, requiredRx time.Duration // announced
	activeTx, activeRx    time.Duration // in force
	polling               bool          // a Poll Sequence is under way
	again                 bool          // and has to be followed by another
}

// set announces other intervals.
func (t *timing) set(desiredTx, requiredRx time.Duration, up bool) {
	if !up {
		// Nothing to confirm: the peer learns the intervals with the state.
		*t = timing{desiredTx: desiredTx, requiredRx: requiredRx, activeTx: desiredTx, activeRx: requiredRx}
		return
	}
	if desiredTx == t.desiredTx && requiredRx == t.requiredRx {
		return
	}
	t.desiredTx, t.requiredRx = desiredTx, requiredRx
	// Sending faster is safe at once, and so is waiting longer. Sending slower has
	// to wait until the peer's detection time is known to be longer, waiting
	// less until the peer is known to send faster.
	t.activeTx = min(t.activeTx, desiredTx)
	t.activeRx = max(t.activeRx, requiredRx)
	// A Final that is on its way confirms what was announced before.
	t.again = t.polling
	t.polling = true
}

// final ends the Poll Sequence under way, if any.
func (t *timing) final() {
	switch {
	case !t.polling:
	case t.again:
		t.again = false
	default:
		t.polling = false
		t.activeTx, t.activeRx = t.desiredTx, t.requiredRx
	}
}

// jitter shortens a transmission interval by 0 to 25 %, so that systems which
// started together do not stay in step. With a multiplier of 1 it is at least
// 10 %, as one packet has to arrive within each interval (RFC 5880, 6.8.7). The
// throw decides where in the range.
func jitter(interval time.Duration, multiplier uint8, throw uint32) time.Duration {
	lo, hi := time.Duration(0), interval/4
	if multiplier == 1 {
		lo = interval / 10
	}
	return interval - lo - time.Duration(float64(hi-lo)*(float64(throw)/(1<<32)))
}
