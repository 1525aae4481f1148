package bfd

import (
	"net/netip"
	"time"
)

// session is one end of a session: the state variables of RFC 5880, 6.8.1, and
// what follows from them. It has no clock and no socket. Its user tells it of
// packets and instants, and asks what to send and when.
type session struct {
	config  Session
	profile Profile    // of config, with defaults
	peer    netip.Addr // of config, without zone
	discr   uint32     // our discriminator

	state  State
	since  time.Time
	diag   Diagnostic
	remote remote
	timing timing

	watch  watch     // for the peer's packets
	lastTx time.Time // of the last packet that was sent by schedule
	throw  uint32    // decides on the jitter of the next
	urgent bool      // the next is to go now: the peer does not know our state
	lost   bool      // the peer is to be forgotten once told

	route EchoRoute // as of the last packet
	echo  echo

	failures    uint64
	lastFailure string
	count       *counters

	// Not touched here.
	line    line  // to the sockets
	refused error // why the peer's packets are discarded, if they are
}

// remote is what the peer last said of itself.
type remote struct {
	discr                                 uint32
	state                                 State
	diag                                  Diagnostic
	demand                                bool
	multiplier                            uint8
	desiredTx, requiredRx, requiredEchoRx time.Duration
}

// unknown is the peer before its first packet (RFC 5880, 6.8.1).
func unknown() remote { return remote{state: Down, requiredRx: time.Microsecond} }

func newSession(config Session, discr uint32, now time.Time) *session {
	s := &session{
		config: config, profile: config.Profile.WithDefaults(), peer: config.Peer.WithZone(""),
		discr: discr, state: Down, since: now, remote: unknown(), urgent: true, count: new(counters),
	}
	s.announce()
	return s
}

// inherit takes over what must not be lost when a name gets another path.
func (s *session) inherit(from *session) {
	if from != nil {
		s.failures, s.lastFailure = from.failures, from.lastFailure
	}
}

// reconfigure takes another profile for the same path.
func (s *session) reconfigure(config Session) {
	s.config, s.profile, s.refused = config, config.Profile.WithDefaults(), nil
	s.announce()
}

// announce brings the announced intervals in line with state, profile and echo.
func (s *session) announce() {
	s.echo.active = s.echo.active && s.wantsEcho()
	tx, rx := s.profile.TransmitInterval, s.profile.ReceiveInterval
	if s.state != Up {
		tx = max(tx, slowInterval)
	}
	if s.echo.active { // which detects, so that control packets need not (RFC 5880, 6.8.3)
		rx = max(rx, slowInterval)
	}
	s.timing.set(tx, rx, s.state == Up)
}

// port is where packets for this session arrive, and where they are sent.
func (s *session) port() Port {
	return Port{MultiHop: s.config.MultiHop, IPv6: s.peer.Is6(), Device: s.config.Device}
}

// echoPort is where a peer's echo packets arrive that are addressed to us.
func (s *session) echoPort() Port {
	return Port{Echo: true, IPv6: s.peer.Is6(), Device: s.config.Device}
}

// minimumTTL is what packets have to arrive with: over a single hop, what nobody
// who forwards can send (RFC 5881, section 5).
func (s *session) minimumTTL() uint8 {
	if s.config.MultiHop {
		return s.profile.MinimumTTL
	}
	return 255
}

// receive takes a packet for this session that has passed all checks, from RFC
// 5880, 6.8.6, "Set bfd.RemoteDiscr" on. If the packet asks for a Final, one is
// to be sent at once.
func (s *session) receive(c control, now time.Time) transition {
	s.remote = remote{
		discr: c.mine, state: c.state, diag: c.diag, demand: c.demand, multiplier: c.multiplier,
		desiredTx: c.desiredTx, requiredRx: c.requiredRx, requiredEchoRx: c.requiredEchoRx,
	}
	s.watch, s.lost = watch{heard: now}, false
	if c.final {
		s.timing.final()
	}
	e := heard(c.state)
	if e == heardDown && s.state == Up && c.diag == NeighborSignaledDown {
		// The peer is down because this end said so, which it did not: no path has
		// failed. FRR says this when its administrator turns BFD off.
		e = heardAdminDown
	}
	return s.handle(e, now)
}

// handle moves the state machine.
func (s *session) handle(e event, now time.Time) transition {
	t := s.state.next(e)
	if t.to != s.state {
		s.state, s.since, s.diag, s.urgent = t.to, now, t.diag, true
		if t.failure {
			s.failures++
			s.lastFailure = s.reason()
		}
	}
	s.announce()
	return t
}

// reason says in words why the session is not up.
func (s *session) reason() string {
	if s.diag == NeighborSignaledDown && s.remote.diag != NoDiagnostic {
		return s.diag.String() + ": " + s.remote.diag.String()
	}
	return s.diag.String()
}

// detectAt is when the peer is to be declared down unless it is heard before,
// and false if never.
func (s *session) detectAt() (time.Time, bool) { return s.watch.deadline(s.detectionTime()) }

// detectionTime goes by the peer's multiplier, not ours (RFC 5880, 6.8.4).
func (s *session) detectionTime() time.Duration {
	return time.Duration(s.remote.multiplier) * s.receiveInterval()
}

func (s *session) receiveInterval() time.Duration {
	return max(s.timing.activeRx, s.remote.desiredTx)
}

func (s *session) transmitInterval() time.Duration {
	return max(s.timing.activeTx, s.remote.requiredRx)
}

// expire declares down what is overdue. The caller has seen that no packet was
// waiting at the instant now.
func (s *session) expire(now time.Time) transition {
	if s.watch.expired(s.detectionTime(), s.receiveInterval(), now) {
		s.watch, s.lost = watch{}, true
		return s.handle(timedOut, now)
	}
	if s.echoExpired(now) {
		return s.handle(echoTimedOut, now)
	}
	return transition{from: s.state, to: s.state}
}

// forget ends what is known of a peer that has not been heard for a detection
// time (RFC 5880, 6.8.1, bfd.RemoteDiscr).
func (s *session) forget() {
	s.remote, s.lost = unknown(), false
}

// sendAt is when the next packet has to go by schedule, and false if never
// (RFC 5880, 6.8.7). It is reckoned anew each time, because an interval that
// the peer shortens counts from the packet before (6.8.3).
func (s *session) sendAt() (time.Time, bool) {
	switch {
	case s.state == AdminDown,
		s.profile.Passive && s.remote.discr == 0,
		s.remote.requiredRx == 0,
		s.remote.demand && s.state == Up && s.remote.state == Up && !s.timing.polling:
		return time.Time{}, false
	case s.urgent:
		return time.Time{}, true
	default:
		return s.lastTx.Add(jitter(s.transmitInterval(), s.profile.DetectMultiplier, s.throw)), true
	}
}

// sent notes that the packet of sendAt has gone, and the throw for the next.
func (s *session) sent(now time.Time, throw uint32) {
	s.lastTx, s.throw, s.urgent = now, throw, false
}

// packet is what there is to say now: by schedule, or as the answer to a Poll.
func (s *session) packet(final bool) control {
	c := control{
		diag: s.diag, state: s.state, poll: s.timing.polling && !final, final: final,
		multiplier: s.profile.DetectMultiplier, mine: s.discr, yours: s.remote.discr,
		desiredTx: s.timing.desiredTx, requiredRx: s.timing.requiredRx,
	}
	if s.canEcho() {
		c.requiredEchoRx = s.profile.EchoInterval
	}
	return c
}
