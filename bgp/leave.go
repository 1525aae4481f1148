package bgp

import (
	"fmt"
	"time"
)

const (
	defaultDrainTime = 2 * time.Second
	// flushLimit is how long a router may take to take the withdrawals, and
	// farewellLimit the NOTIFICATION after them, before it is left without.
	flushLimit    = time.Second
	farewellLimit = time.Second
	// leavePatience and restartPatience are how long a router may take to act on
	// a Cease: on the last one, and on one before another session.
	leavePatience   = 5 * time.Second
	restartPatience = time.Second
)

// errand is what a session has been told to do with itself.
type errand uint8

const (
	stay    errand = iota
	remove         // its peer is gone from the Config
	restart        // the process ends to be started again
	leave          // the process ends for good
)

// drain is how a session loses its traffic before it loses its routes
// (RFC 8326): first they are advertised with GRACEFUL_SHUTDOWN, so that routers
// choose others while these still work, then withdrawn.
type drain struct {
	began bool
	until time.Time // then they are withdrawn
}

// begin starts to drain, unless that has begun. Nothing waits for traffic that
// there is not.
func (d *drain) begin(now time.Time, wait time.Duration) {
	if !d.began {
		*d = drain{began: true, until: now.Add(wait)}
	}
}

// view returns what of the routes to advertise now, and whether as a farewell.
func (d drain) view(routes Routes, now time.Time) (_ Routes, farewell bool) {
	switch {
	case !d.began:
		return routes, false
	case now.Before(d.until):
		return routes, true
	}
	return Routes{}, true
}

// flushed is when a session that leaves does so whether its router has taken the
// withdrawals or not.
func (d drain) flushed() time.Time { return d.until.Add(flushLimit) }

// farewell is the last word of a session that ends for good (RFC 9003).
func farewell(node string) ending {
	return ending{
		cause:  ShutDown,
		detail: "this node leaves",
		say:    &Notification{Code: ErrorCease, Subcode: ceaseShutdown, Text: fmt.Sprintf("node %s is leaving", node)},

		patience: leavePatience,
	}
}

// onErrand does the part of an errand that does not wait. It reports whether the
// session has come to its end.
func (p *peering) onErrand(now time.Time) (done bool) {
	m := &p.machine
	switch e := p.order.errand; {
	case e == stay:
		return false
	case e == remove:
		m.end(ending{
			cause:    Removed,
			detail:   "the peer is no longer configured",
			say:      &Notification{Code: ErrorCease, Subcode: ceaseDeconfigured},
			patience: leavePatience,
		}, now)
		return true
	case e == restart && m.graceful():
		// Not a word: after a NOTIFICATION the routes would be gone (RFC 4724,
		// section 4).
		m.end(ending{cause: ShutDown, detail: "this node's speaker restarts"}, now)
		return true
	case m.report.State != Established,
		!now.Before(p.drain.until) && p.quiet() && p.outbox.told.Len() == 0,
		!now.Before(p.drain.flushed()):
		m.end(farewell(p.node), now)
		return true
	}
	return false
}
