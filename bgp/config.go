package bgp

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"
)

// Config is the complete desired state of an Engine. The zero Config has no
// peers. An engine keeps the Config it is given: do not change it afterwards.
type Config struct {
	// Peers are sorted by Name, each Name once.
	Peers []Peer
	// Draining asks to leave well while sessions stay: the routes are advertised
	// with GRACEFUL_SHUTDOWN first (RFC 8326), and withdrawn after
	// Options.DrainTime. Unset again, they are advertised as before.
	Draining bool
}

// Equal reports whether c and o ask for the same. It is cheap where the routes
// of one were edited into those of the other.
func (c Config) Equal(o Config) bool {
	return c.Draining == o.Draining && slices.EqualFunc(c.Peers, o.Peers, Peer.Equal)
}

// Peer is one router and what it is told.
type Peer struct {
	// Name is what the user calls it: the name of its BGPPeer.
	Name string
	// Session is how to reach it. Another Session is another session: the old
	// one ends, a new one begins, other peers notice nothing.
	Session Session
	// Routes are advertised as far as Session.Families and what the peer
	// negotiated carry them.
	Routes Routes
}

// Equal reports whether p and o ask for the same.
func (p Peer) Equal(o Peer) bool {
	return p.Name == o.Name && p.Session == o.Session && p.Routes.Equal(o.Routes)
}

// Session says how to speak with one router. It is comparable: two that are
// equal are the same session. Zero fields mean the default.
type Session struct {
	// Address is the router's address; with a zone when it is link-local. It is
	// required: a peer whose address is not known yet does not belong in a Config.
	Address netip.Addr
	// Port is the router's TCP port; 0 means 179.
	Port uint16
	// Source is the local address of the TCP session; the zero value lets the
	// kernel choose.
	Source netip.Addr
	// Device is the VRF device the session is bound to; empty for none.
	Device string

	// LocalASN is the autonomous system this side shows in its OPEN and in AS
	// paths.
	LocalASN uint32
	// PeerASN is the autonomous system the router must be in. 0 accepts what its
	// OPEN says, within Kind.
	PeerASN uint32
	// Kind restricts the router's autonomous system where PeerASN is 0.
	Kind Kind

	// RouterID is the BGP identifier, an IPv4 address. The zero value takes the
	// IPv4 address of the session's interface, or failing that a number derived
	// from Options.Node.
	RouterID netip.Addr
	// Families are the kinds of routes carried (RFC 4760).
	Families Families

	// HoldTime is offered in the OPEN, in whole seconds up to 65535; the smaller
	// one of both sides is in force (RFC 4271, section 4.2). NoHoldTime turns
	// the timer and KEEPALIVEs off. 0 means 90 s.
	HoldTime time.Duration
	// Keepalive is the time between KEEPALIVEs, never more than a third of the
	// hold time in force; 0 means that third.
	Keepalive time.Duration
	// ConnectRetry is the time between attempts to connect; 0 means 2 s. A
	// router that comes back is found within that time.
	ConnectRetry time.Duration

	// Password is the key of the TCP MD5 signature (RFC 2385), at most 80 octets;
	// empty for none.
	Password Secret
	// MultiHop says that a router of another autonomous system may be more than
	// one hop away. It rules out TTLSecurity; packets are sent alike, with TTL 255
	// always, so that no router finds that they come from too far away.
	MultiHop bool
	// TTLSecurity drops packets of the session that may come from further away
	// than the next hop (RFC 5082); the router must send with TTL 255.
	TTLSecurity bool
	// GracefulRestart asks the router to keep the routes while this side
	// restarts (RFC 4724).
	GracefulRestart bool
}

// NoHoldTime as Session.HoldTime turns the hold timer off.
const NoHoldTime = time.Duration(-1)

// Kind is the relation of a router's autonomous system to ours.
type Kind uint8

const (
	// AnyKind accepts every autonomous system.
	AnyKind Kind = iota
	// Internal wants the router in LocalASN (iBGP).
	Internal
	// External wants it in any other (eBGP).
	External
)

// Families are address families with SAFI unicast.
type Families struct{ IPv4, IPv6 bool }

// Has reports whether routes to destinations like addr are carried.
func (f Families) Has(addr netip.Addr) bool {
	if addr.Is4() {
		return f.IPv4
	}
	return f.IPv6
}

// Secret is a text that must not be seen: every way of printing it hides it.
type Secret string

const hidden = "(hidden)"

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
