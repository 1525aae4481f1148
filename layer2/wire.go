package layer2

import "net/netip"

// Protocol is the protocol that resolves one family of addresses.
type Protocol uint8

const (
	// ARP resolves IPv4 addresses (RFC 826).
	ARP Protocol = iota + 1
	// NDP resolves IPv6 addresses (RFC 4861).
	NDP
)

// protocolOf returns the protocol that resolves addr.
func protocolOf(addr netip.Addr) Protocol {
	if addr.Is4() {
		return ARP
	}
	return NDP
}

// String returns the name of the protocol as users write it.
func (p Protocol) String() string {
	switch p {
	case ARP:
		return "ARP"
	case NDP:
		return "NDP"
	default:
		return "unknown protocol"
	}
}

// Wire opens what an Engine needs of the outside world. Only the goroutine in
// Engine.Run calls it.
type Wire interface {
	// Open returns a connection that carries the frames of one protocol on one
	// link. It hears no frame that arrived before it and none that the link did
	// not receive for this host: what promiscuous mode or a VLAN brings along stays
	// out. It may leave out more that no owner of an address needs to hear.
	Open(Interface, Protocol) (Conn, error)
	// Groups returns the multicast memberships of one link, none at first.
	Groups(Interface) (Groups, error)
}

// Conn carries whole Ethernet frames, untagged and without the frame check
// sequence. One goroutine reads while another writes.
type Conn interface {
	// Heed says which addresses matter from now on; nil, as at first, says all of
	// them. Frames that neither ask for one that matters nor claim one may be left
	// out. Others must not be, not even while this changes, or if it fails.
	Heed(addrs []netip.Addr) error
	// Read waits for the next frame and returns its length. It fails for good
	// once the connection is closed or its link is gone.
	Read(frame []byte) (int, error)
	// Write sends a frame, or fails at once if it cannot be sent now.
	Write(frame []byte) (int, error)
	// Close ends a Read in progress.
	Close() error
}

// Groups holds IPv6 multicast memberships of one link. A membership makes the
// kernel receive the group's frames and report it by MLD, which is what lets a
// snooping switch forward them (RFC 4861, 7.2.1).
type Groups interface {
	// Join joins a group that is not joined.
	Join(group netip.Addr) error
	// Leave leaves a group that is joined.
	Leave(group netip.Addr) error
	// Close leaves all groups.
	Close() error
}
