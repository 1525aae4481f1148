package unnumbered

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what an Engine needs to work.
type Options struct {
	// Wire opens the links. It is required.
	Wire Wire
	// Dice returns random numbers from 0 to 1, without 1. Nil means those of the
	// runtime.
	Dice func() float64
	// Log gets the routers found, and the links that cannot be used. Nil discards
	// them.
	Log *slog.Logger
}

// Engine keeps watch on the links it was last told. Its methods may be called
// from any goroutine, before, during and after Run.
type Engine struct {
	wire Wire
	dice func() float64
	log  *slog.Logger

	ran     atomic.Bool
	ordered chan struct{} // new links wait
	changed chan struct{}

	mu    sync.Mutex
	links []Link

	status atomic.Pointer[Status] // written by the loop alone
}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) {
	if o.Wire == nil {
		return nil, errors.New("unnumbered: failed to make an engine: no wire to speak on")
	}
	if o.Dice == nil {
		o.Dice = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		wire: o.Wire, dice: o.Dice, log: o.Log,
		ordered: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	e.status.Store(&Status{})
	return e, nil
}

// Set makes links, sorted by name, those to be watched, and returns without
// waiting for it. The last one wins; one that asks for the same changes nothing;
// none ends all. What changes on a link is learned from here and nowhere else:
// one that comes back under its old name has another Index. The engine keeps
// links.
func (e *Engine) Set(links []Link) {
	e.mu.Lock()
	same := slices.Equal(e.links, links)
	e.links = links
	e.mu.Unlock()
	if !same {
		signal(e.ordered)
	}
}

func (e *Engine) latest() []Link {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.links
}

// Changed returns a channel that receives after Routers has changed, or which
// links have a problem. It is for one receiver: several changes may arrive as
// one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Status returns what is known of each link.
func (e *Engine) Status() Status {
	s := Status{Links: slices.Clone(e.status.Load().Links)}
	for i := range s.Links {
		s.Links[i].Others = slices.Clone(s.Links[i].Others)
	}
	return s
}

// Routers returns the router of each link that has one: its link-local address,
// with the link's name as the zone.
func (e *Engine) Routers() map[string]netip.Addr {
	out := make(map[string]netip.Addr)
	for _, l := range e.status.Load().Links {
		if l.Router.IsValid() {
			out[l.Name] = l.Router
		}
	}
	return out
}

// Run keeps watch until ctx is done, and returns nil once every goroutine has
// ended and every socket is closed. What was found stays in Status. It fails at
// once if the engine has run before.
func (e *Engine) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("unnumbered: failed to run the engine: it has run before")
	}
	l := loop{engine: e, watches: make(map[string]*watch), events: make(chan event)}
	defer l.close()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.ordered:
			l.apply(e.latest())
		case v := <-l.events:
			l.take(v, time.Now())
		case <-timer.C:
		}
		l.act(time.Now())
		l.publish()
		if next, ok := l.wake(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
	}
}

// loop is what the goroutine of Run owns.
type loop struct {
	engine  *Engine
	watches map[string]*watch // by the link's name
	events  chan event
	reading sync.WaitGroup
}

// watch is a link and the means to be heard there.
type watch struct {
	*port
	conn    Conn          // nil: not open
	closed  chan struct{} // closed with conn
	retryAt time.Time     // when to try again to open it
	problem error
}

// opens returns when to try to open the link, if it is not open and can be.
func (w *watch) opens() (at time.Time, ok bool) {
	return w.retryAt, w.conn == nil && w.link.LinkLocal.IsValid()
}

// event is what a goroutine that receives has to say: a message, or the error
// that ended it.
type event struct {
	watch *watch
	conn  Conn
	heard Heard
	err   error
}

// apply makes links those to be watched.
func (l *loop) apply(links []Link) {
	wanted := make(map[string]Link, len(links))
	for _, link := range links {
		wanted[link.Name] = link
	}
	for name, w := range l.watches {
		link, ok := wanted[name]
		if ok && link == w.link {
			continue
		}
		w.close()
		if !ok || link.Index != w.link.Index { // another interface, another router
			delete(l.watches, name)
			continue
		}
		w.link, w.retryAt = link, time.Time{} // it may have been what was wrong
	}
	for name, link := range wanted {
		if l.watches[name] == nil {
			l.watches[name] = &watch{port: newPort(link, l.engine.dice)}
		}
		if !link.LinkLocal.IsValid() {
			l.complain(l.watches[name], fmt.Errorf("unnumbered: %s has no link-local address to speak from", name))
		}
	}
}

// take hands an event to its port, unless it is of a connection that is no more.
func (l *loop) take(v event, now time.Time) {
	w := v.watch
	switch {
	case w.conn != v.conn:
	case v.err != nil:
		w.close()
		l.fail(w, fmt.Errorf("unnumbered: failed to receive on %s: %w", w.link.Name, v.err), now)
	default:
		before := w.router
		w.receive(v.heard, now)
		l.say(w, before)
	}
}

// act does what is due: opens links and speaks.
func (l *loop) act(now time.Time) {
	for _, w := range l.watches {
		if at, ok := w.opens(); ok && !now.Before(at) {
			l.open(w, now)
		}
		if w.conn == nil {
			continue
		}
		before := w.router
		for _, kind := range w.due(now) {
			// A link that is down for the moment is no reason to open it anew, and
			// what was not said now will be said next time.
			if err := w.conn.Send(kind); err != nil {
				l.complain(w, fmt.Errorf("unnumbered: failed to send on %s: %w", w.link.Name, err))
			} else {
				w.problem = nil
			}
		}
		l.say(w, before)
	}
}

// open makes the link audible, if it can be.
func (l *loop) open(w *watch, now time.Time) {
	conn, err := l.engine.wire.Open(w.link)
	if err != nil {
		l.fail(w, fmt.Errorf("unnumbered: failed to open %s: %w", w.link.Name, err), now)
		return
	}
	closed := make(chan struct{})
	w.conn, w.closed, w.problem = conn, closed, nil
	w.opened(now)
	l.reading.Go(func() {
		for {
			heard, err := conn.Receive()
			select {
			case l.events <- event{watch: w, conn: conn, heard: heard, err: err}:
			case <-closed:
				return
			}
			if err != nil {
				return
			}
		}
	})
}

// close makes the link inaudible.
func (w *watch) close() {
	if w.conn != nil {
		close(w.closed)
		_ = w.conn.Close() // nothing is lost that is not said again
		w.conn = nil
	}
}

func (l *loop) close() {
	for _, w := range l.watches {
		w.close()
	}
	l.reading.Wait()
}

// fail plans another attempt to open the link.
func (l *loop) fail(w *watch, err error, now time.Time) {
	w.retryAt = now.Add(retry)
	l.complain(w, err)
}

// complain notes a problem, and logs it unless it is the one there was.
func (l *loop) complain(w *watch, err error) {
	if w.problem == nil || w.problem.Error() != err.Error() {
		l.engine.log.Info("unnumbered link cannot be used", "interface", w.link.Name, "error", err)
	}
	w.problem = err
}

// say logs that the link has another router than before.
func (l *loop) say(w *watch, before netip.Addr) {
	if w.router != before {
		l.engine.log.Info("router found", "interface", w.link.Name, "router", w.router, "before", before)
	}
}

// wake returns when there is something to do next.
func (l *loop) wake() (at time.Time, ok bool) {
	for _, w := range l.watches {
		next, due := w.next, true
		if w.conn == nil {
			next, due = w.opens()
		}
		if due && (!ok || next.Before(at)) {
			at, ok = next, true
		}
	}
	return at, ok
}

// publish makes the state of all links visible.
func (l *loop) publish() {
	s := &Status{Links: make([]LinkStatus, 0, len(l.watches))}
	for _, w := range l.watches {
		link := w.status()
		link.Problem = w.problem
		s.Links = append(s.Links, link)
	}
	slices.SortFunc(s.Links, func(a, b LinkStatus) int { return strings.Compare(a.Name, b.Name) })
	before := l.engine.status.Swap(s)
	if !slices.EqualFunc(before.Links, s.Links, func(a, b LinkStatus) bool {
		return a.Name == b.Name && a.Router == b.Router && (a.Problem == nil) == (b.Problem == nil)
	}) {
		signal(l.engine.changed)
	}
}

// signal makes c ready to receive from, unless it already is.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
