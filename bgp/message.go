package bgp

import (
	"fmt"
	"net/netip"
	"time"
)

// Message is one of [Open], [Update], [EndOfRIB], [Heard], [Keepalive],
// [Notification] and [RouteRefresh].
type Message interface{ isMessage() }

// Open begins a session (RFC 4271, section 4.2) and says what each side can do
// (RFC 5492). Both sides are taken to speak 4-octet AS numbers (RFC 6793); the
// wire translates for a router that does not.
type Open struct {
	ASN      uint32
	RouterID netip.Addr
	// HoldTime is in whole seconds; 0 means none.
	HoldTime time.Duration
	// Families are those of capability 1 (RFC 4760). A router that sends none of
	// it speaks IPv4 unicast.
	Families Families
	// IPv6NextHop: takes IPv4 routes with an IPv6 next hop (RFC 8950).
	IPv6NextHop bool
	// RouteRefresh: may ask for all routes again (RFC 2918).
	RouteRefresh bool
	// FourOctetAS: speaks 4-octet AS numbers. Set in what is received only.
	FourOctetAS bool
	// GracefulRestart is nil for a speaker without the capability (RFC 4724).
	GracefulRestart *GracefulRestart
	// HostName is the node's name, for the people at the router
	// (draft-walton-bgp-hostname-capability); may be empty.
	HostName string
}

// GracefulRestart is the capability of RFC 4724, section 3.
type GracefulRestart struct {
	// Restarted is the R bit: this OPEN comes after a restart.
	Restarted bool
	// Time is how long to keep the routes, in whole seconds up to 4095.
	Time time.Duration
	// Families that are kept, and Preserved, the F bits: those whose packets were
	// forwarded all the time.
	Families, Preserved Families
}

// Update advertises or withdraws prefixes of one family, any number at once:
// the wire cuts it into as many messages as it takes.
type Update struct {
	// Announce are advertised with what stands below; Withdraw are withdrawn.
	Announce, Withdraw []netip.Prefix

	// NextHop may be of the other family: IPv6 for IPv4 routes (RFC 8950).
	NextHop netip.Addr
	// LinkLocal accompanies a global IPv6 NextHop (RFC 2545, section 3); may be
	// zero.
	LinkLocal netip.Addr
	// ASPath is our own autonomous system for eBGP, empty for iBGP.
	ASPath []uint32
	// LocalPref is sent if HasLocalPref, which is for iBGP only. That of
	// Attributes is not looked at here.
	LocalPref    uint32
	HasLocalPref bool
	// Attributes may be nil.
	Attributes *Attributes
}

// EndOfRIB says that the first complete table has been sent (RFC 4724, 2).
type EndOfRIB struct{ IPv6 bool }

// Heard is an UPDATE received. What it says is not kept.
type Heard struct{}

// Keepalive says that one is there.
type Keepalive struct{}

// RouteRefresh asks for all routes of a family again (RFC 2918).
type RouteRefresh struct{ IPv6 bool }

// Notification ends a session with a reason (RFC 4271, section 4.5).
type Notification struct {
	Code, Subcode uint8
	// Text is the shutdown communication (RFC 9003), with Cease/Administrative
	// Shutdown and Administrative Reset; at most 255 octets of UTF-8.
	Text string
	// Data is what else accompanies the code.
	Data []byte
}

func (Open) isMessage()         {}
func (Update) isMessage()       {}
func (EndOfRIB) isMessage()     {}
func (Heard) isMessage()        {}
func (Keepalive) isMessage()    {}
func (RouteRefresh) isMessage() {}
func (Notification) isMessage() {}

// The error codes of RFC 4271, section 4.5.
const (
	ErrorHeader   uint8 = 1
	ErrorOpen     uint8 = 2
	ErrorUpdate   uint8 = 3
	ErrorHoldTime uint8 = 4
	ErrorState    uint8 = 5
	ErrorCease    uint8 = 6
)

// MessageError is a message that breaks the protocol. The session answers with
// Notification and ends.
type MessageError struct {
	Notification Notification
	// Problem completes "the router sent".
	Problem string
}

// Error says what is wrong with the message.
func (e *MessageError) Error() string {
	return fmt.Sprintf("bgp: the router sent %s", e.Problem)
}
