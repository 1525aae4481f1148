package bfd

import "net/netip"

// Dice are random numbers that nobody can guess (RFC 5880, section 9).
// Only the goroutine in Engine.Run throws them.
type Dice interface {
	Uint32() uint32
}

// Wire opens what an Engine needs of the outside world. Only the goroutine in
// Engine.Run calls it.
type Wire interface {
	// Listen hears what arrives at a port. It fails if anybody else does.
	Listen(Port) (Listener, error)
	// Dial sends to one peer. It fails with syscall.EADDRINUSE if anybody
	// else sends from the source port.
	Dial(Route) (Sender, error)
	// Echo sends packets that the peer is to return, and hears those that it
	// returned.
	Echo(EchoRoute) (Listener, Sender, error)
}

// Listener receives packets. One goroutine calls Wait while another one calls
// Receive.
type Listener interface {
	// Receive fills p with the packet that waited longest and reports whether
	// there was one. It never blocks. It fails for good once the listener is
	// closed or its device is gone.
	Receive(p *Packet) (bool, error)
	// Wait returns nil when there may be something to receive. It fails once the
	// listener is closed.
	Wait() error
	// Close ends a Wait in progress.
	Close() error
}

// Sender sends packets along one route.
type Sender interface {
	// Send sends a packet, or fails at once if it cannot be sent now.
	Send(payload []byte) error
	// Scope is the index of the interface that the peer's zone names, 0 without
	// a zone.
	Scope() int
	Close() error
}

// Port is where packets arrive.
type Port struct {
	// MultiHop selects port 4784 instead of 3784, Echo 3785.
	MultiHop, Echo bool
	// IPv6 selects the family.
	IPv6 bool
	// Device restricts to one interface or VRF. Empty means all that belong to
	// no VRF.
	Device string
}

// Number returns the UDP port (RFC 5881, section 4; RFC 5883, section 5).
func (p Port) Number() uint16 {
	switch {
	case p.Echo:
		return 3785
	case p.MultiHop:
		return 4784
	default:
		return 3784
	}
}

// Route is where packets of one session are sent. Control packets leave with a
// TTL of 255 (RFC 5881, section 5). Echo packets that go back leave with 254, as
// if they had been forwarded.
type Route struct {
	Port Port // to which
	// Peer is the destination. Local is the source, which the kernel chooses if
	// it is zero.
	Peer, Local netip.Addr
	// SourcePort is the UDP port to send from.
	SourcePort uint16
}

// EchoRoute is the way of an echo packet: from Local to Local, by way of Peer.
type EchoRoute struct {
	Peer, Local netip.Addr
	// Interface is the index of the interface that Peer's packets arrive on.
	Interface int
}

// Packet is a packet received. Its addresses have no zone.
type Packet struct {
	Source, Destination netip.Addr
	// Interface is the index of the interface on which it came.
	Interface int
	// TTL is the TTL or hop limit that it arrived with.
	TTL uint8
	// Payload is what the UDP datagram holds. It is valid until the next Receive.
	Payload []byte
}
