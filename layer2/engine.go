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
	// Log gets the transitions of ports. Nil discards them.
	Log *slog.Logger
}

// Engine answers ARP and NDP for the addresses of its latest Config and
// announces those that become its own. Its methods may be called from any
// goroutine, before, during and after Run.
type Engine struct {
	wire Wire
	log  *slog.Logger

	ran     atomic.Bool
	ordered chan struct{} // a Config waits in order
	changed chan struct{}

	mu    sync.Mutex
	order Config

	// Written by the loop alone.
	table atomic.Pointer[table]
	links atomic.Pointer[[]InterfaceStatus]
}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) {
	if o.Wire == nil {
		return nil, errors.New("layer2: failed to make an engine: no wire to speak on")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		wire:    o.Wire,
		log:     o.Log,
		ordered: make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	e.table.Store(&table{})
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

// Status returns what the engine does now.
func (e *Engine) Status() Status {
	s := Status{Interfaces: slices.Clone(*e.links.Load())}
	open := func(addr netip.Addr, link string) bool {
		i, found := slices.BinarySearchFunc(s.Interfaces, link, compareName)
		return found && s.Interfaces[i].port(protocolOf(addr)).Open
	}
	for addr, o := range *e.table.Load() {
		a := AddressStatus{
			Addr:       addr,
			Since:      o.since,
			Responses:  o.count.responses.Load(), // first, so that it never exceeds Requests
			Requests:   o.count.requests.Load(),
			Gratuitous: o.count.gratuitous.Load(),
		}
		for _, link := range o.interfaces {
			if open(addr, link) {
				a.Interfaces = append(a.Interfaces, link)
			}
		}
		s.Addresses = append(s.Addresses, a)
	}
	slices.SortFunc(s.Addresses, func(a, b AddressStatus) int { return a.Addr.Compare(b.Addr) })
	return s
}

// Run answers and announces until ctx is done, then falls silent, and returns
// nil once every goroutine has ended and every socket is closed. It fails at
// once if the engine has run before.
func (e *Engine) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("layer2: failed to run the engine: it has run before")
	}
	l := newLoop(e)
	defer l.close()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.ordered:
			l.apply(e.latest(), time.Now())
		case b := <-l.broken:
			l.lose(b, time.Now())
		case <-timer.C:
		}
		now := time.Now()
		l.retry(now)
		l.announce(now)
		l.join(now)
		l.publish()
		if next, ok := l.wake(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
	}
}

// signal makes c ready to receive from, unless it already is.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
