package layer2

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// loop is the state that the goroutine in Run owns. It asks no clock: Run brings
// the instant.
type loop struct {
	engine     *Engine
	config     Config
	ports      map[portID]*port
	gratuitous gratuitous
	contests   contests

	readers sync.WaitGroup
	broken  chan broken
	frame   []byte // reused by announce
	changed bool   // Status has changed since the last publish
}

func newLoop(e *Engine) *loop {
	return &loop{
		engine: e, ports: make(map[portID]*port), broken: make(chan broken),
		gratuitous: gratuitous{refresh: e.refresh}, contests: newContests(),
	}
}

// close ends all that the loop has started.
func (l *loop) close() {
	l.contests.yields = nil // there is no time for it any more
	l.apply(Config{}, time.Time{})
	l.publish()
	l.readers.Wait()
}

// apply makes c the state to keep up.
func (l *loop) apply(c Config, now time.Time) {
	gone := without(l.config.Announcements, c.Announcements)
	l.config = c
	l.changed = true
	l.yield(gone, now)
	l.tabulate(l.latestTable(now))

	wanted := l.wanted()
	for _, id := range l.sortedPorts() {
		if p := l.ports[id]; !p.is(wanted[id]) {
			l.shut(p)
			delete(l.ports, id)
			l.engine.log.Info("stopped answering on interface", "interface", id.Link, "protocol", id.Protocol.String())
		}
	}
	for id, link := range wanted {
		if l.ports[id] == nil {
			l.ports[id] = &port{id: id}
		}
		l.ports[id].link = link
	}
	l.distribute()
	for _, id := range l.sortedPorts() {
		l.mend(l.ports[id], now)
	}
	l.inquire(now)
}

// yield has the addresses gone that were answered and are no longer this node's
// answered for some time yet, on links that stay.
func (l *loop) yield(gone []netip.Addr, now time.Time) {
	if l.contests.yields == nil {
		return
	}
	for addr := range l.contests.yields {
		if l.config.Announcement(addr) != nil {
			delete(l.contests.yields, addr)
		}
	}
	t := *l.engine.table.Load()
	for _, addr := range gone {
		// The new owner may have been told before this one, and have announced it
		// already: that looked like somebody's error.
		if at, ok := l.contests.followed[addr]; ok && now.Sub(at) < l.engine.yieldTime {
			l.engine.log.Debug("another speaker has taken over", "address", addr)
			continue
		}
		if t[addr].record.standing.CompareAndSwap(uint32(answering), uint32(yielding)) {
			l.contests.yields[addr] = now.Add(l.engine.yieldTime)
		}
	}
}

// latestTable returns the table for the config and what is on its way out. An
// address owned before keeps its age and its record.
func (l *loop) latestTable(now time.Time) table {
	before := *l.engine.table.Load()
	t := make(table, len(l.config.Announcements)+len(l.contests.yields))
	for _, a := range l.config.Announcements {
		was := before[a.Addr]
		switch kept := was != nil && was.standing().keeps(); {
		case kept && slices.Equal(was.interfaces, a.Interfaces) && slices.Equal(was.before, a.Before):
			t[a.Addr] = was
		case kept:
			t[a.Addr] = &owned{interfaces: a.Interfaces, before: a.Before, since: was.since, record: was.record}
		default:
			o := &owned{interfaces: a.Interfaces, before: a.Before, since: now, record: new(record)}
			o.record.standing.Store(uint32(firstStanding(&a)))
			t[a.Addr] = o
		}
	}
	for _, a := range l.config.Watched {
		o := &owned{interfaces: a.Interfaces, since: now, record: new(record)}
		if was := before[a.Addr]; was != nil && was.standing() == watching {
			o.since, o.record = was.since, was.record
		}
		o.record.standing.Store(uint32(watching))
		t[a.Addr] = o
	}
	for addr := range l.contests.yields {
		if t[addr] != nil { // free, and watched already
			delete(l.contests.yields, addr)
			continue
		}
		o := *before[addr]
		o.interfaces = slices.DeleteFunc(slices.Clone(o.interfaces), func(link string) bool {
			return !slices.ContainsFunc(l.config.Interfaces, func(i Interface) bool { return i.Name == link })
		})
		if len(o.interfaces) == 0 {
			delete(l.contests.yields, addr)
			continue
		}
		t[addr] = &o
	}
	return t
}

// tabulate makes t what is answered: from here on, what is not in it is silent.
func (l *loop) tabulate(t table) {
	known := stations{speakers: l.config.Speakers}
	for i := range l.config.Interfaces {
		known.own = append(known.own, l.config.Interfaces[i].MAC)
	}
	l.engine.stations.Store(&known)
	l.engine.table.Store(&t)
	l.forget(t)
}

// wanted returns the ports that the config asks for, and their links.
func (l *loop) wanted() map[portID]Interface {
	out := make(map[portID]Interface)
	for _, link := range l.config.Interfaces {
		if link.ARP {
			out[portID{Link: link.Name, Protocol: ARP}] = link
		}
		if link.NDP {
			out[portID{Link: link.Name, Protocol: NDP}] = link
		}
	}
	return out
}

// distribute gives every port the addresses that are its business.
func (l *loop) distribute() {
	for _, p := range l.ports {
		p.addrs, p.heeded = nil, []netip.Addr{}
	}
	t := *l.engine.table.Load()
	for _, addr := range l.tabulated(t) {
		o := t[addr]
		for _, link := range o.interfaces {
			p := l.ports[portID{Link: link, Protocol: protocolOf(addr)}]
			if p == nil {
				continue
			}
			p.heeded = append(p.heeded, addr)
			if o.standing() != watching {
				p.addrs = append(p.addrs, addr)
			}
		}
	}
}

// tabulated returns the addresses in t, which is that of the config, sorted.
func (l *loop) tabulated(t table) []netip.Addr {
	out := make([]netip.Addr, 0, len(t))
	for i := range l.config.Announcements {
		out = append(out, l.config.Announcements[i].Addr)
	}
	if len(out) == len(t) {
		return out
	}
	for i := range l.config.Watched {
		out = append(out, l.config.Watched[i].Addr)
	}
	out = slices.AppendSeq(out, maps.Keys(l.contests.yields))
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func (l *loop) sortedPorts() []portID {
	return slices.SortedFunc(maps.Keys(l.ports), func(a, b portID) int {
		if c := strings.Compare(a.Link, b.Link); c != 0 {
			return c
		}
		return int(a.Protocol) - int(b.Protocol)
	})
}

// retry mends the ports whose time has come.
func (l *loop) retry(now time.Time) {
	for _, p := range l.ports {
		if !p.retryAt.IsZero() && !now.Before(p.retryAt) {
			l.mend(p, now)
		}
	}
}

// announce sends the gratuitous frames that are due. A frame that cannot be sent
// is not tried again by itself: the next repeat is. A process that may not answer
// may not announce either, and what is due waits.
func (l *loop) announce(now time.Time) {
	if !l.engine.fit() {
		return
	}
	announce, refresh := l.gratuitous.take(now)
	for _, what := range announce {
		l.say(what, arpGratuitous)
	}
	for _, what := range refresh {
		l.say(what, arpRefresh)
	}
}

// say sends the gratuitous frames of one address on one link, by ARP in those
// forms.
func (l *loop) say(what onLink, forms func(netip.Addr, MAC) []arpPacket) {
	id := portID{Link: what.Link, Protocol: protocolOf(what.Addr)}
	p, o := l.ports[id], (*l.engine.table.Load())[what.Addr]
	if p == nil || p.session == nil || o == nil {
		return
	}
	if id.Protocol == NDP {
		l.send(p, o.record, ndpGratuitous(what.Addr, p.link.MAC).append(l.frame[:0]))
		return
	}
	for _, form := range forms(what.Addr, p.link.MAC) {
		l.send(p, o.record, form.append(l.frame[:0]))
	}
}

func (l *loop) send(p *port, record *record, frame []byte) {
	l.frame = frame
	if _, err := p.session.conn.Write(frame); err == nil {
		record.gratuitous.Add(1)
	}
}

// join goes on joining the groups of every port. First announcements go before:
// they need no group, and thousands of groups take the kernel a while.
func (l *loop) join(now time.Time) {
	if l.gratuitous.urgent() {
		return
	}
	for _, p := range l.ports {
		if p.joining() {
			l.joinSome(p, now)
		}
	}
}

// unfitPause is how long what is due waits before the process is asked again
// whether it may answer.
const unfitPause = 20 * time.Millisecond

// wake returns when there is something to do next, and false if never.
func (l *loop) wake(now time.Time) (time.Time, bool) {
	next, ok := l.gratuitous.wake()
	if ok && next.Before(now.Add(unfitPause)) && !l.engine.fit() {
		next = now.Add(unfitPause)
	}
	if at, due := l.contestDue(); due && (!ok || at.Before(next)) {
		next, ok = at, true
	}
	urgent := l.gratuitous.urgent()
	for _, p := range l.ports {
		if p.joining() && !urgent {
			return time.Time{}, true
		}
		for _, at := range []time.Time{p.retryAt, p.narrowAt} {
			if !at.IsZero() && (!ok || at.Before(next)) {
				next, ok = at, true
			}
		}
	}
	return next, ok
}

// publish makes the ports' state visible in Status.
func (l *loop) publish() {
	if !l.changed {
		return
	}
	l.changed = false
	links := make([]InterfaceStatus, len(l.config.Interfaces))
	for i, link := range l.config.Interfaces {
		links[i].Name = link.Name
		for _, protocol := range []Protocol{ARP, NDP} {
			if p := l.ports[portID{Link: link.Name, Protocol: protocol}]; p != nil {
				*links[i].port(protocol) = p.status()
			}
		}
	}
	l.engine.links.Store(&links)
	signal(l.engine.changed)
}
