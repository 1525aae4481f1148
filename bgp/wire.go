package bgp

import (
	"context"
	"net/netip"
)

// Wire opens connections to routers; bgp/gobgp has the one for real networks.
type Wire interface {
	// Dial connects as the target asks, or fails when ctx ends.
	Dial(ctx context.Context, t Target) (Conn, error)
}

// Target is the part of a Session that concerns the connection.
type Target struct {
	Remote   netip.AddrPort
	Source   netip.Addr // zero: the kernel chooses
	Device   string     // empty: none
	Password Secret     // empty: none
	// TTL is what packets are sent with; MinTTL is the least accepted, 0 for any.
	TTL, MinTTL uint8
}

// Conn carries the messages of one session. One goroutine receives while
// another sends. A Conn learns from the OPENs that pass through it how the two
// sides encode what follows.
type Conn interface {
	// Path says where the connection runs.
	Path() Path
	// Receive waits for the next message. It returns a *MessageError for one that
	// breaks the protocol, and nothing good after any error. It never panics.
	Receive() (Message, error)
	// Send sends a message and returns as how many it went out, which is more
	// than one only for an Update. It waits as long as the router takes nothing;
	// Close ends the wait. An error that is syscall.EMSGSIZE says that the
	// attributes of an Update leave no room for a prefix: nothing has been sent
	// and the connection is as it was. Any other error is its end.
	Send(Message) (int, error)
	// Close ends the connection, and a Receive or Send in progress. What was
	// sent before still arrives. It may be called more than once.
	Close() error
}

// Path is where a connection runs, and what else its interface is called.
type Path struct {
	Local, Remote netip.AddrPort
	// IPv4 and IPv6 are addresses of the local interface that can be next hops,
	// the connection's own where it is of that family; zero where there is none.
	IPv4, IPv6 netip.Addr
	// LinkLocal is the interface's, without zone; zero where there is none.
	LinkLocal netip.Addr
}
