package unnumbered

import "net/netip"

// Kind is a kind of message.
type Kind uint8

// The kinds.
const (
	// Advertisement is what a router sends about itself (RFC 4861, section 4.2).
	Advertisement Kind = iota
	// Solicitation asks routers to (section 4.1).
	Solicitation
)

// Heard is a message received. Nothing else of it matters.
type Heard struct {
	Kind Kind
	// From is the sender, link-local and without zone. Solicitations may come from
	// the unspecified address.
	From netip.Addr
}

// Wire opens links; Sockets is the one for real networks.
type Wire interface {
	// Open makes messages on the link audible. It fails if the link is gone, or
	// for want of CAP_NET_RAW.
	Open(link Link) (Conn, error)
}

// Conn carries the messages of one link. One goroutine receives while another
// sends.
type Conn interface {
	// Receive waits for the next message that is in order and not our own.
	Receive() (Heard, error)
	// Send sends a message of that kind from the link's address to all that it
	// concerns. It does not wait.
	Send(kind Kind) error
	// Close ends the connection, and a Receive in progress. It may be called more
	// than once.
	Close() error
}
