package bfd

import (
	"net/netip"
	"slices"
	"time"
)

// Config is the complete desired state of an Engine. The zero Config has no
// sessions. An engine keeps the Config it is given: do not change it afterwards.
type Config struct {
	// Sessions are sorted by Name, each Name once.
	Sessions []Session
}

// Session is one path to watch. Sessions are comparable with ==.
//
// Peer, Local, Device and MultiHop are the path. Another path under the same Name
// is another session, which starts anew; a changed Profile is negotiated with the
// peer while the session stays up. Several of the same path are one session with
// the Profile of the first.
type Session struct {
	// Name is what the user calls the peer. It is the session's key in Status.
	Name string
	// Peer is the address of the other end, with a zone if it is link-local.
	// IPv4 is never given as IPv4-mapped IPv6.
	Peer netip.Addr
	// Local is the source address. The zero Addr lets the kernel choose.
	Local netip.Addr
	// Device is the interface or VRF device to be bound to. Empty binds to none.
	Device string
	// MultiHop lets the peer be several hops away: port 4784, and packets must
	// arrive with at least Profile.MinimumTTL (RFC 5883). Otherwise the port is
	// 3784, and packets must not have been forwarded (RFC 5881, section 5).
	MultiHop bool
	Profile  Profile
}

// Profile says how a path is watched. Fields that are zero mean the default.
type Profile struct {
	// ReceiveInterval is the shortest interval between packets that this side
	// wants to receive. The default is 300 ms.
	ReceiveInterval time.Duration
	// TransmitInterval is the shortest interval between packets that this side
	// wants to send. The default is 300 ms.
	TransmitInterval time.Duration
	// EchoInterval is the shortest interval between echo packets, in both
	// directions. It is used only if Echo is set. The default is 50 ms.
	EchoInterval time.Duration
	// DetectMultiplier is how many packets in a row have to be missing for the
	// peer to declare the path down; the peer's own decides here, except for echo.
	// The default is 3.
	DetectMultiplier uint8
	// Echo turns the Echo function on, in both directions, where the session is
	// single hop and Peer is not link-local.
	Echo bool
	// Passive sends nothing until the peer has (RFC 5880, 6.1).
	Passive bool
	// MinimumTTL is the lowest TTL or hop limit that packets of a multihop peer
	// may arrive with. The default is 254.
	MinimumTTL uint8
}

// minInterval is the shortest interval that is of any use in a process among
// others. RFC 7419 begins with 3.3 ms.
const minInterval = time.Millisecond

// WithDefaults returns p with every zero field set to its default, and with
// intervals of at least 1 ms that fit into a packet.
func (p Profile) WithDefaults() Profile {
	interval := func(d *time.Duration, byDefault time.Duration) {
		if *d <= 0 {
			*d = byDefault
		}
		*d = min(max(*d, minInterval), maxInterval)
	}
	interval(&p.ReceiveInterval, 300*time.Millisecond)
	interval(&p.TransmitInterval, 300*time.Millisecond)
	interval(&p.EchoInterval, 50*time.Millisecond)
	if p.DetectMultiplier == 0 {
		p.DetectMultiplier = 3
	}
	if p.MinimumTTL == 0 {
		p.MinimumTTL = 254
	}
	return p
}

// Equal reports whether c and o ask for the same.
func (c Config) Equal(o Config) bool { return slices.Equal(c.Sessions, o.Sessions) }

// path is what a session watches, and what makes it another if it changes.
type path struct {
	Peer, Local netip.Addr
	Device      string
	MultiHop    bool
}

func (s Session) path() path {
	return path{Peer: s.Peer, Local: s.Local, Device: s.Device, MultiHop: s.MultiHop}
}
