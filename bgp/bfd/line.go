package bfd

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// dialRetry is how long after a failure a sender is opened again, which may find
// by then the source address, or another device under the same name.
const dialRetry = time.Second

// line is what one session has of sockets beside its ear.
type line struct {
	sender     Sender // nil while it is not open
	sourcePort uint16
	dialedAt   time.Time
	dialErr    error // why it is not open
	sendErr    error // why it does not send
	gone       bool  // its device is not there any more

	echo      *listener // nil while it is not open
	echoOut   Sender    // nil with echo
	echoRoute EchoRoute
	echoErr   error
	echoRetry time.Time

	mirror Sender // of the peer's echo packets; nil until there is one
}

// mend opens the sockets that are missing and whose time to try has come, and
// closes those that are of no use any more.
func (l *loop) mend(now time.Time) {
	for _, s := range l.sessions {
		if s.line.sender == nil && !now.Before(s.redialAt()) {
			l.dial(s, now)
		}
		if !s.wantsEcho() || s.line.echo != nil && s.route != s.line.echoRoute {
			l.closeEcho(s)
		}
		if !s.canEcho() {
			s.closeMirror()
		}
		if s.line.echo == nil && s.wantsEcho() && !now.Before(s.line.echoRetry) {
			l.openEcho(s, now)
		}
	}
	for port, e := range l.ears {
		if e.listener == nil && !now.Before(e.retryAt) {
			l.open(port, e, now)
		}
	}
}

func (s *session) redialAt() time.Time { return s.line.dialedAt.Add(dialRetry) }

// dial opens the sender of s, or says when to try again. A session keeps its
// source port (RFC 5881, section 4).
func (l *loop) dial(s *session, now time.Time) {
	s.line.dialedAt, s.line.gone = now, false
	if s.line.sender != nil {
		_ = s.line.sender.Close()
		s.line.sender = nil
	}
	route := Route{Port: s.port(), Peer: s.config.Peer, Local: s.config.Local, SourcePort: s.line.sourcePort}
	var err error
	for range 16 {
		if route.SourcePort == 0 {
			route.SourcePort = l.sourcePort()
		}
		var sender Sender
		if sender, err = l.engine.wire.Dial(route); err == nil {
			s.line.sender, s.line.sourcePort, s.line.dialErr = sender, route.SourcePort, nil
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		s.line.sourcePort, route.SourcePort = 0, 0
	}
	l.complain(&s.line.dialErr, fmt.Errorf("bfd: failed to open socket to %v: %w", s.config.Peer, err))
}

// renew opens a sender that does not send anew, but not too often, and reports
// whether there is one.
func (l *loop) renew(s *session, now time.Time) bool {
	if s.line.sendErr != nil && !now.Before(s.redialAt()) {
		if s.line.gone {
			l.reopen(s.port()) // which was bound to the same device
		}
		l.dial(s, now)
	}
	return s.line.sender != nil
}

// send sends a packet of s. One that cannot be sent is not tried again by itself:
// the next is.
func (l *loop) send(s *session, c control) {
	l.out = c.append(l.out[:0])
	if err := s.line.sender.Send(l.out); err != nil {
		l.complain(&s.line.sendErr, fmt.Errorf("bfd: failed to send to %v: %w", s.config.Peer, err))
		s.line.gone = s.config.Device != "" && (errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENXIO))
		return
	}
	s.count.controlOut.Add(1)
	s.line.sendErr = nil
}

// sourcePort throws one that no session of ours uses: they are to be distinct
// even where the kernel would allow the same twice (RFC 5881, section 4).
func (l *loop) sourcePort() uint16 {
	const first = 49152
	for {
		port := first + uint16(l.engine.dice.Uint32()%(1<<16-first))
		if !l.usesPort(port) {
			return port
		}
	}
}

func (l *loop) usesPort(port uint16) bool {
	for _, s := range l.sessions {
		if s.line.sourcePort == port {
			return true
		}
	}
	for _, f := range l.farewells {
		if f.sourcePort == port {
			return true
		}
	}
	return false
}

// openEcho opens the echo sockets of s, or says when to try again.
func (l *loop) openEcho(s *session, now time.Time) {
	in, out, err := l.engine.wire.Echo(s.route)
	if err != nil {
		l.complain(&s.line.echoErr, fmt.Errorf("bfd: failed to open echo socket to %v: %w", s.config.Peer, err))
		s.line.echoRetry = now.Add(listenRetry)
		return
	}
	s.line.echo, s.line.echoOut, s.line.echoErr = l.listen(listener{conn: in, echo: s}), out, nil
	s.line.echoRoute = s.route
}

func (l *loop) closeEcho(s *session) {
	if s.line.echo != nil {
		s.line.echo.close()
		_ = s.line.echoOut.Close()
	}
	s.line.echo, s.line.echoOut, s.line.echoErr, s.line.echoRetry = nil, nil, nil, time.Time{}
}

// sendBack sends an echo packet of the peer's back. One that cannot be sent is the
// peer's to miss, and the next opens the way anew.
func (l *loop) sendBack(s *session, payload []byte) {
	if s.line.mirror == nil {
		mirror, err := l.engine.wire.Dial(Route{
			Port: s.echoPort(), Peer: s.config.Peer, Local: s.config.Local, SourcePort: l.sourcePort(),
		})
		if err != nil {
			return
		}
		s.line.mirror = mirror
	}
	if err := s.line.mirror.Send(payload); err != nil {
		s.closeMirror()
	}
}

func (s *session) closeMirror() {
	if s.line.mirror != nil {
		_ = s.line.mirror.Close()
		s.line.mirror = nil
	}
}
