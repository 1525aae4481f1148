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

	readers sync.WaitGroup
	broken  chan broken
	frame   []byte // reused by announce
	changed bool   // Status has changed since the last publish
}

func newLoop(e *Engine) *loop {
	return &loop{engine: e, ports: make(map[portID]*port), broken: make(chan broken)}
}

// close ends all that the loop has started.
func (l *loop) close() {
	l.apply(Config{}, time.Time{})
	l.publish()
	l.readers.Wait()
}

// apply makes c the state to keep up.
func (l *loop) apply(c Config, now time.Time) {
	l.config = c
	l.changed = true
	// The table comes first: from here on, what was withdrawn is not answered.
	l.engine.table.Store(l.newTable(now))

	wanted := l.wanted()
	for _, id := range l.sortedPorts() {
		if p := l.ports[id]; !p.is(wanted[id]) {
			l.shut(p)
			delete(l.ports, id)
			l.engine.log.Info("stopped answering on interface", "interface", id.Link, "protocol", id.Protocol.String())
		}
	}
	addrs := l.addressesByPort()
	for _, link := range c.Interfaces {
		for _, protocol := range []Protocol{ARP, NDP} {
			id := portID{Link: link.Name, Protocol: protocol}
			if _, ok := wanted[id]; !ok {
				continue
			}
			p := l.ports[id]
			if p == nil {
				p = &port{id: id, link: link}
				l.ports[id] = p
			}
			p.addrs = addrs[id]
			l.mend(p, now)
		}
	}
}

// newTable returns the table for the config. An address owned before keeps its
// age and its counters.
func (l *loop) newTable(now time.Time) *table {
	before := *l.engine.table.Load()
	t := make(table, len(l.config.Announcements))
	for _, a := range l.config.Announcements {
		o := &owned{interfaces: a.Interfaces, since: now, count: new(counters)}
		if was := before[a.Addr]; was != nil {
			o.since, o.count = was.since, was.count
		}
		t[a.Addr] = o
	}
	return &t
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

// addressesByPort returns the addresses to speak for on each port.
func (l *loop) addressesByPort() map[portID][]netip.Addr {
	out := make(map[portID][]netip.Addr)
	for _, a := range l.config.Announcements {
		for _, link := range a.Interfaces {
			id := portID{Link: link, Protocol: protocolOf(a.Addr)}
			out[id] = append(out[id], a.Addr)
		}
	}
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
// is not tried again by itself: the next repeat is.
func (l *loop) announce(now time.Time) {
	t := *l.engine.table.Load()
	for _, what := range l.gratuitous.take(now) {
		id := portID{Link: what.Link, Protocol: protocolOf(what.Addr)}
		p, count := l.ports[id], t[what.Addr].count
		if id.Protocol == NDP {
			l.send(p, count, ndpGratuitous(what.Addr, p.link.MAC).append(l.frame[:0]))
			continue
		}
		for _, form := range arpGratuitous(what.Addr, p.link.MAC) {
			l.send(p, count, form.append(l.frame[:0]))
		}
	}
}

func (l *loop) send(p *port, count *counters, frame []byte) {
	l.frame = frame
	if _, err := p.session.conn.Write(frame); err == nil {
		count.gratuitous.Add(1)
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

// wake returns when there is something to do next, and false if never.
func (l *loop) wake() (time.Time, bool) {
	next, ok := l.gratuitous.wake()
	urgent := l.gratuitous.urgent()
	for _, p := range l.ports {
		if p.joining() && !urgent {
			return time.Time{}, true
		}
		if !p.retryAt.IsZero() && (!ok || p.retryAt.Before(next)) {
			next, ok = p.retryAt, true
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
