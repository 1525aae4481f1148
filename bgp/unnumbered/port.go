package unnumbered

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// The times of RFC 4861, section 10, and those of ours that lie within what
// section 6.2.1 allows.
const (
	// minInterval and maxInterval bound the time between two advertisements that
	// nobody asked for. Routers do not wait longer than they have to.
	minInterval = 7500 * time.Millisecond
	maxInterval = 10 * time.Second
	// maxDelay bounds the random time after which a question is answered:
	// MAX_RA_DELAY_TIME.
	maxDelay = 500 * time.Millisecond
	// minGap is the least time between two advertisements: MIN_DELAY_BETWEEN_RAS.
	minGap = 3 * time.Second
	// silence is after how long a router counts as silent: three of our own
	// intervals, in each of which it was asked.
	silence = 3 * maxInterval
	// retry is the time between attempts to open a link that cannot be.
	retry = 5 * time.Second
)

// maxRouters bounds how many routers of one link are remembered, for anybody on
// the link can invent some.
const maxRouters = 16

// port decides for one link whom to take for its router, and when to say what.
// It does no I/O: what it returns is done by its caller.
type port struct {
	link Link
	dice func() float64

	heard  map[netip.Addr]time.Time // routers, and when last
	router netip.Addr               // one of them, or zero

	said time.Time // the last advertisement
	next time.Time // when the next one is due
}

func newPort(link Link, dice func() float64) *port {
	return &port{link: link, dice: dice, heard: make(map[netip.Addr]time.Time)}
}

// opened is told when the link becomes audible: time to say hello.
func (p *port) opened(now time.Time) { p.next = now }

// receive takes note of a message.
func (p *port) receive(m Heard, now time.Time) {
	if m.Kind == Solicitation {
		p.answer(now)
		return
	}
	if m.From == p.link.LinkLocal {
		return
	}
	if _, known := p.heard[m.From]; !known {
		p.forget(now)
		if len(p.heard) >= maxRouters {
			return
		}
		// It may have missed what was said before it was there, and not ask.
		p.answer(now)
	}
	p.heard[m.From] = now
	p.elect(now)
}

// answer brings the next advertisement forward, as fast as RFC 4861, section
// 6.2.6, allows.
func (p *port) answer(now time.Time) {
	at := now.Add(time.Duration(p.dice() * float64(maxDelay)))
	if earliest := p.said.Add(minGap); at.Before(earliest) {
		at = earliest
	}
	if at.Before(p.next) {
		p.next = at
	}
}

// due returns what is to be sent now.
func (p *port) due(now time.Time) []Kind {
	if now.Before(p.next) {
		return nil
	}
	p.elect(now)
	p.said = now
	p.next = now.Add(minInterval + time.Duration(p.dice()*float64(maxInterval-minInterval)))
	if p.router.IsValid() && len(p.heard) == 1 {
		return []Kind{Advertisement}
	}
	// There is none yet, or it is to be found out which of them live. Hosts stop to
	// ask after a while (RFC 4861, section 6.3.7), but this one has nothing to do
	// until it is told, and asks no more often than it speaks anyway.
	return []Kind{Advertisement, Solicitation}
}

// elect chooses the router. The one in use stays as long as it is heard, and
// longer if there is no other: whether it lives is for the session with it to
// find out, and an address that was right a minute ago is the best guess for
// where it comes back. Its router lifetime has no part in this: that is about
// default routes, and often 0.
func (p *port) elect(now time.Time) {
	if p.alive(p.router, now) {
		return
	}
	var best netip.Addr
	for addr := range p.heard {
		if p.alive(addr, now) && (!best.IsValid() || addr.Less(best)) {
			best = addr
		}
	}
	if best.IsValid() {
		p.router = best
		p.forget(now)
	}
}

func (p *port) alive(router netip.Addr, now time.Time) bool {
	at, ok := p.heard[router]
	return ok && now.Sub(at) < silence
}

// forget drops routers that are silent, but the one in use.
func (p *port) forget(now time.Time) {
	maps.DeleteFunc(p.heard, func(addr netip.Addr, _ time.Time) bool {
		return addr != p.router && !p.alive(addr, now)
	})
}

// status reports on the link.
func (p *port) status() LinkStatus {
	s := LinkStatus{Name: p.link.Name}
	if !p.router.IsValid() {
		return s
	}
	s.Router, s.Heard = p.router.WithZone(p.link.Name), p.heard[p.router]
	for _, addr := range slices.SortedFunc(maps.Keys(p.heard), netip.Addr.Compare) {
		if addr != p.router {
			s.Others = append(s.Others, addr.WithZone(p.link.Name))
		}
	}
	return s
}
