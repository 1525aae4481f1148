package bfd

import (
	"encoding/binary"
	"time"
)

// echo is the Echo function of one session, as sender (RFC 5880, 6.8.8 and
// 6.8.9).
type echo struct {
	sent     uint32 // sequence number of the last one sent
	returned uint32 // and of the last one that came back
	key      uint64 // what a packet has to carry to be ours
	lastTx   time.Time
	watch    watch  // for those that come back
	throw    uint32 // decides on the jitter of the next
	// active is set once a packet has come back: the peer does as it says, and
	// from now on silence means failure.
	active bool
}

const echoLen = 16

// canEcho reports whether the Echo function can work on this path and is asked
// for: it cannot over several hops (RFC 5883, section 4.2), nor between link-local
// addresses, which no router forwards.
func (s *session) canEcho() bool {
	return s.profile.Echo && !s.config.MultiHop && !s.peer.IsLinkLocalUnicast()
}

// wantsEcho reports whether echo packets may be sent.
func (s *session) wantsEcho() bool {
	return s.canEcho() && s.state == Up && s.remote.requiredEchoRx > 0
}

func (s *session) echoInterval() time.Duration {
	return max(s.profile.EchoInterval, s.remote.requiredEchoRx)
}

// echoAt is when the next echo packet has to go, and false if never.
func (s *session) echoAt() (time.Time, bool) {
	return s.echo.lastTx.Add(jitter(s.echoInterval(), s.profile.DetectMultiplier, s.echo.throw)), s.wantsEcho()
}

// echoDetectAt is when the path is to be declared down unless an echo packet
// comes back before, and false if never.
func (s *session) echoDetectAt() (time.Time, bool) {
	at, ok := s.echo.watch.deadline(s.echoDetectionTime())
	return at, ok && s.echo.active
}

// echoDetectionTime goes by our multiplier (RFC 5880, 6.8.5).
func (s *session) echoDetectionTime() time.Duration {
	return time.Duration(s.profile.DetectMultiplier) * s.echoInterval()
}

// echoExpired reports whether echo packets have stayed away for too long. What was
// not sent cannot come back: if this process was kept from sending, the wait
// begins anew.
func (s *session) echoExpired(now time.Time) bool {
	if !s.echo.active || !s.echo.watch.expired(s.echoDetectionTime(), s.echoInterval(), now) {
		return false
	}
	if s.echo.sent-s.echo.returned < uint32(max(s.profile.DetectMultiplier, 2))-1 {
		s.echo.watch = watch{heard: now}
		return false
	}
	return true
}

// appendEcho appends the payload of the next echo packet to b. Only we have to
// understand it.
func (s *session) appendEcho(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, s.discr)
	b = binary.BigEndian.AppendUint32(b, s.echo.sent+1)
	return binary.BigEndian.AppendUint64(b, s.echo.key)
}

// echoSent notes that the packet of echoAt has gone, and the throw for the next.
func (s *session) echoSent(now time.Time, throw uint32) {
	s.echo.sent++
	s.echo.lastTx, s.echo.throw = now, throw
}

// echoReturned takes the payload of an echo packet and reports whether it is one
// of ours that comes back for the first time.
func (s *session) echoReturned(b []byte, now time.Time) bool {
	if len(b) != echoLen || !s.wantsEcho() ||
		binary.BigEndian.Uint32(b) != s.discr || binary.BigEndian.Uint64(b[8:]) != s.echo.key {
		return false
	}
	number := binary.BigEndian.Uint32(b[4:])
	if ahead := int32(number - s.echo.returned); ahead <= 0 || int32(s.echo.sent-number) < 0 {
		return false
	}
	s.echo.returned, s.echo.watch, s.echo.active = number, watch{heard: now}, true
	s.announce()
	return true
}
