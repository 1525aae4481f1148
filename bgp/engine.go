package bgp

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRestart as the cause of the context given to Run says that this process
// ends to be started again: peers with graceful restart keep their routes. Any
// other cause ends sessions for good.
var ErrRestart = errors.New("bgp: restarting")

// Options are what an Engine needs to work.
type Options struct {
	// Wire carries the sessions. It is required.
	Wire Wire
	// Node is this node's name: shown to routers, and the last resort for a
	// router ID.
	Node string
	// Restarted says that routers may still hold routes of a process before this
	// one, whose packets the kernel has forwarded since (RFC 4724, F bit).
	Restarted bool
	// DrainTime is how long traffic is given to move away after
	// GRACEFUL_SHUTDOWN; 0 means 2 s, a negative value none.
	DrainTime time.Duration
	// Log gets the transitions of sessions. Nil discards them.
	Log *slog.Logger
}

// Engine keeps one session per peer of its latest Config. Its methods may be
// called from any goroutine, before, during and after Run.
type Engine struct {
	options Options
	dice    func() float64

	ran     atomic.Bool
	ordered chan struct{} // a Config waits in order
	changed chan struct{}

	mu       sync.Mutex
	order    Config
	peerings map[string]*peering
}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) {
	if o.Wire == nil {
		return nil, errors.New("bgp: failed to make an engine: no wire to speak on")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DrainTime == 0 {
		o.DrainTime = defaultDrainTime
	}
	return &Engine{
		options:  o,
		dice:     rand.Float64,
		ordered:  make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		peerings: make(map[string]*peering),
	}, nil
}

// Set makes c the desired state and returns without waiting for it. The last
// one wins; one that asks for the same changes nothing.
func (e *Engine) Set(c Config) {
	e.mu.Lock()
	same := e.order.Equal(c)
	e.order = c
	e.mu.Unlock()
	if !same {
		signal(e.ordered)
	}
}

// PathDown says that the path to the named peer is broken, as BFD saw it. The
// session ends at once with Cease/BFD Down (RFC 9384), without graceful restart,
// and connects anew. Unknown or not established: nothing happens.
func (e *Engine) PathDown(peer string) {
	e.mu.Lock()
	p := e.peerings[peer]
	e.mu.Unlock()
	if p != nil {
		p.pathDown()
	}
}

// Changed returns a channel that receives after a session has changed its
// state, or the number of routes it has advertised. It is for one receiver:
// several changes may arrive as one.
func (e *Engine) Changed() <-chan struct{} { return e.changed }

// Status returns what the engine does now.
func (e *Engine) Status() Status {
	e.mu.Lock()
	peerings := slices.Collect(maps.Values(e.peerings))
	e.mu.Unlock()
	s := Status{Peers: make([]PeerStatus, 0, len(peerings))}
	for _, p := range peerings {
		s.Peers = append(s.Peers, p.snapshot())
	}
	slices.SortFunc(s.Peers, func(a, b PeerStatus) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// Run works until ctx is done, leaves as its cause asks, and returns nil once
// every goroutine has ended. It fails at once if the engine has run before.
func (e *Engine) Run(ctx context.Context) error {
	if e.ran.Swap(true) {
		return errors.New("bgp: failed to run the engine: it has run before")
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	leaving := make(map[string]*peering) // removed, by name
	for {
		select {
		case <-ctx.Done():
			e.leave(errors.Is(context.Cause(ctx), ErrRestart))
			return nil
		case <-e.ordered:
			// Sessions outlive ctx, to leave well.
			e.apply(leaving, func(p *peering, before <-chan struct{}) {
				sessions.Go(func() { p.run(context.WithoutCancel(ctx), before) })
			})
		}
	}
}

// apply gives every session its order. Those whose peer is gone end by
// themselves; one that comes back meanwhile begins after that.
func (e *Engine) apply(leaving map[string]*peering, start func(*peering, <-chan struct{})) {
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(leaving, func(_ string, p *peering) bool { return p.hasGone() })

	wanted := make(map[string]bool, len(e.order.Peers))
	for _, peer := range e.order.Peers {
		wanted[peer.Name] = true
	}
	for name, p := range e.peerings {
		if !wanted[name] {
			p.assign(remove)
			leaving[name] = p
			delete(e.peerings, name)
			signal(e.changed)
		}
	}
	for _, peer := range e.order.Peers {
		o := order{peer: peer, draining: e.order.Draining}
		if p := e.peerings[peer.Name]; p != nil {
			p.set(o)
			continue
		}
		p := e.newPeering(o)
		e.peerings[peer.Name] = p
		var before <-chan struct{}
		if was := leaving[peer.Name]; was != nil {
			before = was.gone
		}
		start(p, before)
	}
}

func (e *Engine) newPeering(o order) *peering {
	idle := PeerStatus{
		Name: o.peer.Name, Address: o.peer.Session.remote(), Since: time.Now(), Desired: o.peer.Routes.Len(),
	}
	return &peering{
		wire:      e.options.Wire,
		node:      e.options.Node,
		drainTime: max(e.options.DrainTime, 0),
		log:       e.options.Log,
		changed:   e.changed,
		ordered:   make(chan struct{}, 1),
		gone:      make(chan struct{}),
		latest:    o,
		status:    idle,
		machine: machine{
			me:     self{node: e.options.Node, restarted: e.options.Restarted},
			dice:   e.dice,
			report: idle,
		},
	}
}

// leave sends all sessions on their way.
func (e *Engine) leave(restarting bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.peerings {
		if restarting {
			p.assign(restart)
		} else {
			p.assign(leave)
		}
	}
}
