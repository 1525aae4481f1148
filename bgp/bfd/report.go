package bfd

import "fmt"

// note counts and logs a transition that has been made.
func (l *loop) note(s *session, t transition) {
	switch {
	case t.from == t.to:
	case t.to == Up:
		s.count.ups.Add(1)
		l.engine.log.Info("bfd session is up", "session", s.config.Name, "peer", s.config.Peer)
	case t.failure:
		s.count.downs.Add(1)
		l.engine.log.Warn("bfd session has failed", "session", s.config.Name, "peer", s.config.Peer, "reason", s.reason())
	case t.from == Up:
		s.count.downs.Add(1)
		l.engine.log.Info("bfd session ended", "session", s.config.Name, "peer", s.config.Peer, "reason", s.reason())
	}
}

// refuse notes why the peer's packets are discarded, while that may be why the
// session is not up. Only the first is noted: they may be a stranger's.
func (l *loop) refuse(s *session, why string) {
	if s.state != Up && s.refused == nil {
		l.complain(&s.refused, fmt.Errorf("bfd: packets from %v are discarded: %s", s.config.Peer, why))
	}
}

// complain keeps err where Status finds it, and logs it unless it is what was
// there before.
func (l *loop) complain(place *error, err error) {
	if *place == nil || (*place).Error() != err.Error() {
		l.engine.log.Warn("bfd session cannot work", "error", err)
	}
	*place = err
}

// publish makes the state of the sessions visible in Status if it has changed.
func (l *loop) publish() {
	before := *l.engine.reports.Load()
	same := len(before) == len(l.orders)
	for i := 0; same && i < len(before); i++ {
		same = before[i].count == l.orders[i].session.count && before[i].status == l.status(l.orders[i])
	}
	if same {
		return
	}
	reports := make([]report, len(l.orders))
	for i, o := range l.orders {
		reports[i] = report{status: l.status(o), count: o.session.count}
	}
	l.engine.reports.Store(&reports)
	signal(l.engine.changed)
}

// status is the state of a session with what its sockets say.
func (l *loop) status(o order) SessionStatus {
	s := o.session
	out := s.status()
	out.Name = o.config.Name
	var mirrorErr error
	if s.canEcho() {
		mirrorErr = l.ears[s.echoPort()].err
	}
	for _, err := range [...]error{l.ears[s.port()].err, s.line.dialErr, s.line.sendErr, s.refused, s.line.echoErr, mirrorErr} {
		if err != nil {
			out.Error = err.Error()
			break
		}
	}
	return out
}
