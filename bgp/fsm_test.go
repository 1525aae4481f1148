package bgp

import (
	"net/netip"
	"testing"
	"time"
)

// up returns a machine with an established session since an instant, and that
// instant.
func up(t *testing.T, session Session) (*machine, time.Time) {
	t.Helper()
	now := time.Unix(0, 0)
	m := &machine{dice: func() float64 { return 0 }}
	m.reset(session, now)
	m.tick(now)
	m.connected(pathTo(session.remote()), now)
	m.received(Open{ASN: 64501, RouterID: netip.MustParseAddr("192.0.2.254"), HoldTime: 9 * time.Second}, now)
	m.received(Keepalive{}, now)
	if m.report.State != Established {
		t.Fatalf("the session is not established: %+v", m.report)
	}
	m.take()
	return m, now
}

// A process that was paused does not blame the router for messages that it had
// no chance to read itself: it reads first. Once, not for ever.
func TestPause(t *testing.T) {
	t.Parallel()
	session := peer("tor", "192.0.2.1").Session

	m, now := up(t, session)
	now = now.Add(time.Minute)
	m.tick(now)
	same(t, "when it wakes up", Established, m.report.State)
	m.received(Keepalive{}, now.Add(time.Millisecond))
	m.tick(now.Add(9 * time.Second))
	same(t, "with a message read", Established, m.report.State)
	same(t, "the deadline", now.Add(9*time.Second+time.Millisecond), m.timers.hold)

	m, now = up(t, session)
	now = now.Add(time.Minute)
	m.tick(now)
	m.tick(now.Add(excuse))
	same(t, "without", HoldTimerExpired, m.report.LastCause)

	m, now = up(t, session)
	for range 3 { // starved: late again and again
		now = now.Add(time.Minute)
		m.tick(now)
	}
	same(t, "starved", HoldTimerExpired, m.report.LastCause)

	m, now = up(t, session)
	now = now.Add(9*time.Second + late)
	m.tick(now)
	same(t, "hardly late", HoldTimerExpired, m.report.LastCause)
}

// Nothing can be sent any more, but the router has said why.
func TestLastWords(t *testing.T) {
	t.Parallel()
	session := peer("tor", "192.0.2.1").Session
	broken := &MessageError{Problem: "never this"}

	m, now := up(t, session)
	m.mute(broken, now)
	m.received(Notification{Code: ErrorCease, Subcode: 4}, now.Add(time.Millisecond))
	same(t, "a NOTIFICATION was under way", "the router closed the session: Cease/Administrative Reset", m.report.LastError)

	m, now = up(t, session)
	m.mute(netError("broken pipe"), now)
	m.tick(now.Add(lastWords))
	same(t, "nothing was", "the connection broke: broken pipe", m.report.LastError)
}

type netError string

func (e netError) Error() string { return string(e) }

// Attempts are ConnectRetry apart, less up to a quarter (RFC 4271, section 10).
func TestJitter(t *testing.T) {
	t.Parallel()
	for dice, want := range map[float64]time.Duration{0: 2 * time.Second, 0.5: 1750 * time.Millisecond, 1: 1500 * time.Millisecond} {
		now := time.Unix(0, 0)
		m := &machine{dice: func() float64 { return dice }}
		m.reset(peer("tor", "192.0.2.1").Session, now)
		m.tick(now)
		m.refused(netError("refused"), now.Add(time.Millisecond))
		same(t, "the next attempt", want, m.next().Sub(now))
	}
}

func TestRouterID(t *testing.T) {
	t.Parallel()
	path := pathTo(netip.MustParseAddrPort("[2001:db8::1]:179"))
	alone := path
	alone.IPv4 = netip.Addr{}
	me := self{node: "node-1"}
	same(t, "configured", netip.MustParseAddr("192.0.2.99"), Session{RouterID: netip.MustParseAddr("192.0.2.99")}.routerID(me, path))
	same(t, "of the interface", path.IPv4, Session{}.routerID(me, path))
	derived := Session{}.routerID(me, alone)
	same(t, "of the node, each time", derived, Session{}.routerID(me, alone))
	if derived == (Session{}.routerID(self{node: "node-2"}, alone)) {
		t.Errorf("two nodes have the identifier %s", derived)
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	s := Session{
		Address: netip.MustParseAddr("2001:db8::1"), Port: 1790, Source: netip.MustParseAddr("2001:db8::2"),
		Device: "red", Password: "k", TTLSecurity: true,
	}
	same(t, "target", Target{
		Remote: netip.MustParseAddrPort("[2001:db8::1]:1790"), Source: s.Source,
		Device: "red", Password: "k", TTL: 255, MinTTL: 255,
	}, s.target())
	s.MultiHop = true
	same(t, "least TTL over several hops", uint8(0), s.target().MinTTL)
}

func TestNotificationString(t *testing.T) {
	t.Parallel()
	for want, n := range map[string]Notification{
		"Message Header Error/Bad Message Length":           {Code: 1, Subcode: 2},
		"OPEN Message Error":                                {Code: 2},
		"OPEN Message Error/5":                              {Code: 2, Subcode: 5},
		"UPDATE Message Error/Malformed AS_PATH":            {Code: 3, Subcode: 11},
		"Hold Timer Expired":                                {Code: 4},
		"Hold Timer Expired/1":                              {Code: 4, Subcode: 1},
		`Cease/Administrative Shutdown: "gone \"fishing\""`: {Code: 6, Subcode: 2, Text: `gone "fishing"`},
		"Cease/255": {Code: 6, Subcode: 255},
		"ROUTE-REFRESH Message Error/Invalid Message Length": {Code: 7, Subcode: 1},
		"Send Hold Timer Expired":                            {Code: 8},
		"error 77/3":                                         {Code: 77, Subcode: 3},
	} {
		same(t, "notification", want, n.String())
	}
}
