package heartbeat

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// timing is what Options say about time, worked out.
type timing struct {
	interval time.Duration
	// detection is the silence that makes a verdict possible.
	detection time.Duration
	grace     time.Duration
	failback  time.Duration
	watchers  int
}

const (
	// greeting is how often a node tells every other what it holds.
	greeting = time.Second
	// subscription is how long one is told beats after asking for them, with
	// room for two greetings to be lost.
	subscription = 3500 * time.Millisecond
	// patience is how long a node that has never heard anybody waits for answers
	// before it believes that there is nobody to ask.
	patience = 2 * time.Second
	// blindness is how long a node that hears nobody any more stays silent: after
	// that it is this plane that is broken, by a firewall for instance, and not the
	// cable, or there is nobody left. Memberlist may forget the others sooner, and
	// knows no better.
	blindness = 15 * time.Second
	// gap is the silence that makes the time a node has been well begin anew. Less
	// than that is a busy machine.
	gap = time.Second
	// recovery is how long a node that was down has to be heard before it is
	// relied upon where there is nobody else.
	recovery = time.Second
	// maxHeld bounds what is remembered of nodes that are gone.
	maxHeld = 1000
	// repeats is how often a verdict is told to everybody unasked.
	repeats = 3
	// probesToBelieve is how many probes in a row a dead kernel leaves unanswered.
	probesToBelieve = 4
)

// state is everything one node knows. One goroutine owns it; it reads no clock.
type state struct {
	timing
	self  id
	peers map[id]*peer
	order []*peer // by name
	table map[id]verdict

	seq      uint64
	ticked   time.Time // when the clock was last looked at
	nextBeat time.Time
	urgent   int // how many more times everybody is told the table

	// learning is when the process began to ask what became of the world, zero
	// once it knows; only answers to packets from learnSeq on count.
	learning time.Time
	learnSeq uint64
	// hesitates is until when it answers for nothing although it knows.
	hesitates time.Time
	started   bool      // the peers are known
	alone     time.Time // since when nobody is heard, zero otherwise
	unfit     Unfitness
	stalls    uint64
}

// peer is one other node.
type peer struct {
	name string
	id   id
	addr netip.AddrPort

	seq    uint64    // its last
	met    time.Time // when anything last came from it, zero for never
	heard  time.Time // the same, while it was not deaf itself
	steady time.Time // since when it has been heard without a gap
	sent   time.Time // when it was last told anything
	asked  time.Time // when it last asked for beats
	echoed uint64    // our last packet it has had
	// accused is when it last said that it does not hear us; zero if it last said
	// that it does, or nothing.
	accused time.Time
	// says is what it last said of the nodes that it watches.
	says map[id]opinion

	// watchers are those that watch it, as far as this node knows.
	watchers []id
	// watched: this node watches it, since window; silence counts from there at
	// the earliest.
	watched bool
	window  time.Time
	// probed is when its kernel was last asked, missed how many times in a row it
	// did not answer.
	probed time.Time
	missed int
}

// opinion is what one watcher says of a node.
type opinion struct {
	silent bool
	at     time.Time
}

// todo is what a step asks the outside to do.
type todo struct {
	send    []*peer
	probe   []*peer
	changed []change // of what is held
}

// change is a new verdict on a node.
type change struct {
	name   string
	was    Standing
	is     Standing
	silent time.Duration // for how long, if this node gave the verdict
}

func newState(self string, t timing, now time.Time) *state {
	return &state{
		timing: t, self: idOf(self), peers: map[id]*peer{}, table: map[id]verdict{},
		seq: uint64(now.UnixNano()), learnSeq: uint64(now.UnixNano()) + 1,
		ticked: now, nextBeat: now, learning: now,
	}
}

// setPeers replaces the other nodes. What is known of those that stay, stays.
func (s *state) setPeers(now time.Time, peers []Peer) {
	s.started = true
	if s.single() {
		s.ticked = now // it looked at the clock seldom, and missed nothing
	}
	kept := map[id]*peer{}
	s.order = s.order[:0]
	for _, in := range peers {
		i := idOf(in.Name)
		if i == s.self {
			continue
		}
		p := s.peers[i]
		if p == nil {
			p = &peer{name: in.Name, id: i, says: map[id]opinion{}}
		}
		p.addr = in.Addr
		kept[i] = p
		s.order = append(s.order, p)
	}
	slices.SortFunc(s.order, func(a, b *peer) int { return cmp.Compare(a.name, b.name) })
	if !s.alone.IsZero() && len(s.peers) == 0 && len(kept) > 0 {
		s.relearn(now) // it was the only one left, or thought so
	}
	s.peers = kept
	// What is held of a node outlasts its absence: others may hold it, too, and
	// one that comes back has to recover first. Only a flood of names is forgotten.
	if len(s.table) > maxHeld {
		maps.DeleteFunc(s.table, func(i id, _ verdict) bool { return i != s.self && kept[i] == nil })
	}
	s.assign(now)
	s.urgent = max(s.urgent, 1) // say hello
	s.nextBeat = now
}

// assign finds out whom this node watches.
func (s *state) assign(now time.Time) {
	all, up := []id{s.self}, []id(nil)
	for _, p := range s.order {
		all = append(all, p.id)
	}
	for _, node := range all {
		if s.table[node].standing.present() {
			up = append(up, node)
		}
	}
	for _, p := range s.order {
		p.watchers = watchers(p.id, up, s.watchers)
		if len(p.watchers) == 0 {
			// All others are held to be gone, as after a partition of two, or a restart
			// of all: somebody has to say who is back.
			p.watchers = watchers(p.id, all, s.watchers)
		}
		watched := slices.Contains(p.watchers, s.self)
		if watched && !p.watched {
			p.window = now
			p.probed, p.missed = time.Time{}, 0
			s.nextBeat = now // to ask for its beats
		}
		p.watched = watched
	}
}

// hear takes in one packet. It reports whether the sender waits for an answer.
func (s *state) hear(now time.Time, b *beat, out *todo) (reply bool) {
	p := s.peers[b.from]
	if p == nil {
		return false
	}
	// A lower number is an old packet, or a node whose clock was set back while
	// it was away.
	if b.seq <= p.seq && now.Sub(p.met) < 2*s.detection {
		return false
	}
	p.seq = b.seq
	p.met = now
	// One that hears nobody answers for nothing: others have to.
	if !b.deaf {
		if now.Sub(p.heard) >= max(gap, s.detection) {
			p.steady = now
		}
		p.heard = now
		p.missed = 0
	}
	p.echoed = max(p.echoed, b.echo)
	if b.watch {
		p.asked = now
	}
	for _, h := range b.hears {
		switch {
		case h.node != s.self:
			p.says[h.node] = opinion{silent: h.silent, at: now}
			if other := s.peers[h.node]; h.silent && other != nil && other.watched {
				reply = true // it asks whether we hear the node
			}
		case h.silent:
			p.accused = now
			reply = true // maybe only beats were lost
		default:
			p.accused = time.Time{}
		}
	}
	for _, e := range b.table {
		if e.node == s.self || s.peers[e.node] != nil {
			s.hold(now, e.node, e.verdict, out)
		}
	}
	return reply || b.reply
}

// hold takes a verdict if it stands against what is held.
func (s *state) hold(now time.Time, node id, v verdict, out *todo) {
	was := s.table[node]
	if !v.beats(was) {
		return
	}
	s.table[node] = v
	if v.standing == was.standing {
		return
	}
	c := change{was: was.standing, is: v.standing}
	if p := s.peers[node]; p != nil {
		c.name = p.name
		if !v.standing.present() {
			p.steady = now
		}
	}
	out.changed = append(out.changed, c)
	s.urgent = repeats
	s.nextBeat = now
	s.assign(now)
}

// tick does what is due at an instant. Call it no later than next says.
func (s *state) tick(now time.Time, out *todo) {
	s.notice(now)
	for _, p := range s.order {
		if p.watched {
			s.judge(now, p, out)
		}
	}
	was := s.unfit
	if s.unfit = s.fitness(now); was == Isolated && s.unfit != Isolated && s.alone.IsZero() {
		// Somebody is heard again, and may know what became of the addresses.
		s.relearn(now)
		s.unfit = Learning
	}
	if now.Before(s.nextBeat) {
		return
	}
	s.nextBeat = now.Add(s.interval)
	if s.single() && s.unfit == "" {
		s.nextBeat = now.Add(greeting)
	}
	everybody := s.urgent > 0 || !s.learning.IsZero() || s.suspects(now)
	for _, p := range s.order {
		if everybody || now.Sub(p.asked) < subscription || now.Sub(p.sent) >= greeting ||
			p.watched && now.Sub(p.heard) >= 3*s.interval {
			out.send = append(out.send, p)
		}
	}
	s.urgent = max(0, s.urgent-1)
}

// notice finds out whether this process has been away. What it then thinks it
// did not hear, it had no chance to hear. A silence that was a long one before goes
// on from there, or a watcher on a busy node would never call anybody dead.
func (s *state) notice(now time.Time) {
	before := s.ticked
	away := now.Sub(before)
	s.ticked = now
	if away <= 3*s.interval || s.single() {
		return
	}
	for _, p := range s.order {
		silence := before.Sub(p.since())
		if silence < s.detection {
			silence = 0
		}
		p.window, p.missed = now.Add(-silence), 0
	}
	if away >= s.detection {
		s.stalls++
		s.relearn(now)
	}
}

// relearn has this node ask the others what became of the world, and wait for
// answers to that.
func (s *state) relearn(now time.Time) {
	s.learning, s.learnSeq = now, s.seq+1
	s.nextBeat = now
}

// next is when tick has something to do.
func (s *state) next(now time.Time) time.Time {
	at := s.nextBeat
	for _, p := range s.order {
		if !p.watched || p.heard.IsZero() {
			continue
		}
		due := []time.Time{p.since().Add(s.inquiry()), p.since().Add(s.detection)}
		if s.table[p.id].standing.present() && now.Sub(p.since()) >= s.inquiry() {
			due = append(due, s.probeDue(p))
		}
		for _, t := range due {
			if t.After(now) && t.Before(at) {
				at = t
			}
		}
	}
	return at
}

// since is when the present silence of a watched node began.
func (p *peer) since() time.Time {
	if p.window.After(p.heard) {
		return p.window
	}
	return p.heard
}

// single reports whether there is no other node: nobody to tell, and nobody who
// would take over while this process is stopped.
func (s *state) single() bool { return len(s.order) == 0 }

// leave is this node's own verdict on itself.
func (s *state) leave(now time.Time, out *todo) {
	s.hold(now, s.self, s.table[s.self].next(Leaving), out)
}

// beatFor is what a peer is told now.
func (s *state) beatFor(now time.Time, to *peer) *beat {
	s.seq++
	to.sent = now
	b := &beat{
		from: s.self, seq: s.seq, echo: to.seq,
		watch: to.watched, reply: !s.learning.IsZero() || s.suspects(now), deaf: s.unfit == Isolated,
	}
	for _, p := range s.order {
		if p.watched && !p.heard.IsZero() {
			b.hears = append(b.hears, hearing{node: p.id, silent: s.silent(now, p)})
		}
	}
	for node, v := range s.table {
		if node == s.self || s.peers[node] != nil {
			b.table = append(b.table, entry{node, v})
		}
	}
	sortEntries(b.table)
	return b
}

// held returns the standing of every node of which anything was ever said.
func (s *state) held() map[id]Standing {
	out := make(map[id]Standing, len(s.table))
	for node, v := range s.table {
		out[node] = v.standing
	}
	return out
}
