package link

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// memoryKernel is a kernel whose events a test writes. Its listing is the
// state that the test has set, not the sum of the events.
type memoryKernel struct {
	events chan []message
	broken chan error

	mu    sync.Mutex
	state []message
	fail  error // what the next open returns
	opens int
}

func newMemoryKernel(state ...message) *memoryKernel {
	return &memoryKernel{state: state, events: make(chan []message, 1000), broken: make(chan error)}
}

// become replaces the state without an event.
func (k *memoryKernel) become(state []message, fail error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state, k.fail = state, fail
}

func (k *memoryKernel) opened() int {
	k.mu.Lock()
	defer k.mu.Unlock()

	return k.opens
}

func (k *memoryKernel) open() (wire, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opens++

	return &memoryWire{kernel: k, closed: make(chan struct{})}, k.fail
}

type memoryWire struct {
	kernel *memoryKernel
	once   sync.Once
	closed chan struct{}
}

func (w *memoryWire) list() ([]message, error) {
	w.kernel.mu.Lock()
	defer w.kernel.mu.Unlock()

	return slices.Clone(w.kernel.state), nil
}

func (w *memoryWire) receive(deadline time.Time) ([]message, error) {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()

	select {
	case m := <-w.kernel.events:
		return m, nil
	case err := <-w.kernel.broken:
		return nil, err
	case <-w.closed:
		return nil, os.ErrClosed
	case <-timeout.C:
		return nil, os.ErrDeadlineExceeded
	}
}

func (w *memoryWire) close() error {
	w.once.Do(func() { close(w.closed) })

	return nil
}

func startWatcher(t *testing.T, k *memoryKernel) *Watcher {
	t.Helper()

	w, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.open = k.open

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})

	return w
}

// names returns the names of the links with a carrier.
func names(links []Link) []string {
	var ns []string
	for _, l := range links {
		if l.Carrier {
			ns = append(ns, l.Name)
		}
	}

	return ns
}

func TestWatcherPublishesTheFirstListingAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMemoryKernel(linkMessage(1, "lo", running), linkMessage(2, "eth0", running))
		start := time.Now()
		w := startWatcher(t, k)

		<-w.Changed()
		if took := time.Since(start); took != 0 {
			t.Errorf("published after %v, want at once", took)
		}
		if diff := cmp.Diff([]string{"eth0", "lo"}, names(w.Links())); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
	})
}

// TestWatcherCoalesces defends P10: a hundred flaps within a second wake the
// consumer at most once per settling time, and their net effect is not lost.
func TestWatcherCoalesces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMemoryKernel(linkMessage(2, "eth0", running))
		w := startWatcher(t, k)
		<-w.Changed()

		wakeups := 0
		stop := make(chan struct{})
		counted := make(chan struct{})
		go func() {
			defer close(counted)
			for {
				select {
				case <-w.Changed():
					wakeups++
				case <-stop:
					return
				}
			}
		}()

		start := time.Now()
		for range 100 {
			k.events <- []message{linkMessage(2, "eth0", unix.IFF_UP)}
			time.Sleep(5 * time.Millisecond)
			k.events <- []message{linkMessage(2, "eth0", running)}
			time.Sleep(5 * time.Millisecond)
		}
		k.events <- []message{linkMessage(2, "eth0", 0)}
		time.Sleep(settle)
		synctest.Wait()
		close(stop)
		<-counted

		if most := int(time.Since(start)/settle) + 1; wakeups > most {
			t.Errorf("%d wake-ups, want at most %d", wakeups, most)
		}
		if got := w.Links(); len(got) != 1 || got[0].Carrier || got[0].Up {
			t.Errorf("links after the last event: %v, want eth0 down", got)
		}
	})
}

func TestWatcherReactsWithinSettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMemoryKernel(linkMessage(2, "eth0", running))
		w := startWatcher(t, k)
		<-w.Changed()
		time.Sleep(10 * time.Second)

		start := time.Now()
		k.events <- []message{linkMessage(2, "eth0", unix.IFF_UP)}
		<-w.Changed()
		if got := time.Since(start); got != settle {
			t.Errorf("carrier loss published after %v, want %v", got, settle)
		}
	})
}

func TestWatcherDoesNotPublishWhatIsUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMemoryKernel(linkMessage(2, "eth0", running))
		w := startWatcher(t, k)
		<-w.Changed()

		k.events <- []message{linkMessage(2, "eth0", unix.IFF_UP), linkMessage(2, "eth0", running)}
		k.events <- []message{linkMessage(2, "eth0", running, attribute(unix.IFLA_STATS64, make([]byte, 192)))}
		time.Sleep(10 * time.Minute) // and ten listings that find nothing new
		select {
		case <-w.Changed():
			t.Error("a change was published though every fact is as before")
		default:
		}
	})
}

func TestWatcherListsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newMemoryKernel(linkMessage(2, "eth0", running))
		w := startWatcher(t, k)
		<-w.Changed()

		// The kernel changes a fact and says nothing.
		start := time.Now()
		k.become([]message{linkMessage(2, "eth0", 0)}, nil)
		<-w.Changed()
		if got := time.Since(start); got > defaultRelist+settle {
			t.Errorf("silent change found after %v, want at most %v", got, defaultRelist+settle)
		}
		if got := k.opened(); got != 1 {
			t.Errorf("socket opened %d times, want once", got)
		}
	})
}

// TestWatcherSurvivesOverrun: the kernel drops events when the reader is slow,
// and says so with ENOBUFS. What was dropped is found by listing.
func TestWatcherSurvivesOverrun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		eth0, eth1 := linkMessage(2, "eth0", running), linkMessage(3, "eth1", running)
		k := newMemoryKernel(eth0, eth1)
		w := startWatcher(t, k)
		<-w.Changed()
		time.Sleep(time.Second)

		start := time.Now()
		k.become([]message{eth0}, nil)
		k.broken <- unix.ENOBUFS
		<-w.Changed()
		if diff := cmp.Diff([]string{"eth0"}, names(w.Links())); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
		if got := time.Since(start); got > 100*time.Millisecond {
			t.Errorf("recovered after %v, want at most 100ms", got)
		}
		if got := k.opened(); got != 2 {
			t.Errorf("socket opened %d times, want twice", got)
		}
	})
}

// TestWatcherBacksOff: a socket that cannot be opened is not tried in a tight
// loop, and the last known links stay.
func TestWatcherBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		eth0, eth1 := linkMessage(2, "eth0", running), linkMessage(3, "eth1", running)
		k := newMemoryKernel(eth0)
		w := startWatcher(t, k)
		<-w.Changed()

		k.become(nil, unix.EMFILE)
		k.broken <- unix.ENOBUFS
		time.Sleep(time.Minute)
		if got := k.opened(); got > 25 {
			t.Errorf("%d attempts in a minute, want at most 25", got)
		}
		if diff := cmp.Diff([]string{"eth0"}, names(w.Links())); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}

		k.become([]message{eth0, eth1}, nil)
		<-w.Changed()
		if diff := cmp.Diff([]string{"eth0", "eth1"}, names(w.Links())); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
	})
}

func TestWatcherRunErrors(t *testing.T) {
	t.Parallel()

	k := newMemoryKernel()
	k.become(nil, unix.EPERM)
	w, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.open = k.open

	if got := w.Links(); got != nil {
		t.Errorf("links before Run: %v, want nil", got)
	}
	const want = "link: failed to watch links: operation not permitted"
	if err := w.Run(t.Context()); err == nil || err.Error() != want || !errors.Is(err, unix.EPERM) {
		t.Errorf("Run: %v, want %s", err, want)
	}
	if err := w.Run(t.Context()); !errors.Is(err, errRanTwice) {
		t.Errorf("second Run: %v, want %v", err, errRanTwice)
	}
	if _, err := New(Options{Relist: -time.Second}); err == nil {
		t.Error("New accepted a negative interval")
	}
}
