package bfd

import (
	"fmt"
	"time"
)

// turn does what is due at the instant now.
func (l *loop) turn(now time.Time) {
	if l.overdue(now) {
		// The verdict is not given before every packet that was waiting at the
		// deadline has been read: it may be this process that was away.
		l.drainAll(now)
	}
	for _, s := range l.sessions {
		l.note(s, s.expire(now))
	}
	l.mend(now)
	for _, s := range l.sessions {
		l.transmit(s, now)
		l.transmitEcho(s, now)
	}
	l.sayFarewell(now)
	l.publish()
}

// overdue reports whether a detection time has passed.
func (l *loop) overdue(now time.Time) bool {
	for _, s := range l.sessions {
		if at, ok := s.detectAt(); ok && !now.Before(at) {
			return true
		}
		if at, ok := s.echoDetectAt(); ok && !now.Before(at) {
			return true
		}
	}
	return false
}

// take receives what has arrived.
func (l *loop) take(a arrival, now time.Time) {
	if a.err == nil {
		a.err = l.drain(a.listener, now)
	}
	if a.err != nil {
		l.lose(a.listener, a.err, now)
		return
	}
	a.listener.drained <- struct{}{}
}

func (l *loop) drainAll(now time.Time) {
	for _, e := range l.ears {
		if e.listener != nil {
			if err := l.drain(e.listener, now); err != nil {
				l.lose(e.listener, err, now)
			}
		}
	}
	for _, s := range l.sessions {
		if s.line.echo != nil {
			if err := l.drain(s.line.echo, now); err != nil {
				l.lose(s.line.echo, err, now)
			}
		}
	}
}

// drain receives until the queue is empty, or all that was in it is out.
func (l *loop) drain(ln *listener, now time.Time) error {
	for range queueLimit {
		ok, err := ln.conn.Receive(&l.packet)
		if err != nil || !ok {
			return err
		}
		if ln.echo != nil {
			if ln.echo.echoReturned(l.packet.Payload, now) {
				ln.echo.count.echoIn.Add(1)
			}
			continue
		}
		if ln.port.Echo {
			l.reflect(ln.port, &l.packet)
			continue
		}
		if why := l.receive(ln.port, &l.packet, now); why != keep {
			l.engine.discards[why].Add(1)
		}
	}
	return nil
}

// receive takes one control packet. The checks are those of RFC 5880, 6.8.6 in
// their order, and then that of RFC 5881, section 5 or RFC 5883, section 5.
func (l *loop) receive(port Port, p *Packet, now time.Time) discard {
	c, why := parseControl(p.Payload)
	if why != keep {
		return why
	}
	s := l.find(port, p, c)
	switch {
	case s == nil:
		return noSession
	case c.auth:
		l.refuse(s, "they carry authentication, which is not supported")
		return authenticated
	case p.TTL < s.minimumTTL():
		l.refuse(s, fmt.Sprintf("their TTL is %d and has to be at least %d", p.TTL, s.minimumTTL()))
		return tooFar
	}
	s.refused = nil
	s.count.controlIn.Add(1)
	s.route = EchoRoute{Peer: p.Source, Local: p.Destination, Interface: p.Interface}
	l.note(s, s.receive(c, now))
	if c.poll && s.line.sender != nil {
		l.send(s, s.packet(true))
		s.urgent = false // that said it
	}
	return keep
}

// find returns the session of a packet: by the discriminator that the peer has
// of us, or else by where it comes from (RFC 5880, 6.3; RFC 5881, section 3;
// RFC 5883, section 4).
func (l *loop) find(port Port, p *Packet, c control) *session {
	if c.yours != 0 {
		if s := l.byDiscr[c.yours]; s != nil && s.config.MultiHop == port.MultiHop && s.peer.Is6() == port.IPv6 {
			return s
		}
		return nil
	}
	var best *session
	for _, s := range l.sessions {
		if s.expects(port, p) && (best == nil || s.isNarrower(best)) {
			best = s
		}
	}
	return best
}

// expects reports whether a packet may be the first of the peer of s.
func (s *session) expects(port Port, p *Packet) bool {
	return s.config.MultiHop == port.MultiHop && s.peer == p.Source &&
		(!s.config.Local.IsValid() || s.config.Local.WithZone("") == p.Destination) &&
		(s.config.Device == "" || s.config.Device == port.Device) &&
		(s.line.sender == nil || s.line.sender.Scope() == 0 || s.line.sender.Scope() == p.Interface)
}

// isNarrower reports whether s names its path more exactly than o.
func (s *session) isNarrower(o *session) bool {
	if (s.config.Device != "") != (o.config.Device != "") {
		return s.config.Device != ""
	}
	return s.config.Local.IsValid() && !o.config.Local.IsValid()
}

// transmit sends the packet that s has to send by now.
func (l *loop) transmit(s *session, now time.Time) {
	if at, ok := l.sendAt(s); ok && !now.Before(at) && l.renew(s, now) {
		l.send(s, s.packet(false))
		s.sent(now, l.engine.dice.Uint32())
	}
	if s.lost {
		s.forget()
	}
}

// sendAt is when s has something to send, and false while there is nothing to
// say or no answer could be heard.
func (l *loop) sendAt(s *session) (time.Time, bool) {
	if s.line.sender == nil || l.ears[s.port()].listener == nil {
		return time.Time{}, false
	}
	return s.sendAt()
}

// transmitEcho sends the echo packet that s has to send by now.
func (l *loop) transmitEcho(s *session, now time.Time) {
	at, ok := s.echoAt()
	if !ok || now.Before(at) || s.line.echo == nil {
		return
	}
	l.out = s.appendEcho(l.out[:0])
	if err := s.line.echoOut.Send(l.out); err == nil {
		s.count.echoOut.Add(1)
	}
	s.echoSent(now, l.engine.dice.Uint32())
}

// reflect sends back a packet by which a peer that has no access to its own
// forwarding plane echoes: addressed to us, where RFC 5881 addresses it to
// itself. FRR does so over IPv6. It is not ours to look into.
func (l *loop) reflect(port Port, p *Packet) {
	for _, s := range l.sessions {
		if p.TTL == 255 && s.canEcho() && s.state == Up && s.expects(port, p) {
			l.sendBack(s, p.Payload)
			return
		}
	}
}

func (l *loop) sayFarewell(now time.Time) {
	left := l.farewells[:0]
	for _, f := range l.farewells {
		if !now.Before(f.at) {
			_ = f.sender.Send(f.payload) // there is nobody left to tell of an error
			f.left--
			f.at = now.Add(farewellPause)
		}
		if f.left == 0 {
			_ = f.sender.Close()
			continue
		}
		left = append(left, f)
	}
	clear(l.farewells[len(left):])
	l.farewells = left
}

// wake returns when there is something to do next, and false if never.
func (l *loop) wake() (time.Time, bool) {
	var next time.Time
	found := false
	consider := func(at time.Time, ok bool) {
		if ok && (!found || at.Before(next)) {
			next, found = at, true
		}
	}
	for _, s := range l.sessions {
		consider(s.detectAt())
		consider(l.sendAt(s))
		consider(s.redialAt(), s.line.sender == nil)
		if s.line.echo != nil {
			consider(s.echoAt())
			consider(s.echoDetectAt())
		} else {
			consider(s.line.echoRetry, s.wantsEcho())
		}
	}
	for _, e := range l.ears {
		consider(e.retryAt, e.listener == nil)
	}
	for _, f := range l.farewells {
		consider(f.at, true)
	}
	return next, found
}
