package bgp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"syscall"
	"time"
)

// order is what a session is told, complete each time.
type order struct {
	peer     Peer
	draining bool
	errand   errand
}

// peering is one peer: its state machine, its connection and what it has been
// told. One goroutine owns it and does what the machine asks for.
type peering struct {
	wire      Wire
	node      string
	drainTime time.Duration
	log       *slog.Logger
	changed   chan<- struct{}

	ordered chan struct{} // an order or a word about the path waits
	gone    chan struct{} // closed when run has returned

	mu     sync.Mutex
	latest order
	down   bool // the path is broken
	status PeerStatus

	// What follows belongs to run.
	order   order
	machine machine
	call    *call
	line    *line
	outbox  outbox
	queue   []Message
	drain   drain
	timer   *time.Timer
	wake    time.Time // what the timer is set to
}

// set gives the session its orders.
func (p *peering) set(o order) {
	p.mu.Lock()
	p.latest = o
	p.mu.Unlock()
	signal(p.ordered)
}

// assign gives the session an errand.
func (p *peering) assign(e errand) {
	p.mu.Lock()
	p.latest.errand = e
	p.mu.Unlock()
	signal(p.ordered)
}

// pathDown says that the path is broken.
func (p *peering) pathDown() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	signal(p.ordered)
}

func (p *peering) hasGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *peering) snapshot() PeerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// run keeps the session up until it has done its errand. It waits for the
// session of that name before it, if any.
func (p *peering) run(ctx context.Context, before <-chan struct{}) {
	defer close(p.gone)
	if before != nil {
		<-before
	}
	p.timer = time.NewTimer(0)
	defer p.timer.Stop()
	p.obey(time.Now())
	for !p.step(ctx, time.Now()) {
		p.wait()
	}
}

// wait returns when something has happened, of which it tells the machine.
func (p *peering) wait() {
	var answers chan answer
	var hears chan heard
	var sends chan sent
	if p.call != nil {
		answers = p.call.answer
	}
	if p.line != nil {
		hears, sends = p.line.heard, p.line.done
	}
	select {
	case <-p.ordered:
		p.obey(time.Now())
	case a := <-answers:
		p.answered(a, time.Now())
	case h := <-hears:
		p.received(h, time.Now())
	case s := <-sends:
		p.sent(s, time.Now())
	case <-p.timer.C:
		p.wake = time.Time{}
		select { // before the verdict of a timer, the word that stops it
		case h := <-hears:
			p.received(h, time.Now())
		default:
		}
	}
}

// step does what is due and reports whether the session has ended for good.
func (p *peering) step(ctx context.Context, now time.Time) (done bool) {
	p.machine.tick(now)
	done = p.onErrand(now)
	p.act(ctx, now)
	p.advertise(now)
	p.pump(now)
	p.publish()
	p.arm(now)
	return done
}

// obey takes the latest order.
func (p *peering) obey(now time.Time) {
	p.mu.Lock()
	before, o, down := p.order, p.latest, p.down
	p.order, p.down = o, false
	p.mu.Unlock()

	m := &p.machine
	if down && m.report.State == Established {
		m.end(ending{
			cause: BFDDown, detail: "BFD: the path to the router is broken",
			say: &Notification{Code: ErrorCease, Subcode: ceaseBFDDown}, // RFC 9384
		}, now)
	}
	if o.peer.Session != before.peer.Session {
		if m.report.State > Idle {
			m.end(reconfigured(before.peer.Session, o.peer.Session, m.graceful()), now)
		}
		m.reset(o.peer.Session, now)
	}
	if o.draining || o.errand > remove {
		wait := p.drainTime
		if m.report.State != Established || p.outbox.advertised() == 0 {
			wait = 0
		}
		p.drain.begin(now, wait)
	} else {
		p.drain = drain{}
	}
}

// reconfigured is the end of a session that another one replaces. If both of
// them are with the same router and it keeps our routes meanwhile, nothing is
// said that would make it drop them.
func reconfigured(before, after Session, graceful bool) ending {
	e := ending{cause: Reconfigured, detail: "the session is configured anew", patience: restartPatience}
	switch {
	case before.remote() != after.remote():
		e.say = &Notification{Code: ErrorCease, Subcode: ceaseDeconfigured}
	case !graceful || !after.GracefulRestart:
		e.say = &Notification{Code: ErrorCease, Subcode: ceaseConfigChange}
	}
	return e
}

func (p *peering) answered(a answer, now time.Time) {
	p.call = nil
	if a.err != nil {
		p.machine.refused(a.err, now)
		return
	}
	p.line = newLine(a.conn)
	p.machine.connected(a.conn.Path(), now)
}

func (p *peering) received(h heard, now time.Time) {
	if h.err != nil {
		p.machine.broken(h.err, now)
		return
	}
	p.machine.received(h.message, now)
}

// act does what the machine wants done.
func (p *peering) act(ctx context.Context, now time.Time) {
	do := p.machine.take()
	for _, e := range do.log {
		p.write(ctx, e)
	}
	if do.hangUp != nil {
		p.publish() // first: it may take a while
		p.hangUp(*do.hangUp, now)
	}
	if do.dial {
		s := p.order.peer.Session
		p.call = dial(ctx, p.wire, s.target(), s.connectRetry())
	}
	p.queue = append(p.queue, do.send...)
	if do.established {
		p.outbox = newOutbox(p.machine.voice())
	}
	p.outbox.again.IPv4 = p.outbox.again.IPv4 || do.refresh.IPv4
	p.outbox.again.IPv6 = p.outbox.again.IPv6 || do.refresh.IPv6
}

// hangUp ends the connection or the attempt, with a last word if there is one.
func (p *peering) hangUp(e ending, now time.Time) {
	if p.call != nil {
		p.call.giveUp()
		p.call = nil
	}
	if p.line != nil {
		if e.say != nil {
			if n, err := p.line.sayLast(*e.say, farewellLimit); err == nil {
				p.machine.sent(*e.say, n, now)
				p.line.awaitEnd(e.patience)
			}
		}
		p.line.close()
		p.line = nil
	}
	p.queue, p.outbox = nil, outbox{}
}

// quiet reports whether all that was to be said has been sent.
func (p *peering) quiet() bool {
	return len(p.queue) == 0 && (p.line == nil || !p.line.busy)
}

// advertise says what has changed since the router was last told, once it has
// taken that.
func (p *peering) advertise(now time.Time) {
	if p.machine.report.State != Established || !p.quiet() || p.machine.sendFail != nil {
		return
	}
	p.machine.report.Advertised = p.outbox.advertised()
	routes, farewell := p.drain.view(p.order.peer.Routes, now)
	p.queue = p.outbox.tell(routes, farewell)
}

// pump hands the next message to the sender.
func (p *peering) pump(now time.Time) {
	if p.line == nil || p.line.busy || len(p.queue) == 0 || p.machine.sendFail != nil {
		return
	}
	p.line.say(p.queue[0])
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.machine.sending(now)
}

func (p *peering) sent(s sent, now time.Time) {
	p.line.busy = false
	u, isUpdate := s.message.(Update)
	switch {
	case s.err == nil:
		p.machine.sent(s.message, s.count, now)
	case isUpdate && errors.Is(s.err, syscall.EMSGSIZE):
		p.machine.sent(s.message, s.count, now)
		p.queue = append(p.outbox.refuse(u), p.queue...)
	default:
		p.machine.mute(s.err, now)
	}
}

// publish makes the report the status.
func (p *peering) publish() {
	r := &p.machine.report
	r.Desired = p.order.peer.Routes.Len()
	r.NotCarried, r.NotCarriedWhy = 0, ""
	if r.State == Established {
		r.NotCarried, r.NotCarriedWhy = p.outbox.notCarried(p.order.peer.Routes)
	} else {
		r.Advertised = 0
	}
	p.mu.Lock()
	was := p.status
	p.status = *r
	p.mu.Unlock()
	if was.State != r.State || !was.Since.Equal(r.Since) ||
		was.Advertised != r.Advertised || was.NotCarried != r.NotCarried {
		signal(p.changed)
	}
}

// arm sets the timer to what comes next. One that goes off too early does no
// harm, so that a deadline which only moves away, as with every message
// received, costs nothing.
func (p *peering) arm(now time.Time) {
	next := p.machine.next()
	if p.drain.began {
		for _, at := range []time.Time{p.drain.until, p.drain.flushed()} {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	if next.IsZero() || (!p.wake.IsZero() && !next.Before(p.wake)) {
		return
	}
	p.wake = next
	p.timer.Reset(time.Until(next))
}

// write logs a transition.
func (p *peering) write(ctx context.Context, e entry) {
	level := slog.LevelInfo
	if e.quiet {
		level = slog.LevelDebug
	}
	about := []slog.Attr{
		slog.String("peer", p.order.peer.Name),
		slog.String("address", p.machine.report.Address.String()),
	}
	if e.ending == nil {
		r := &p.machine.report
		p.log.LogAttrs(ctx, level, "session established", append(about,
			slog.Uint64("as", uint64(r.Remote.ASN)),
			slog.Duration("hold_time", r.HoldTime))...)
		return
	}
	about = append(about, slog.String("cause", string(e.ending.cause)), slog.String("detail", e.ending.detail))
	if e.lost {
		p.log.LogAttrs(ctx, level, "session ended", about...)
	} else {
		p.log.LogAttrs(ctx, level, "session not established", about...)
	}
}

// signal makes c ready to receive from, unless it already is.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
