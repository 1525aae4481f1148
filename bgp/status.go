package bgp

import (
	"net/netip"
	"time"
)

// Status is what an Engine does at one instant. It is a copy.
type Status struct {
	// Peers has one entry per Config.Peers, sorted by Name.
	Peers []PeerStatus
}

// State is the state of a session (RFC 4271, section 8.2.2). Active does not
// occur: nobody can call us.
type State uint8

// The states.
const (
	Idle State = iota
	Connect
	OpenSent
	OpenConfirm
	Established
)

// Cause is the one word for why a session is not, or no longer, established.
// The same word stands in log, Event, metric and status.
type Cause string

// The causes.
const (
	// NoCause: nothing has gone wrong so far.
	NoCause Cause = ""

	// Unreachable and those after it are failures to connect.
	Unreachable       Cause = "unreachable"       // no route, or no answer
	ConnectionRefused Cause = "connectionRefused" // nothing listens there
	SourceMissing     Cause = "sourceMissing"     // the node lacks the source address or device
	NoAnswer          Cause = "noAnswer"          // silence, while a password is set

	// WrongASN and those after it are disagreements over the OPEN.
	WrongASN      Cause = "wrongASN"
	OpenRejected  Cause = "openRejected"  // the router's NOTIFICATION with code 2
	OpenMalformed Cause = "openMalformed" // ours: its OPEN cannot be accepted

	// HoldTimerExpired and those after it end connections.
	HoldTimerExpired Cause = "holdTimerExpired" // not heard, or took nothing, for too long
	ConnectionLost   Cause = "connectionLost"   // closed or reset without a word
	ClosedByPeer     Cause = "closedByPeer"     // with a NOTIFICATION
	MalformedMessage Cause = "malformedMessage"
	BFDDown          Cause = "bfdDown"
	Reconfigured     Cause = "reconfigured"
	Removed          Cause = "removed"
	ShutDown         Cause = "shutDown"
)

// PeerStatus is the state of one session. Counters are since the engine
// started, or the peer was added.
type PeerStatus struct {
	Name    string
	Address netip.AddrPort
	State   State
	// Since is when State was entered.
	Since time.Time
	// LastCause and LastError say in a word and in a sentence why the session was
	// last given up, or the last attempt failed; LastErrorAt is when. They stay
	// after the session is established again.
	LastCause   Cause
	LastError   string
	LastErrorAt time.Time
	// LastSent and LastReceived are the last NOTIFICATIONs; nil for none.
	LastSent, LastReceived *Notification

	// Local is our end, RouterID our identifier, as of the last connection.
	Local    netip.AddrPort
	RouterID netip.Addr
	// Remote is the router's OPEN; the zero value before Established.
	Remote Open
	// Families are those both sides carry; HoldTime and Keepalive those in force,
	// 0 for none. All of them zero unless Established.
	Families            Families
	HoldTime, Keepalive time.Duration

	// Desired are the routes to be advertised, Advertised those that have been.
	// NotCarried are those among Desired that the session cannot carry, for want
	// of the family or of a next hop; NotCarriedWhy says why.
	Desired, Advertised, NotCarried int
	NotCarriedWhy                   string

	Counters Counters
}

// Counters count messages and sessions.
type Counters struct {
	// Established counts how often the session came up, Lost how often it went
	// down after that.
	Established, Lost uint64
	// Messages by kind and direction.
	OpensSent, OpensReceived                 uint64
	NotificationsSent, NotificationsReceived uint64
	UpdatesSent, UpdatesReceived             uint64
	KeepalivesSent, KeepalivesReceived       uint64
	RefreshesReceived                        uint64
	TotalSent, TotalReceived                 uint64
}
