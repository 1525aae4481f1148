package layer2

import (
	"maps"
	"net/netip"
	"time"
)

const (
	// askAgain is how often a speaker that ranks before us is asked while it
	// answers: often enough to find out that it lets go while it still answers on,
	// so that there is no silence between the two. askStranger is the same for a
	// host that is not of the cluster, and askFree for an address that should be
	// free.
	askAgain    = 250 * time.Millisecond
	askStranger = 10 * time.Second
	askFree     = time.Minute
	// askFreePause spaces the questions about free addresses: 50 per second.
	askFreePause = 20 * time.Millisecond

	// checkTime is how long a speaker that ranks before us is given to answer, on
	// a takeover from it.
	checkTime = 20 * time.Millisecond
	// proofs are how often it is asked whether a new address is free, and
	// proofTime how long each answer may take. RFC 5227, 1.1 takes seconds for
	// links that are slow; 2.1 allows less where they are known not to be.
	proofs    = 3
	proofTime = 100 * time.Millisecond

	// defendSpeaker and defendStranger are the least times between two defences
	// of one address. Against a stranger it is DEFEND_INTERVAL of RFC 5227, 1.1, or
	// two hosts that both insist would fill the segment.
	defendSpeaker  = time.Second
	defendStranger = 10 * time.Second
	// conflictOver is how long a stranger is silent before it is news again.
	conflictOver = time.Minute
)

// contest is one word of somebody else about an address in the table.
type contest struct {
	addr     netip.Addr
	mac      MAC
	who      claimant
	link     string
	was, now standing
}

// contests is what the loop remembers of addresses that are not simply its own.
type contests struct {
	heard    chan contest
	asks     map[netip.Addr]*inquiry
	yields   map[netip.Addr]time.Time // when to stop answering
	defended map[netip.Addr]time.Time
	// followed is when a speaker that ranks after us last claimed an address.
	followed map[netip.Addr]time.Time
	nextFree time.Time // when the next free address may be asked for
	shrunk   bool      // yields has, and the table has not
	begun    bool      // addresses are answered that are not announced yet
}

// inquiry is an address that the segment is asked about.
type inquiry struct {
	standing standing // what it is about; another one is another inquiry
	askAt    time.Time
	asked    int
	heard    time.Time // when somebody last claimed it
}

func newContests() contests {
	return contests{
		heard:    make(chan contest, 64),
		asks:     map[netip.Addr]*inquiry{},
		yields:   map[netip.Addr]time.Time{},
		defended: map[netip.Addr]time.Time{},
		followed: map[netip.Addr]time.Time{},
	}
}

// inquire begins the inquiries that the table asks for; watch goes on with them,
// and forget ends them.
func (l *loop) inquire(now time.Time) {
	t := *l.engine.table.Load()
	for addr, o := range t {
		s := o.standing()
		asks := s == checking || s == proving || s == occupied || s == conceded || s == watching
		if q := l.contests.asks[addr]; asks && (q == nil || q.standing != s) {
			l.contests.asks[addr] = &inquiry{standing: s, askAt: now}
		}
	}
}

// settle does what remains to be done after a contest. The standing is already
// another one; what is done here may come a moment late.
func (l *loop) settle(c contest, now time.Time) {
	o := (*l.engine.table.Load())[c.addr]
	if o == nil {
		return
	}
	if c.now == yielded {
		if c.was == yielding {
			l.engine.log.Debug("another speaker has taken over", "address", c.addr, "mac", c.mac.String())
			delete(l.contests.yields, c.addr)
			l.contests.shrunk = true
		}
		return
	}
	if c.now != c.was {
		l.standBack(c, now)
	}
	if q := l.contests.asks[c.addr]; q != nil && (c.who == byLeader || c.now != conceded) {
		q.heard = now
	}
	if c.who == byStranger {
		l.note(o, c, now)
	}
	if c.who == byFollower {
		l.contests.followed[c.addr] = now
	}
	if c.now == answering {
		l.defend(c, now)
	}
}

// settleAll settles what has been heard so far.
func (l *loop) settleAll(now time.Time) {
	for range len(l.contests.heard) {
		l.settle(<-l.contests.heard, now)
	}
}

// standBack stops to announce an address that somebody else has.
func (l *loop) standBack(c contest, now time.Time) {
	wait := askAgain
	if c.now == conceded {
		l.engine.log.Info("standing back: a speaker that ranks before this node answers",
			"address", c.addr, "mac", c.mac.String(), "interface", c.link)
	} else {
		wait = askStranger
	}
	l.contests.asks[c.addr] = &inquiry{standing: c.now, askAt: now.Add(wait)}
	l.portsOf(c.addr, func(p *port) {
		l.gratuitous.cancel(onLink{Addr: c.addr, Link: p.id.Link})
		delete(p.session.announced, c.addr)
	})
	l.changed = true
}

// note keeps the conflict with a stranger.
func (l *loop) note(o *owned, c contest, now time.Time) {
	conflict := Conflict{MAC: c.mac, Interface: c.link, Since: now}
	news := true
	if was := o.record.conflict.Load(); was != nil && was.MAC == c.mac && was.Interface == c.link {
		conflict = *was
		news = now.Sub(was.Last) >= conflictOver
	}
	conflict.Last = now
	conflict.Times++
	o.record.conflict.Store(&conflict)
	if news {
		l.changed = true
		l.engine.log.Warn("address is claimed by a host outside the cluster",
			"address", c.addr, "mac", c.mac.String(), "interface", c.link)
	}
}

// defend says once more whose the address is (RFC 5227, 2.4).
func (l *loop) defend(c contest, now time.Time) {
	limit := defendSpeaker
	if c.who == byStranger {
		limit = defendStranger
	}
	if now.Sub(l.contests.defended[c.addr]) < limit || !l.engine.fit() {
		return
	}
	l.contests.defended[c.addr] = now
	l.say(onLink{Addr: c.addr, Link: c.link}, arpGratuitous)
}

// watch does what is due with addresses that are asked about or on their way.
func (l *loop) watch(now time.Time) {
	for addr, at := range l.contests.yields {
		if !now.Before(at) {
			delete(l.contests.yields, addr)
			l.contests.shrunk = true
		}
	}
	if l.contests.shrunk {
		l.contests.shrunk = false
		l.tabulate(l.latestTable(now))
		l.regroup(now)
	}
	t := *l.engine.table.Load()
	for addr, q := range l.contests.asks {
		if !now.Before(q.askAt) {
			l.pursue(addr, t[addr], q, now)
		}
	}
	if l.contests.begun { // all at once: a dead node may leave thousands behind
		l.contests.begun = false
		for _, p := range l.ports {
			l.assign(p)
		}
	}
}

// pursue asks about an address once more, or comes to a verdict.
func (l *loop) pursue(addr netip.Addr, o *owned, q *inquiry, now time.Time) {
	var wait time.Duration
	var quiet bool // nobody has it, any more
	switch q.standing {
	case conceded:
		wait = askAgain
		quiet = q.asked > 0 && now.Sub(q.heard) >= 2*askAgain
	case checking:
		wait = checkTime
		quiet = q.asked > 0
	case proving:
		wait = proofTime
		quiet = q.asked >= proofs
	case occupied:
		wait = askStranger
		quiet = q.asked > 1 && now.Sub(q.heard) >= 2*askStranger
	case watching:
		if now.Before(l.contests.nextFree) {
			q.askAt = l.contests.nextFree
			return
		}
		l.contests.nextFree = now.Add(askFreePause)
		wait = askFree
		if q.asked > 1 && now.Sub(q.heard) >= 2*askFree && o.record.conflict.Swap(nil) != nil {
			l.changed = true
		}
	case answering, yielding, yielded: // nothing to ask
	}
	if quiet || !l.ask(addr) && q.standing != watching {
		l.begin(addr)
		return
	}
	q.asked++
	q.askAt = now.Add(wait)
}

// ask sends a probe on every open port of an address, and reports whether there
// is one.
func (l *loop) ask(addr netip.Addr) bool {
	asked := false
	l.portsOf(addr, func(p *port) {
		asked = true
		if p.id.Protocol == ARP {
			l.frame = arpProbe(addr, p.link.MAC).append(l.frame[:0])
		} else {
			l.frame = ndpProbe(addr, p.link.MAC).append(l.frame[:0])
		}
		_, _ = p.session.conn.Write(l.frame) // not sent is not answered
	})
	return asked
}

// begin makes an address this node's to answer for; watch has it announced.
func (l *loop) begin(addr netip.Addr) {
	delete(l.contests.asks, addr)
	o := (*l.engine.table.Load())[addr]
	was := o.standing()
	o.record.standing.Store(uint32(answering))
	if was == conceded || was == occupied {
		l.engine.log.Info("taking over: whoever had the address has fallen silent", "address", addr)
	}
	if was == occupied {
		o.record.conflict.Store(nil)
	}
	l.changed = true
	l.contests.begun = true
}

// portsOf calls do for the open ports of an address.
func (l *loop) portsOf(addr netip.Addr, do func(*port)) {
	o := (*l.engine.table.Load())[addr]
	if o == nil {
		return
	}
	for _, link := range o.interfaces {
		if p := l.ports[portID{Link: link, Protocol: protocolOf(addr)}]; p != nil && p.session != nil {
			do(p)
		}
	}
}

// contestDue returns when watch has something to do, and false if never.
func (l *loop) contestDue() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	for _, t := range l.contests.yields {
		sooner(t)
	}
	for _, q := range l.contests.asks {
		sooner(q.askAt)
	}
	return at, ok
}

// regroup makes the ports speak for what is in the table.
func (l *loop) regroup(now time.Time) {
	l.distribute()
	for _, p := range l.ports {
		if p.session != nil {
			l.attend(p, now)
		}
	}
}

// forget drops what is remembered of addresses that are no longer in the table,
// or are something else there.
func (l *loop) forget(t table) {
	for _, times := range []map[netip.Addr]time.Time{l.contests.defended, l.contests.followed} {
		maps.DeleteFunc(times, func(addr netip.Addr, _ time.Time) bool { return t[addr] == nil })
	}
	for addr, q := range l.contests.asks {
		if o := t[addr]; o == nil || o.standing() != q.standing {
			delete(l.contests.asks, addr)
		}
	}
}
