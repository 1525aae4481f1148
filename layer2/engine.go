package layer2

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what an Engine needs to work.
type Options struct {
	// Wire opens the sockets. It is required.
	Wire Wire
	// Fit reports whether this process may answer now. It is asked before every
	// frame that is sent, and has to be quick. Nil: always.
	Fit func() bool
	// YieldTime is how long an address that has become another node's is answered
	// if that one does not announce it; 0 means 1 s.
	YieldTime time.Duration
	// Refresh is how often an address is announced while nothing happens, so that
	// switches remember where it is; 0 means DefaultRefresh, negative never.
	Refresh time.Duration
	// Log gets the transitions of ports. Nil discards them.
	Log *slog.Logger
}

const defaultYieldTime = time.Second

// DefaultRefresh is how often an address is announced while nothing happens.
// Switches forget a station after five minutes of silence (IEEE 802.1D, 7.9.2).
const DefaultRefresh = 2 * time.Minute

// Engine answers ARP and NDP for the addresses of its latest Config and
// announces those that become its own. Its methods may be called from any
// goroutine, before, during and after Run.
type Engine struct {
	wire      Wire
	fit       func() bool
	yieldTime time.Duration
	refresh   time.Duration
	log       *slog.Logger

	ran     atomic.Bool
	ordered chan struct{} // a Config waits in order
	changed chan struct{}
	// yielding is closed once Run is about to end.
	yielding chan struct{}

	mu    sync.Mutex
	order Config

	// Written by the loop alone.
	table    atomic.Pointer[table]
	stations atomic.Pointer[stations]
	links    atomic.Pointer[[]InterfaceStatus]
}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) {
	if o.Wire == nil {
		return nil, errors.New("layer2: failed to make an engine: no wire to speak on")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fit == nil {
		o.Fit = func() bool { return true }
	}
	if o.YieldTime == 0 {
		o.YieldTime = defaultYieldTime
	}
	if o.Refresh == 0 {
		o.Refresh = DefaultRefresh
	}
	e := &Engine{
		wire:      o.Wire,
		fit:       o.Fit,
		yieldTime: o.YieldTime,
		refresh:   max(0, o.Refresh),
		log:       o.Log,
		ordered:   make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		yielding:  make(chan struct{}),
	}
	e.table.Store(&table{})
	e.stations.Store(&stations{})
	e.links.Store(&[]InterfaceStatus{})
	return e, nil
}

// Set makes c the desired state and returns without waiting for it. The last
// one wins; one that asks for the same changes nothing, and announces nothing
// again. The zero Config withdraws all. The engine keeps c.
func (e *Engine) Set(c Config) {
	e.mu.Lock()
	same := e.order.Equal(c)
	e.order = c
	e.mu.Unlock()
	if !same {
		signal(e.ordered)
	}
}

func (e *Engine) latest() Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.order
}

// Changed returns a channel that receives after the ports or the addresses in
// Status have changed; counters do not count. It is for one receiver: several
// changes may arrive as one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Yielding returns a channel that is closed once Run has been told to end, and
// answers only until others have announced the addresses: from then on who probes
// them finds nobody.
func (e *Engine) Yielding() <-chan struct{} { return e.yielding }

// Status returns what the engine does now.
func (e *Engine) Status() Status {
	return e.status(func(standing, *Conflict) bool { return true })
}

// Exceptions returns of Status the addresses that are not simply answered: those
// that a stranger claims and those that are silent. While all is calm there are
// none, of however many addresses.
func (e *Engine) Exceptions() Status {
	return e.status(func(s standing, c *Conflict) bool { return c != nil || s != answering && s != checking })
}

// Undisputed reports whether this node owns an address, and no stranger claims it.
func (e *Engine) Undisputed(addr netip.Addr) bool {
	o := (*e.table.Load())[addr]
	return o != nil && o.standing().keeps() && o.record.conflict.Load() == nil
}

// status returns the Status, with those of the addresses owned that are of interest.
func (e *Engine) status(interest func(standing, *Conflict) bool) Status {
	s := Status{Interfaces: slices.Clone(*e.links.Load())}
	for addr, o := range *e.table.Load() {
		standing, conflict := o.standing(), o.record.conflict.Load()
		if standing == watching && conflict != nil {
			s.Watched = append(s.Watched, WatchedStatus{Addr: addr, Conflict: *conflict})
		}
		if standing.keeps() && interest(standing, conflict) {
			s.Addresses = append(s.Addresses, o.status(addr, standing, conflict, s.Interfaces))
		}
	}
	slices.SortFunc(s.Watched, func(a, b WatchedStatus) int { return a.Addr.Compare(b.Addr) })
	slices.SortFunc(s.Addresses, func(a, b AddressStatus) int { return a.Addr.Compare(b.Addr) })
	return s
}

// Run answers and announces until ctx is done. Then it answers on until others
// have announced what was its own, or YieldTime has passed, and returns nil once
// every goroutine has ended and every socket is closed. It fails at once if the
// engine has run before.
func (e *Engine) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("layer2: failed to run the engine: it has run before")
	}
	l := newLoop(e)
	defer l.close()

	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for done != nil || len(l.contests.yields) > 0 {
		select {
		case <-done:
			done = nil // there is no other end
			l.apply(Config{Interfaces: l.config.Interfaces, Speakers: l.config.Speakers}, time.Now())
			close(e.yielding)
		case <-e.ordered:
			if done != nil {
				l.settleAll(time.Now())
				l.apply(e.latest(), time.Now())
			}
		case b := <-l.broken:
			l.lose(b, time.Now())
		case c := <-l.contests.heard:
			l.settle(c, time.Now())
		case <-timer.C:
		}
		now := time.Now()
		l.retry(now)
		l.watch(now)
		l.announce(now)
		l.join(now)
		l.narrow(now)
		l.publish()
		if next, ok := l.wake(now); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
	}
	return nil
}

// signal makes c ready to receive from, unless it already is.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
