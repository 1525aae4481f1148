package layer2

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

const (
	retryMin = 100 * time.Millisecond // after a first failure
	retryMax = time.Second            // between any two tries

	narrowAfter = time.Second // without another change
)

// portID names a port.
type portID struct {
	Link     string
	Protocol Protocol
}

// port is one protocol on one link: what it should be, and how far it is. Its
// methods keep to its own fields and sockets; the loop calls them.
type port struct {
	id      portID
	link    Interface
	addrs   []netip.Addr // to speak for, sorted
	heeded  []netip.Addr // to hear of, sorted: those, and what is watched
	session *session     // nil while closed

	narrowAt time.Time // when to hear of heeded alone; zero: done

	err      error // what is wrong now
	failures int   // in a row
	retryAt  time.Time
}

// is reports whether p is the port that the config wants on link. Another index
// is another link, and another MAC asks for new answers and announcements, which
// a new port brings.
func (p *port) is(link Interface) bool {
	return p.link.Name == link.Name && p.link.Index == link.Index && p.link.MAC == link.MAC
}

func (p *port) status() PortStatus {
	s := PortStatus{Open: p.session != nil}
	if p.err != nil {
		s.Error = p.err.Error()
	}
	return s
}

// mend brings p closer to what it should be: open, its addresses announced, its
// groups joined. The latter two take their turns in announce and join.
func (l *loop) mend(p *port, now time.Time) {
	if p.session == nil {
		if now.Before(p.retryAt) {
			return
		}
		s, err := l.open(p, now)
		if err != nil {
			l.fail(p, err, now)
			return
		}
		p.session, p.err, l.changed = s, nil, true
		l.engine.log.Info("answering on interface",
			"interface", p.id.Link, "protocol", p.id.Protocol.String(), "mac", p.link.MAC.String())
	}
	p.retryAt = time.Time{} // joinSome sets it again if it must
	l.attend(p, now)
	l.assign(p)
}

// attend has p hear of its addresses, before anything is said about them. While
// they change that is everything, and only later them alone: what is left out is
// a matter of cost, and to choose it takes the kernel milliseconds where it is
// thousands of addresses, which a takeover does not have.
func (l *loop) attend(p *port, now time.Time) {
	p.session.memberships.want(p.addrs)
	heeded := p.session.heeded
	if heeded != nil && slices.Equal(heeded, p.heeded) {
		return
	}
	p.narrowAt = now.Add(narrowAfter)
	if heeded == nil {
		return
	}
	if err := p.session.heed(nil); err != nil {
		l.shut(p)
		l.fail(p, fmt.Errorf("layer2: failed to filter on %v socket on %s: %w", p.id.Protocol, p.id.Link, err), now)
	}
}

// narrow has the ports leave out what does not matter, once that has been the
// same for a while.
func (l *loop) narrow(now time.Time) {
	for _, p := range l.ports {
		if p.narrowAt.IsZero() || now.Before(p.narrowAt) {
			continue
		}
		p.narrowAt = time.Time{}
		if err := p.session.heed(p.heeded); err != nil { // it costs more, and works
			l.engine.log.Debug("hearing more than necessary on interface",
				"interface", p.id.Link, "protocol", p.id.Protocol.String(), "error", err)
		}
	}
}

// joining reports whether p is not through with its groups.
func (p *port) joining() bool { return p.session != nil && p.session.memberships.pending }

// joinSome goes on joining p's groups.
func (l *loop) joinSome(p *port, now time.Time) {
	joined, done, err := p.session.memberships.step()
	if len(joined) > 0 && p.link.LinkLocal.IsValid() {
		l.frame = mldJoined(l.frame[:0], station{IP: p.link.LinkLocal, MAC: p.link.MAC}, joined)
		_, _ = p.session.conn.Write(l.frame) // not sent, the kernel's own report does
	}
	switch {
	case !done:
	case err != nil:
		l.fail(p, err, now)
	case p.err != nil:
		p.err, p.failures, l.changed = nil, 0, true
		l.engine.log.Info("joined all multicast groups on interface", "interface", p.id.Link)
	}
}

// assign starts to announce what has become p's, and stops what no longer is.
func (l *loop) assign(p *port) {
	if p.session == nil {
		return
	}
	t := *l.engine.table.Load()
	announced, stay := p.session.announced, 0
	answered := func(addr netip.Addr) bool { return t[addr] != nil && t[addr].standing() == answering }
	for _, addr := range p.addrs {
		if !answered(addr) {
			continue
		}
		stay++
		if !announced[addr] {
			announced[addr] = true
			l.gratuitous.start(onLink{Addr: addr, Link: p.id.Link})
		}
	}
	if stay == len(announced) {
		return
	}
	for addr := range announced {
		if _, here := slices.BinarySearchFunc(p.addrs, addr, netip.Addr.Compare); !here || !answered(addr) {
			delete(announced, addr)
			l.gratuitous.cancel(onLink{Addr: addr, Link: p.id.Link})
		}
	}
}

// shut closes p and stops its announcements. It may be opened again.
func (l *loop) shut(p *port) {
	if p.session == nil {
		return
	}
	p.session.close()
	for addr := range p.session.announced {
		l.gratuitous.cancel(onLink{Addr: addr, Link: p.id.Link})
	}
	p.session = nil
	p.narrowAt = time.Time{}
	l.changed = true
}

// lose takes note that a port's socket has failed, mostly because its link is
// down or gone; a config without it should follow soon.
func (l *loop) lose(b broken, now time.Time) {
	if p := b.port; p.session == b.session {
		if now.Sub(b.session.openedAt) > retryMax {
			p.failures = 0
		}
		l.shut(p)
		l.fail(p, fmt.Errorf("layer2: failed to read from %v socket on %s: %w", p.id.Protocol, p.id.Link, b.err), now)
	}
}

// fail notes what is wrong with p, says it if it is news, and plans the next try.
func (l *loop) fail(p *port, err error, now time.Time) {
	if p.err == nil || p.err.Error() != err.Error() {
		l.changed = true
		l.engine.log.Warn("failed to answer on interface",
			"interface", p.id.Link, "protocol", p.id.Protocol.String(), "error", err)
	}
	p.err = err
	p.retryAt = now.Add(min(retryMin<<min(p.failures, 16), retryMax))
	p.failures++
}
