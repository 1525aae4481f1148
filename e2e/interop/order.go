package interop

import (
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
)

// Setup is what a speaker is started with.
type Setup struct {
	Node      string
	Restarted bool          // routers may hold the routes of the process before
	DrainTime time.Duration // as in bgp.Options
}

// Order is what a speaker shall do. It replaces the order before, whole.
type Order struct {
	// Peers are sorted by name.
	Peers []Peer
	// Paths are watched by BFD, sorted by name. The session of the peer of that name ends when its path fails.
	Paths    []bfd.Session
	Draining bool
}

// Peer is a bgp.Peer that can be sent to another process.
type Peer struct {
	Name    string
	Session bgp.Session
	Routes  []bgp.Route
}

// request is a message to the speaker's process: exactly one field is set.
type request struct {
	Set    *Order
	Status bool
	// Leave ends the speaker, for good or, with Restart, to be started again.
	Leave   bool
	Restart bool
}

// Report is what a speaker says of itself.
type Report struct {
	BGP bgp.Status
	BFD bfd.Status
}

// Peer returns the state of the session of that name, the zero value if there is none.
func (r Report) Peer(name string) bgp.PeerStatus {
	for _, peer := range r.BGP.Peers {
		if peer.Name == name {
			return peer
		}
	}
	return bgp.PeerStatus{}
}

// Path returns the state of the BFD session of that name, the zero value if there is none.
func (r Report) Path(name string) bfd.SessionStatus {
	for _, session := range r.BFD.Sessions {
		if session.Name == name {
			return session
		}
	}
	return bfd.SessionStatus{}
}
