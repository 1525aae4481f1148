package layer2

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// checkTime is how long a speaker that ranks before us is given to answer,
	// on a takeover from it.
	checkTime = 20 * time.Millisecond
	// askAgain is how often it is asked while it answers.
	askAgain = time.Second
	// defendSpeaker and defendStranger are the least times between two defences
	// of one address. Against a stranger it is DEFEND_INTERVAL of RFC 5227, 1.1, or
	// two hosts that both insist would fill the segment.
	defendSpeaker  = time.Second
	defendStranger = 10 * time.Second
	// conflictOver is how long a stranger is silent before it is news again.
	conflictOver = time.Minute
)

// contest is one word of somebody else about an address of ours.
type contest struct {
	addr     netip.Addr
	mac      MAC
	link     string
	was, now standing
}

// contests is what the loop remembers of addresses that are not simply its own.
type contests struct {
	heard    chan contest
	checks   map[netip.Addr]time.Time // when to take over
	yields   map[netip.Addr]time.Time // when to stop answering
	conceded map[netip.Addr]*concession
	defended map[netip.Addr]time.Time
	shrunk   bool // yields has, and the table has not
}

// concession is an address that a speaker before us answers for.
type concession struct {
	heard time.Time // when it last said so
	askAt time.Time
}

func newContests() contests {
	return contests{
		heard:    make(chan contest, 64),
		checks:   map[netip.Addr]time.Time{},
		yields:   map[netip.Addr]time.Time{},
		conceded: map[netip.Addr]*concession{},
		defended: map[netip.Addr]time.Time{},
	}
}

// settle does what remains to be done after a contest. The standing is already
// another one; what is done here may come a moment late.
func (l *loop) settle(c contest, now time.Time) {
	o := (*l.engine.table.Load())[c.addr]
	if o == nil {
		return
	}
	switch c.now {
	case yielded:
		if c.was == yielding {
			l.engine.log.Debug("another speaker has taken over", "address", c.addr, "mac", c.mac.String())
			delete(l.contests.yields, c.addr)
			l.contests.shrunk = true
		}
	case conceded:
		if c.was != conceded {
			l.engine.log.Info("standing back: a speaker that ranks before this node answers",
				"address", c.addr, "mac", c.mac.String(), "interface", c.link)
			delete(l.contests.checks, c.addr)
			l.cease(c.addr)
			l.contests.conceded[c.addr] = &concession{askAt: now.Add(askAgain)}
			l.changed = true
		}
		if k := l.contests.conceded[c.addr]; k != nil {
			if _, first := slices.BinarySearchFunc(o.before, c.mac, compareMAC); first {
				k.heard = now
			}
		}
	default:
		_, speaker := slices.BinarySearchFunc(l.config.Speakers, c.mac, compareMAC)
		if !speaker {
			l.note(o, c, now)
		}
		if c.now == answering {
			l.defend(c, speaker, now)
		}
	}
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
func (l *loop) defend(c contest, speaker bool, now time.Time) {
	limit := defendStranger
	if speaker {
		limit = defendSpeaker
	}
	if now.Sub(l.contests.defended[c.addr]) < limit || !l.engine.fit() {
		return
	}
	l.contests.defended[c.addr] = now
	l.say(onLink{Addr: c.addr, Link: c.link})
}

// check asks the segment whether one that ranks before us still answers for an
// address that has become ours, and leaves the rest to what it hears.
func (l *loop) check(addr netip.Addr, now time.Time) {
	if !l.ask(addr) { // nowhere to ask
		l.begin(addr)
		return
	}
	l.contests.checks[addr] = now.Add(checkTime)
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

// begin makes an address this node's to answer for, and announces it.
func (l *loop) begin(addr netip.Addr) {
	o := (*l.engine.table.Load())[addr]
	if o == nil || o.standing() != checking && o.standing() != conceded {
		return
	}
	o.record.standing.Store(uint32(answering))
	delete(l.contests.checks, addr)
	delete(l.contests.conceded, addr)
	l.changed = true
	l.portsOf(addr, l.assign)
}

// cease stops to announce an address.
func (l *loop) cease(addr netip.Addr) {
	l.portsOf(addr, func(p *port) {
		l.gratuitous.cancel(onLink{Addr: addr, Link: p.id.Link})
		delete(p.session.announced, addr)
	})
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

// watch does what is due with addresses that are contested or on their way.
func (l *loop) watch(now time.Time) {
	for addr, at := range l.contests.checks {
		if !now.Before(at) {
			l.begin(addr)
		}
	}
	for addr, at := range l.contests.yields {
		if !now.Before(at) {
			delete(l.contests.yields, addr)
			l.contests.shrunk = true
		}
	}
	if l.contests.shrunk {
		l.contests.shrunk = false
		l.tabulate(l.latestTable(now))
		l.regroup()
	}
	for addr, k := range l.contests.conceded {
		if now.Before(k.askAt) {
			continue
		}
		if now.Sub(k.heard) >= 2*askAgain {
			l.engine.log.Info("taking over: the speaker before this node has fallen silent", "address", addr)
			l.begin(addr)
			continue
		}
		k.askAt = now.Add(askAgain)
		l.ask(addr)
	}
}

// contestDue returns when watch has something to do, and false if never.
func (l *loop) contestDue() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	for _, t := range l.contests.checks {
		sooner(t)
	}
	for _, t := range l.contests.yields {
		sooner(t)
	}
	for _, k := range l.contests.conceded {
		sooner(k.askAt)
	}
	return at, ok
}

// regroup makes the ports speak for what is in the table.
func (l *loop) regroup() {
	addrs := l.addressesByPort()
	for id, p := range l.ports {
		p.addrs = addrs[id]
		if p.session != nil {
			p.session.memberships.want(p.addrs)
		}
	}
}

// forget drops what is remembered of addresses that are no longer in the table.
func (l *loop) forget(t table) {
	for _, m := range []map[netip.Addr]time.Time{l.contests.checks, l.contests.defended} {
		for addr := range m {
			if t[addr] == nil {
				delete(m, addr)
			}
		}
	}
	for addr := range l.contests.conceded {
		if o := t[addr]; o == nil || o.standing() != conceded {
			delete(l.contests.conceded, addr)
		}
	}
}
