package router

import (
	"net/netip"
	"time"
)

// Family is an address family; all of BGP here is unicast.
type Family string

// The families.
const (
	IPv4 Family = "ipv4"
	IPv6 Family = "ipv6"
)

// Neighbor is what a router thinks of the session with one BGP neighbour. What belongs to a session is zero while there is none.
type Neighbor struct {
	Addr     netip.Addr // without a zone
	LocalAS  uint32
	RemoteAS uint32
	RouterID netip.Addr // the neighbour's BGP Identifier
	State    string     // of RFC 4271 section 8.2.2: "Established"
	// HoldTime and KeepaliveTime are those in force. FRR shows its own while there is no session.
	HoldTime, KeepaliveTime time.Duration
	// Families are those that both ends announced, sorted.
	Families []Family
	// FourOctetAS, RouteRefresh and ExtendedNextHop (RFC 8950) tell whether the neighbour announced the capability.
	FourOctetAS, RouteRefresh, ExtendedNextHop bool
	GracefulRestart                            GracefulRestart
	Hostname                                   string // capability 73, empty without
	// Accepted is how many routes from the neighbour passed import, by family.
	Accepted map[Family]int
	// LastReset is why the last session ended, in the router's words, empty if none has.
	LastReset string
	// Message is what the neighbour said when it shut the session down (RFC 9003).
	Message string
	// Established and Dropped count sessions. BIRD keeps no such count.
	Established, Dropped int
}

// Up reports whether the session is established.
func (n Neighbor) Up() bool { return n.State == "Established" }

// GracefulRestart is a neighbour's capability of RFC 4724.
type GracefulRestart struct {
	Announced  bool          // whether the capability is there, if only to say that the neighbour helps others
	Restarting bool          // the R bit
	Time       time.Duration // the Restart Time; FRR does not tell 0 from absent
	Families   []Family      // families in the capability, sorted
	Preserved  []Family      // those with the F bit, sorted
	EndOfRIB   []Family      // families whose End-of-RIB has been received, sorted; FRR alone says
}

// Route is one path to a prefix.
type Route struct {
	Peer     netip.Addr   // who sent it, without a zone; invalid for the router's own
	NextHops []netip.Addr // as the UPDATE says: one, or a global and a link-local address (RFC 2545 section 3); no zones
	ASPath   []uint32
	Origin   string // "IGP", "EGP" or "Incomplete"
	// LocalPref is nil if there is none. FRR shows one only on routes of its own AS, BIRD gives every route one on import.
	LocalPref *uint32
	MED       *uint32
	// Communities are written as numbers, as in "65535:0", sorted; so are the large ones, "64496:1:2".
	Communities, LargeCommunities []string
	// ExtendedCommunities have their type first, "rt:64496:1", sorted. What a router does not know it shows in its own way.
	ExtendedCommunities []string
	Best                bool // the one in use, or one of those, if it shares the load with others
	Stale               bool // kept from before the neighbour's restart (RFC 4724 section 4.2); BIRD shows that of RFC 9494 alone
}

// BFDPeer is a BFD session.
type BFDPeer struct {
	Addr      netip.Addr // without a zone
	Local     netip.Addr // invalid while FRR has not bound the session to one, which it does when BGP is up; BIRD does not say
	Interface string     // empty on multihop sessions
	Multihop  bool
	State     string // of RFC 5880 section 4.1, in lower case: "up", "down", "init", "admindown"
	// Transmit, Receive and Multiplier are the router's own wishes, the Remote ones are the other end's. BIRD shows none of them.
	Transmit, Receive             time.Duration
	RemoteTransmit, RemoteReceive time.Duration
	Multiplier, RemoteMultiplier  int
	// Interval is how far apart the router sends, DetectionTime how long it waits. BIRD alone says.
	Interval, DetectionTime time.Duration
	// Diagnostic and RemoteDiagnostic are why the session last went down, in FRR's words; BIRD does not say.
	Diagnostic, RemoteDiagnostic string
}

// Up reports whether the session is up.
func (p BFDPeer) Up() bool { return p.State == "up" }
