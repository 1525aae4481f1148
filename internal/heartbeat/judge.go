package heartbeat

import (
	"slices"
	"time"
)

// judge looks at one node that this one watches.
func (s *state) judge(now time.Time, p *peer, out *todo) {
	if p.heard.IsZero() {
		return // it may not speak this protocol; memberlist will tell
	}
	silence := now.Sub(p.since())
	held := s.table[p.id]
	if held.standing != Up && now.Sub(p.heard) < s.detection {
		switch good := now.Sub(p.steady); {
		case good >= s.failback:
			s.hold(now, p.id, held.next(Up), out)
			return
		case held.standing != Recovering && good >= recovery:
			s.hold(now, p.id, held.next(Recovering), out)
			return
		}
	}
	if !held.standing.present() {
		return
	}
	if silence < s.inquiry() {
		return
	}
	if !now.Before(s.probeDue(p)) {
		p.probed = now
		out.probe = append(out.probe, p)
	}
	if silence < s.detection || !s.agreed(now, p) || !s.company(p) {
		return
	}
	var verdict Standing
	switch {
	case p.missed >= probesToBelieve:
		verdict = NodeDown
	case silence >= s.grace:
		verdict = SpeakerDown
	default:
		return
	}
	s.hold(now, p.id, held.next(verdict), out)
	out.changed[len(out.changed)-1].silent = silence
}

// inquiry is the silence that makes a node's kernel be asked.
func (s *state) inquiry() time.Duration { return s.detection / 3 }

// probeDue is when a silent node's kernel is to be asked again: so often that
// probesToBelieve can have failed, each after its time, by the end of the detection
// time, and no more often than beats are sent after that.
func (s *state) probeDue(p *peer) time.Time {
	if p.probed.Sub(p.since()) >= s.detection {
		return p.probed.Add(s.interval)
	}
	return p.probed.Add(s.detection / 16)
}

// probed takes in whether a node's kernel answered.
func (s *state) probed(node id, answered bool) {
	p := s.peers[node]
	switch {
	case p == nil:
	case answered:
		p.missed = 0
	default:
		p.missed++
	}
}

// silent reports whether a watched node is to be called so. It takes longer
// than a suspicion, so that some lost packets do not make the node go silent
// itself, and less than a verdict, so that watchers whose clocks beat at
// different times agree.
func (s *state) silent(now time.Time, p *peer) bool { return now.Sub(p.since()) >= s.suspicion() }

// suspicion is the silence that makes all others be asked.
func (s *state) suspicion() time.Duration { return s.detection * 2 / 3 }

// suspects reports whether the watchers of some node have to be asked.
func (s *state) suspects(now time.Time) bool {
	for _, p := range s.order {
		if p.watched && !p.heard.IsZero() && s.table[p.id].standing.present() && s.silent(now, p) {
			return true
		}
	}
	return false
}

// agreed reports whether no other watcher has just said that it hears a node,
// and those that are there to ask have said that they do not. Their answers may
// be lost, so that is waited for no longer than a second detection time.
func (s *state) agreed(now time.Time, p *peer) bool {
	silent := p.since()
	for _, q := range s.order {
		said := q.says[p.id]
		fresh := now.Sub(said.at) < s.detection/2
		if fresh && !said.silent && q != p {
			return false
		}
		agrees := fresh && said.silent && said.at.After(silent)
		if slices.Contains(p.watchers, q.id) && !agrees && now.Sub(q.heard) < s.detection &&
			now.Sub(silent) < 2*s.detection {
			return false
		}
	}
	return true
}

// company reports whether this node hears anybody but the one judged. What was
// heard before all were asked about that one does not count: a node that has lost
// its own cable heard the others a moment ago.
//
// Of two nodes, neither has anybody else to hear. A node to which memberlist has
// left one peer of several, because it hears none of them, is not one of two.
func (s *state) company(judged *peer) bool {
	if len(s.order) == 1 {
		return s.alone.IsZero()
	}
	asked := judged.since().Add(s.suspicion())
	return slices.ContainsFunc(s.order, func(q *peer) bool { return q != judged && q.heard.After(asked) })
}

// Unfitness is why this process must not answer for any address; empty when it
// may.
type Unfitness string

// The kinds of unfitness.
const (
	// Stalled: the process was not running for longer than the detection time.
	Stalled Unfitness = "stalled"
	// Learning: it has just come (back) to life and does not know yet what
	// became of its addresses.
	Learning Unfitness = "learning"
	// Isolated: it hears no other node, as if its cable were cut.
	Isolated Unfitness = "isolated"
	// Unheard: all nodes that watch it say that they do not hear it.
	Unheard Unfitness = "unheard"
	// Condemned: the others hold it dead, and have given its addresses away.
	Condemned Unfitness = "condemned"
)

// fitness finds out whether this process may answer.
func (s *state) fitness(now time.Time) Unfitness {
	if !s.started {
		return Learning
	}
	if s.learn(now); !s.learning.IsZero() {
		return Learning
	}
	if now.Before(s.hesitates) {
		return Learning
	}
	if s.isolated(now) {
		return Isolated
	}
	if s.unheard(now) {
		return Unheard
	}
	if held := s.table[s.self].standing; held == NodeDown || held == SpeakerDown {
		return Condemned
	}
	return ""
}

// learn ends the learning once half of the others have answered, or as many as
// there are after a while.
func (s *state) learn(now time.Time) {
	if s.learning.IsZero() {
		return
	}
	answers, known := 0, 0
	for _, p := range s.order {
		if !p.heard.IsZero() {
			known++
		}
		if p.echoed >= s.learnSeq {
			answers++
		}
	}
	waited := now.Sub(s.learning)
	enough := 2*answers >= len(s.order) ||
		waited >= patience && (answers > 0 || known == 0) ||
		waited >= blindness
	if !enough {
		return
	}
	s.learning = time.Time{}
	// If its addresses may be others', whoever decides what it answers for has to
	// hear of that before it answers.
	if s.table[s.self].standing != Up {
		s.hesitates = now.Add(s.interval)
	}
}

// isolated reports whether nobody is heard who ought to be.
func (s *state) isolated(now time.Time) bool {
	expected, heard := 0, 0
	for _, p := range s.order {
		if p.heard.IsZero() || !s.table[p.id].standing.present() {
			continue
		}
		expected++
		// A silence of those it watches makes a node ask all the others, so that
		// these are heard too.
		if now.Sub(p.met) < s.detection {
			heard++
		}
	}
	switch {
	case heard > 0:
		s.alone = time.Time{}
		return false
	case s.alone.IsZero() && expected < 2:
		return false
	case s.alone.IsZero():
		s.alone = now
	}
	return now.Sub(s.alone) < blindness
}

// unheard reports whether all that watch this node, and are heard, say that
// they do not hear it.
func (s *state) unheard(now time.Time) bool {
	accusers := 0
	for _, p := range s.order {
		if now.Sub(p.asked) >= subscription || now.Sub(p.heard) >= s.detection {
			continue
		}
		if p.accused.IsZero() || now.Sub(p.accused) >= s.detection {
			return false
		}
		accusers++
	}
	return accusers > 0
}
