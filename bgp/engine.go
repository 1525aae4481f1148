package bgp

import (
	"context"
	"errors"
	"log/slog"
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
type Engine struct{}

// New returns an engine that does nothing before Run. It fails without a Wire.
func New(o Options) (*Engine, error) { panic("todo") }

// Set makes c the desired state and returns without waiting for it. The last
// one wins; one that asks for the same changes nothing.
func (e *Engine) Set(c Config) { panic("todo") }

// PathDown says that the path to the named peer is broken, as BFD saw it. The
// session ends at once with Cease/BFD Down (RFC 9384), without graceful restart,
// and connects anew. Unknown or not established: nothing happens.
func (e *Engine) PathDown(peer string) { panic("todo") }

// Changed returns a channel that receives after a session has changed its
// state, or the number of routes it has advertised. It is for one receiver:
// several changes may arrive as one.
func (e *Engine) Changed() <-chan struct{} { panic("todo") }

// Status returns what the engine does now.
func (e *Engine) Status() Status { panic("todo") }

// Run works until ctx is done, leaves as its cause asks, and returns nil once
// every goroutine has ended. It fails at once if the engine has run before.
func (e *Engine) Run(ctx context.Context) error { panic("todo") }
