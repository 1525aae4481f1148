package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// settle is how long a first change waits for the rest of its burst, and
	// so the longest delay the watcher adds to an event.
	settle = 25 * time.Millisecond

	// defaultRelist is the safety net under the events: at most this long does
	// a fact stay wrong that the kernel changed without saying so.
	defaultRelist = time.Minute

	// A lost socket is opened again after minRetry, and after twice as long
	// each time it is lost again at once, up to maxRetry.
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

var errRanTwice = errors.New("link: failed to run: a watcher runs once")

// Options configures a Watcher. The zero value is usable.
type Options struct {
	// Relist is the interval between complete listings that guard against a
	// change without an event. Default: one minute.
	Relist time.Duration
	// Log receives losses of the kernel's event stream. Default: none.
	Log *slog.Logger
}

// Watcher keeps the list of the node's links current.
type Watcher struct {
	relist  time.Duration
	log     *slog.Logger
	open    func() (wire, error)
	ran     atomic.Bool
	links   atomic.Pointer[[]Link]
	changed chan struct{}
}

// wire is what the watcher needs of the kernel.
type wire interface {
	// list returns the present state: a message for every link, followed by
	// one for every address.
	list() ([]message, error)
	// receive returns the events since the wire was opened, in the kernel's
	// order, as soon as there is one. It fails with os.ErrDeadlineExceeded
	// when there is none by the deadline, and with any other error when events
	// may have been lost; the wire is then to be closed. The messages are valid
	// until the next call.
	receive(deadline time.Time) ([]message, error)
	// close makes a receive that blocks return an error.
	close() error
}

// New returns a Watcher that knows nothing until Run.
func New(o Options) (*Watcher, error) {
	if o.Relist < 0 {
		return nil, fmt.Errorf("link: failed to make a watcher: relist interval %v is negative", o.Relist)
	}
	if o.Relist == 0 {
		o.Relist = defaultRelist
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	return &Watcher{
		relist:  o.Relist,
		log:     o.Log,
		open:    openKernel,
		changed: make(chan struct{}, 1),
	}, nil
}

// Links returns all links sorted by name, or nil before the first complete
// listing. The slice is shared: callers must not modify it.
func (w *Watcher) Links() []Link {
	if all := w.links.Load(); all != nil {
		return *all
	}

	return nil
}

// Changed receives after every change of what Links returns. Changes that the
// receiver has not yet picked up are one signal.
func (w *Watcher) Changed() <-chan struct{} {
	return w.changed
}

// Run watches until ctx ends, and then returns nil. It fails if the first
// listing does; later it recovers by itself, and Links keeps the last known
// state meanwhile. Run may be called once.
func (w *Watcher) Run(ctx context.Context) error {
	if w.ran.Swap(true) {
		return errRanTwice
	}

	retry := minRetry
	for {
		opened := time.Now()
		err := w.watch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of ctx is how a watcher is stopped
		case w.Links() == nil:
			return fmt.Errorf("link: failed to watch links: %w", err)
		case time.Since(opened) > maxRetry:
			retry = minRetry
		}

		w.log.Info("link events lost, listing again", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
			retry = min(2*retry, maxRetry)
		}
	}
}

// watch follows one wire until it fails.
//
// A listing may be older than events that were received before it ended, and
// newer than events that are still to be read. It therefore replaces the table
// and every unread event is applied on top: the last event about an object is
// never older than what the listing says about it. In between the table may
// show the past for as long as the reading takes, which is what settle hides.
func (w *Watcher) watch(ctx context.Context) error {
	kernel, err := w.open()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = kernel.close() })()
	defer kernel.close() //nolint:errcheck // it was only read from

	var (
		known   *table
		relist  time.Time // when to list again; the zero time is now
		publish time.Time // when to publish; the zero time is never
	)
	for {
		now := time.Now()
		if !now.Before(relist) {
			if known, err = w.list(kernel); err != nil {
				return err
			}
			relist, publish = now.Add(w.relist), now.Add(settle)
			if w.Links() == nil {
				publish = now // somebody waits to start
			}
		}
		if !publish.IsZero() && !now.Before(publish) {
			w.publish(known.links())
			publish = time.Time{}
		}

		deadline := relist
		if !publish.IsZero() && publish.Before(relist) {
			deadline = publish
		}
		events, err := kernel.receive(deadline)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if w.applyAll(known, events) && publish.IsZero() {
			publish = time.Now().Add(settle)
		}
	}
}

func (w *Watcher) list(kernel wire) (*table, error) {
	all, err := kernel.list()
	if err != nil {
		return nil, err
	}

	t := newTable()
	w.applyAll(t, all)

	return t, nil
}

// applyAll applies messages and reports whether one altered a fact. A message
// that cannot be read hides one link; to stop at it would hide them all.
func (w *Watcher) applyAll(t *table, messages []message) bool {
	changed := false
	for _, m := range messages {
		c, err := t.apply(m)
		if err != nil {
			w.log.Warn("link message ignored", slog.Any("error", err))
		}
		changed = changed || c
	}

	return changed
}

func (w *Watcher) publish(links []Link) {
	if old := w.links.Load(); old != nil && slices.EqualFunc(*old, links, Link.Equal) {
		return
	}
	w.links.Store(&links)

	select {
	case w.changed <- struct{}{}:
	default: // the receiver has yet to see an earlier change
	}
}
