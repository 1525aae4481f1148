package bfd

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Status is what an Engine knows at one instant. It is a copy.
type Status struct {
	// Sessions has one entry per Config.Sessions, sorted by Name, as soon as Run
	// has taken them up.
	Sessions []SessionStatus
	// Discards counts packets that belong to no session, or must not.
	Discards Discards
}

// SessionStatus is the state of one session.
type SessionStatus struct {
	Name  string
	Peer  netip.Addr
	State State
	// Since is when State was entered.
	Since time.Time
	// LocalDiagnostic says why State was entered, unless it is a better one than
	// before. RemoteDiagnostic and RemoteState are what the peer last said; they
	// are NoDiagnostic and Down while it is not heard.
	LocalDiagnostic, RemoteDiagnostic Diagnostic
	RemoteState                       State

	// TransmitInterval is the interval between our packets before jitter,
	// ReceiveInterval that between the peer's, both as negotiated. DetectionTime
	// is how long the peer may be silent: RemoteMultiplier times ReceiveInterval.
	// All are zero while the peer is not heard.
	TransmitInterval, ReceiveInterval, DetectionTime time.Duration
	RemoteMultiplier                                 uint8
	// EchoActive reports that echo packets come back and that their absence is
	// taken for a failure.
	EchoActive bool

	// Failures counts how often the session has gone from Up to Down because the
	// path or the peer failed. It never decreases while the engine has a session
	// of this Name, so a failure is seen even if the session is up again by the
	// time of looking. What was done on purpose does not count: a peer that
	// signals AdminDown (RFC 5882, 3.2), a session that is removed, moved to
	// another path or given another profile.
	Failures uint64
	// LastFailure says why the last of Failures happened.
	LastFailure string

	// Error says what keeps packets from being sent or heard, such as another BFD
	// daemon on this host that holds the port, or a TTL that is too low. It is
	// empty when all is well. The engine keeps trying.
	Error string

	Counters
}

// Counters count from the start of the session.
type Counters struct {
	// ControlIn counts valid control packets received
	// (metallb_bfd_control_packet_input), ControlOut those sent.
	ControlIn, ControlOut uint64
	// EchoIn counts our echo packets that came back, EchoOut those sent.
	EchoIn, EchoOut uint64
	// Ups counts how often the session came up (metallb_bfd_session_up_events),
	// Downs how often it left that state, for whatever reason.
	Ups, Downs uint64
}

// Discards count control packets dropped, by reason.
type Discards struct {
	// Malformed packets fail a check of RFC 5880, 6.8.6.
	Malformed uint64
	// Authenticated packets carry an authentication section, which no session
	// here uses.
	Authenticated uint64
	// TooFar packets have a TTL below what their session accepts.
	TooFar uint64
	// NoSession packets are for nobody here.
	NoSession uint64
}

// counters are the Counters that the loop writes and anybody reads.
type counters struct {
	controlIn, controlOut, echoIn, echoOut, ups, downs atomic.Uint64
}

func (c *counters) load() Counters {
	return Counters{
		ControlIn: c.controlIn.Load(), ControlOut: c.controlOut.Load(),
		EchoIn: c.echoIn.Load(), EchoOut: c.echoOut.Load(),
		Ups: c.ups.Load(), Downs: c.downs.Load(),
	}
}

// report is a SessionStatus and where to find its counters.
type report struct {
	status SessionStatus
	count  *counters
}

// status is the state of s without name and counters.
func (s *session) status() SessionStatus {
	out := SessionStatus{
		Peer: s.config.Peer, State: s.state, Since: s.since,
		LocalDiagnostic: s.diag, RemoteDiagnostic: s.remote.diag, RemoteState: s.remote.state,
		EchoActive: s.echo.active, Failures: s.failures, LastFailure: s.lastFailure,
	}
	if s.remote.discr != 0 {
		out.TransmitInterval = s.transmitInterval()
		out.ReceiveInterval = s.receiveInterval()
		out.DetectionTime = s.detectionTime()
		out.RemoteMultiplier = s.remote.multiplier
	}
	return out
}
