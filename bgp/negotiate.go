package bgp

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"
)

const (
	defaultPort         = 179
	defaultHoldTime     = 90 * time.Second // RFC 4271, section 10
	defaultConnectRetry = 2 * time.Second

	// restartTime is how long a router shall keep our routes without us
	// (RFC 4724, section 3): enough for a pod to be pulled and started.
	restartTime = 120 * time.Second
)

// remote returns where the router is called.
func (s Session) remote() netip.AddrPort {
	if s.Port == 0 {
		return netip.AddrPortFrom(s.Address, defaultPort)
	}
	return netip.AddrPortFrom(s.Address, s.Port)
}

func (s Session) connectRetry() time.Duration {
	if s.ConnectRetry == 0 {
		return defaultConnectRetry
	}
	return s.ConnectRetry
}

func (s Session) holdTime() time.Duration {
	if s.HoldTime == 0 {
		return defaultHoldTime
	}
	return max(s.HoldTime, 0) // NoHoldTime is less
}

// target returns how to connect. Every packet leaves with TTL 255, not only
// those to a router one hop away: a router that checks how far we are (RFC 5082)
// accepts them at any number of hops, and to one that does not check, TTL means
// nothing. How far a router may be is for its own TTL to limit.
func (s Session) target() Target {
	t := Target{Remote: s.remote(), Source: s.Source, Device: s.Device, Password: s.Password, TTL: 255}
	if s.TTLSecurity && !s.MultiHop {
		t.MinTTL = 255
	}
	return t
}

// self is what a session knows of this node.
type self struct {
	node string
	// restarted is Options.Restarted.
	restarted bool
	// known says that the router has had routes of this process before.
	known bool
}

// open returns our OPEN.
func (s Session) open(me self, path Path) Open {
	o := Open{
		ASN:          s.LocalASN,
		RouterID:     s.routerID(me, path),
		HoldTime:     s.holdTime(),
		Families:     s.Families,
		IPv6NextHop:  s.Families.IPv4 && path.Remote.Addr().Is6(),
		RouteRefresh: true,
		HostName:     me.node,
	}
	if s.GracefulRestart {
		g := &GracefulRestart{Restarted: me.restarted && !me.known, Time: restartTime, Families: s.Families}
		if me.restarted || me.known {
			g.Preserved = s.Families // the kernel forwarded all the time
		}
		o.GracefulRestart = g
	}
	return o
}

// routerID returns the BGP identifier, which must be unique in an AS and not
// zero (RFC 6286, section 2.1).
func (s Session) routerID(me self, path Path) netip.Addr {
	switch {
	case s.RouterID.IsValid():
		return s.RouterID
	case path.IPv4.IsValid():
		return path.IPv4
	}
	h := fnv.New32a()
	h.Write([]byte(me.node))
	id := [4]byte(h.Sum(nil))
	if id == [4]byte{} {
		id[3] = 1
	}
	return netip.AddrFrom4(id)
}

// agreement is what both sides of a session have in common.
type agreement struct {
	internal        bool // iBGP
	families        Families
	hold, keepalive time.Duration
}

// agree judges the router's OPEN (RFC 4271, section 6.2).
func (s Session) agree(ours, theirs Open) (agreement, *ending) {
	bad := func(cause Cause, subcode uint8, format string, args ...any) *ending {
		return &ending{
			cause:  cause,
			detail: fmt.Sprintf(format, args...),
			say:    &Notification{Code: ErrorOpen, Subcode: subcode},
		}
	}
	a := agreement{internal: theirs.ASN == s.LocalASN}
	switch {
	case s.PeerASN != 0 && theirs.ASN != s.PeerASN:
		return a, bad(WrongASN, openBadPeerAS, "the router is in AS %d, not in AS %d", theirs.ASN, s.PeerASN)
	case s.PeerASN == 0 && s.Kind == Internal && !a.internal:
		return a, bad(WrongASN, openBadPeerAS, "the router is in AS %d, not in ours, AS %d", theirs.ASN, s.LocalASN)
	case s.PeerASN == 0 && s.Kind == External && a.internal:
		return a, bad(WrongASN, openBadPeerAS, "the router is in our own AS %d, not in another", theirs.ASN)
	case theirs.ASN == 0: // RFC 7607
		return a, bad(WrongASN, openBadPeerAS, "the router says that it is in AS 0")
	case !theirs.RouterID.Is4() || theirs.RouterID.IsUnspecified():
		return a, bad(OpenMalformed, openBadRouterID, "the router has no BGP identifier")
	case a.internal && theirs.RouterID == ours.RouterID:
		return a, bad(OpenMalformed, openBadRouterID, "the router has our own BGP identifier, %s", ours.RouterID)
	case theirs.HoldTime > 0 && theirs.HoldTime < 3*time.Second:
		return a, bad(OpenMalformed, openBadHoldTime, "the router wants a hold time of %s, less than 3s", theirs.HoldTime)
	}
	offered := theirs.Families
	if offered == (Families{}) { // no capability 1 at all: a speaker of RFC 4271
		offered.IPv4 = true
	}
	a.families = Families{IPv4: s.Families.IPv4 && offered.IPv4, IPv6: s.Families.IPv6 && offered.IPv6}
	a.hold = min(ours.HoldTime, theirs.HoldTime) // 0 on either side: none
	if a.hold > 0 {
		a.keepalive = a.hold / 3
		if s.Keepalive > 0 {
			a.keepalive = min(a.keepalive, s.Keepalive)
		}
		a.keepalive = max(a.keepalive, time.Second) // RFC 4271, section 4.4
	}
	return a, nil
}
