package bfd

// State is the state of one end of a session (RFC 5880, 4.1), as on the wire.
type State uint8

const (
	// AdminDown means that an end is held down on purpose.
	AdminDown State = iota
	// Down means that the other end is not heard.
	Down
	// Init means that the other end is heard, and does not hear this one yet.
	Init
	// Up means that both ends hear each other.
	Up
)

// String returns the state as operators know it from routers.
func (s State) String() string {
	switch s {
	case AdminDown:
		return "AdminDown"
	case Down:
		return "Down"
	case Init:
		return "Init"
	case Up:
		return "Up"
	default:
		return "unknown state"
	}
}

// Diagnostic says why an end last left the Up state (RFC 5880, 4.1), as on the
// wire.
type Diagnostic uint8

// The diagnostics that this package sends; a peer may send others.
const (
	NoDiagnostic Diagnostic = iota
	DetectionTimeExpired
	EchoFailed
	NeighborSignaledDown
	ForwardingPlaneReset
	PathDown
	ConcatenatedPathDown
	AdministrativelyDown
	ReverseConcatenatedPathDown
)

// String returns the diagnostic in the words of RFC 5880.
func (d Diagnostic) String() string {
	switch d {
	case NoDiagnostic:
		return "no diagnostic"
	case DetectionTimeExpired:
		return "control detection time expired"
	case EchoFailed:
		return "echo function failed"
	case NeighborSignaledDown:
		return "neighbor signaled session down"
	case ForwardingPlaneReset:
		return "forwarding plane reset"
	case PathDown:
		return "path down"
	case ConcatenatedPathDown:
		return "concatenated path down"
	case AdministrativelyDown:
		return "administratively down"
	case ReverseConcatenatedPathDown:
		return "reverse concatenated path down"
	default:
		return "unknown diagnostic"
	}
}

// event is what can move the state machine.
type event uint8

const (
	heardAdminDown event = iota // a packet whose sender is in that state
	heardDown
	heardInit
	heardUp
	timedOut     // the detection time has passed without a packet
	echoTimedOut // the same for echo packets
	disabled     // the session is to end
)

// heard is the event of a packet from an end in state s.
func heard(s State) event { return event(s) }

// transition is what an event does to a state.
type transition struct {
	from, to State
	diag     Diagnostic // why, if to is less than from
	// failure is set if the path was up and has failed. An end that is shut down
	// on purpose, here or there, has not (RFC 5882, 3.2).
	failure bool
}

// next is the state machine of RFC 5880, 6.2 and 6.8.6, and the whole of it.
func (s State) next(e event) transition {
	to := func(next State) transition { return transition{from: s, to: next} }
	leave := func(d Diagnostic) transition { return transition{from: s, to: Down, diag: d} }
	fail := func(d Diagnostic) transition { return transition{from: s, to: Down, diag: d, failure: s == Up} }

	switch {
	case e == disabled:
		return transition{from: s, to: AdminDown, diag: AdministrativelyDown}
	case s == AdminDown:
		return to(s) // only its user leads a session out of there: as a new one
	case s == Down && e == heardDown:
		return to(Init)
	case s == Down && e == heardInit:
		return to(Up)
	case s == Down:
		return to(s)
	case s == Init && e == heardDown:
		return to(s) // the peer does not hear us yet
	case e == heardInit, e == heardUp:
		return to(Up)
	case e == heardAdminDown:
		return leave(NeighborSignaledDown)
	case e == heardDown:
		return fail(NeighborSignaledDown)
	case e == timedOut:
		return fail(DetectionTimeExpired)
	case s == Up && e == echoTimedOut:
		return fail(EchoFailed)
	default:
		return to(s)
	}
}
