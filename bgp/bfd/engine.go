package bfd

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what an Engine needs to work.
type Options struct {
	// Wire opens the sockets. It is required.
	Wire Wire
	// Dice are random numbers. Nil means those of the operating system.
	Dice Dice
	// Log gets the transitions of sessions. Nil discards them.
	Log *slog.Logger
}

// Engine watches the paths of its latest Config. Its methods may be called from
// any goroutine, before, during and after Run.
type Engine struct {
	wire Wire
	dice Dice
	log  *slog.Logger

	ran     atomic.Bool
	ordered chan struct{} // a Config waits in order
	changed chan struct{}

	mu    sync.Mutex
	order Config

	// Written by the loop alone.
	reports  atomic.Pointer[[]report]
	discards [noSession + 1]atomic.Uint64
}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) {
	if o.Wire == nil {
		return nil, errors.New("bfd: failed to make an engine: no wire to speak on")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dice == nil {
		o.Dice = systemDice{}
	}
	e := &Engine{
		wire:    o.Wire,
		dice:    o.Dice,
		log:     o.Log,
		ordered: make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
	}
	e.reports.Store(&[]report{})
	return e, nil
}

// Set makes c the desired state and returns without waiting for it. The last
// one wins; one that asks for the same changes nothing. The zero Config ends all
// sessions, as the end of Run does. The engine keeps c.
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

// Changed returns a channel that receives after Status has changed; counters do
// not count. It is for one receiver: several changes may arrive as one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Status returns what the engine knows now.
func (e *Engine) Status() Status {
	reports := *e.reports.Load()
	s := Status{
		Sessions: make([]SessionStatus, len(reports)),
		Discards: Discards{
			Malformed:     e.discards[malformed].Load(),
			Authenticated: e.discards[authenticated].Load(),
			TooFar:        e.discards[tooFar].Load(),
			NoSession:     e.discards[noSession].Load(),
		},
	}
	for i, r := range reports {
		s.Sessions[i] = r.status
		s.Sessions[i].Counters = r.count.load()
	}
	return s
}

// Run watches until ctx is done, then tells every peer that this was on purpose,
// which takes 60 ms, and returns nil once every goroutine has ended and every
// socket is closed. It fails at once if the engine has run before.
func (e *Engine) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("bfd: failed to run the engine: it has run before")
	}
	l := newLoop(e)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for done := ctx.Done(); ; {
		select {
		case <-done:
			done = nil // this case is over, and so is the next
			l.apply(Config{}, time.Now())
		case <-e.ordered:
			if done != nil {
				l.apply(e.latest(), time.Now())
			}
		case a := <-l.arrivals:
			l.take(a, time.Now())
		case <-timer.C:
		}
		l.turn(time.Now())
		if done == nil && len(l.farewells) == 0 {
			return nil
		}
		if next, ok := l.wake(); ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
	}
}

// systemDice are the random numbers of the runtime, which is seeded by the
// operating system and does not tell from its past what comes next.
type systemDice struct{}

func (systemDice) Uint32() uint32 { return rand.Uint32() }

// signal makes c ready to receive from, unless it already is.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
