package speaker

import (
	"context"
	"fmt"
	"sync"
)

// crew is everything that runs beside the loop. Each of them has a context of
// its own, so that they can be ended one after the other; the first that fails
// ends the speaker.
type crew struct {
	stop func() // ends the speaker

	mu  sync.Mutex
	err error // the first
}

// worker is one of the crew; nil is one that does not exist.
type worker struct {
	cancel context.CancelCauseFunc
	ended  chan struct{}
}

// begin runs one of the crew, which does not end with ctx but when it is told.
func (c *crew) begin(ctx context.Context, name string, run func(context.Context) error) *worker {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	w := &worker{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		switch err := run(own); {
		case err != nil:
			c.fail(fmt.Errorf("speaker: the %s engine ended: %w", name, err))
		case own.Err() == nil:
			c.fail(fmt.Errorf("speaker: the %s engine ended by itself", name))
		}
	}()
	return w
}

// end ends one of the crew and waits for it.
func (w *worker) end(cause error) {
	if w == nil {
		return
	}
	w.cancel(cause)
	<-w.ended
}

func (c *crew) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.stop()
}

// failure returns the first error of the crew.
func (c *crew) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
