package bfd

import "time"

// loop is the state that the goroutine in Run owns. It asks no clock: Run brings
// the instant.
type loop struct {
	engine    *Engine
	orders    []order             // sorted by name
	sessions  []*session          // of orders, each once
	byDiscr   map[uint32]*session // the same
	ears      map[Port]*ear       // those that sessions need
	farewells []*farewell
	arrivals  chan arrival

	packet Packet
	out    []byte // the packet to send, reused
}

// order is a session as it was ordered. Those of the same path share one, for
// their peer could not tell two apart (RFC 5881, section 3).
type order struct {
	config  Session
	session *session
}

// farewell is what a session that ended still has to say.
type farewell struct {
	sender     Sender
	sourcePort uint16
	payload    []byte
	left       int
	at         time.Time
}

// A session that ends says so three times: see the package comment.
const (
	farewells     = 3
	farewellPause = 30 * time.Millisecond
)

func newLoop(e *Engine) *loop {
	return &loop{
		engine:   e,
		byDiscr:  make(map[uint32]*session),
		ears:     make(map[Port]*ear),
		arrivals: make(chan arrival),
		out:      make([]byte, 0, controlLen),
	}
}

// apply makes c the state to keep up.
func (l *loop) apply(c Config, now time.Time) {
	before, byName := make(map[path]*session), make(map[string]*session)
	for _, s := range l.sessions {
		before[s.config.path()] = s
	}
	for _, o := range l.orders {
		byName[o.config.Name] = o.session
	}
	var fresh []*session
	after := make(map[path]*session)
	l.orders, l.sessions = nil, nil
	for _, config := range c.Sessions {
		s := after[config.path()]
		if s == nil {
			if s = before[config.path()]; s != nil {
				s.reconfigure(config)
			} else {
				s = l.newSession(config, now)
				s.inherit(byName[config.Name])
				fresh = append(fresh, s)
			}
			after[config.path()] = s
			l.sessions = append(l.sessions, s)
		}
		l.orders = append(l.orders, order{config: config, session: s})
	}
	for path, s := range before {
		if after[path] == nil {
			l.end(s, now)
		}
	}
	l.listenWhereNeeded(now)
	for _, s := range fresh {
		l.dial(s, now)
	}
}

// newSession returns a session with a discriminator that is random, so that no
// stranger can guess it, and unique (RFC 5880, 6.8.1).
func (l *loop) newSession(config Session, now time.Time) *session {
	discr := uint32(0)
	for discr == 0 || l.byDiscr[discr] != nil {
		discr = l.engine.dice.Uint32()
	}
	s := newSession(config, discr, now)
	s.echo.key = uint64(l.engine.dice.Uint32())<<32 | uint64(l.engine.dice.Uint32())
	l.byDiscr[discr] = s
	return s
}

// end ends a session. A peer that knows of it is told (RFC 5880, 6.8.16).
func (l *loop) end(s *session, now time.Time) {
	delete(l.byDiscr, s.discr)
	l.closeEcho(s)
	s.closeMirror()
	l.note(s, s.handle(disabled, now))
	if s.line.sender == nil {
		return
	}
	if s.remote.discr == 0 {
		_ = s.line.sender.Close()
		return
	}
	l.farewells = append(l.farewells, &farewell{
		sender: s.line.sender, sourcePort: s.line.sourcePort,
		payload: s.packet(false).append(nil), left: farewells, at: now,
	})
}

// listenWhereNeeded opens and closes ports as the sessions need them.
func (l *loop) listenWhereNeeded(now time.Time) {
	needed := make(map[Port]bool)
	need := func(port Port) {
		needed[port] = true
		if l.ears[port] == nil {
			e := new(ear)
			l.ears[port] = e
			l.open(port, e, now)
		}
	}
	for _, s := range l.sessions {
		need(s.port())
		if s.canEcho() {
			need(s.echoPort())
		}
	}
	for port, e := range l.ears {
		if needed[port] {
			continue
		}
		if e.listener != nil {
			e.listener.close()
		}
		delete(l.ears, port)
	}
}
