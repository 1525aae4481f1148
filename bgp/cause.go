package bgp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// ending is why a session, or an attempt at one, is given up.
type ending struct {
	cause  Cause
	detail string
	// say is what the router is told about it; nil for nothing.
	say *Notification
	// patience is how long the router may take to act on it and close the
	// connection, before we do. FRR forgets what it has received and not yet
	// worked on when a connection ends: withdrawals, and the NOTIFICATION that
	// tells it not to keep the routes for a graceful restart.
	patience time.Duration
}

// dialing says in words why a connection did not come about.
func (s Session) dialing(err error) ending {
	to := s.remote()
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ending{cause: ConnectionRefused, detail: fmt.Sprintf("nothing listens at %s, or it does not know this node", to)}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ending{cause: SourceMissing, detail: fmt.Sprintf("this node does not have the source address %s", s.Source)}
	case errors.Is(err, syscall.ENODEV):
		return ending{cause: SourceMissing, detail: fmt.Sprintf("this node does not have the device of the session: %s", err)}
	case errors.Is(err, syscall.ENETUNREACH):
		return ending{cause: Unreachable, detail: fmt.Sprintf("this node has no route to %s", to)}
	case errors.Is(err, syscall.EHOSTUNREACH):
		return ending{cause: Unreachable, detail: fmt.Sprintf("nobody answers for %s on the way there", to)}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		if s.Password != "" {
			return ending{cause: NoAnswer, detail: fmt.Sprintf("no answer from %s: it is away, or the passwords differ", to)}
		}
		return ending{cause: Unreachable, detail: fmt.Sprintf("no answer from %s: it is away, or it expects a password", to)}
	}
	return ending{cause: Unreachable, detail: err.Error()}
}

// breaking says in words why a connection ended that a message could not be
// received from, or sent to.
func breaking(state State, err error) ending {
	if malformed := (*MessageError)(nil); errors.As(err, &malformed) {
		e := ending{cause: MalformedMessage, detail: "the router sent " + malformed.Problem, say: &malformed.Notification}
		if state == OpenSent {
			e.cause = OpenMalformed
		}
		return e
	}
	e := ending{cause: ConnectionLost}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.detail = "the router closed the connection without a word"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.detail = "the connection was reset"
	default:
		e.detail = fmt.Sprintf("the connection broke: %s", err)
		return e
	}
	if state != Established {
		e.detail += " before the session was established: does the router know this node as a neighbour?"
	}
	return e
}

// notified says in words why the router ended the session.
func notified(n Notification) ending {
	if n.Code == ErrorOpen {
		return ending{cause: OpenRejected, detail: fmt.Sprintf("the router rejected our OPEN: %s", n)}
	}
	return ending{cause: ClosedByPeer, detail: fmt.Sprintf("the router closed the session: %s", n)}
}
