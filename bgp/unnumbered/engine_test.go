package unnumbered

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// cables is a Wire in memory: links of the same name are one cable, and of the
// same index one end of it.
type cables struct {
	mu      sync.Mutex
	ends    map[*end]struct{}
	refused error // by Open
	mute    error // by Send
	opened  int
}

type end struct {
	cables *cables
	link   Link
	inbox  chan Heard
	closed chan struct{}
	once   sync.Once
}

func (c *cables) Open(link Link) (Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	if c.refused != nil {
		return nil, c.refused
	}
	e := &end{cables: c, link: link, inbox: make(chan Heard, 64), closed: make(chan struct{})}
	if c.ends == nil {
		c.ends = make(map[*end]struct{})
	}
	c.ends[e] = struct{}{}
	return e, nil
}

func (c *cables) set(refused, mute error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused, c.mute = refused, mute
}

func (e *end) Receive() (Heard, error) {
	select {
	case h := <-e.inbox:
		return h, nil
	case <-e.closed:
		return Heard{}, errors.New("closed")
	}
}

func (e *end) Send(kind Kind) error {
	e.cables.mu.Lock()
	defer e.cables.mu.Unlock()
	if e.cables.mute != nil {
		return e.cables.mute
	}
	for to := range e.cables.ends {
		if to != e && to.link.Name == e.link.Name {
			to.inbox <- Heard{Kind: kind, From: e.link.LinkLocal}
		}
	}
	return nil
}

func (e *end) Close() error {
	e.cables.mu.Lock()
	delete(e.cables.ends, e)
	e.cables.mu.Unlock()
	e.once.Do(func() { close(e.closed) })
	return nil
}

// start runs an engine until the test ends, or the function is called.
func start(t *testing.T, wire Wire, links ...Link) (e *Engine, stop func()) {
	t.Helper()
	e, err := New(Options{Wire: wire, Dice: halfway})
	if err != nil {
		t.Fatal(err)
	}
	e.Set(links)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return e, stop
}

func expectRouters(t *testing.T, e *Engine, want map[string]netip.Addr) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, e.Routers(), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("routers (-want +got):\n%s", diff)
	}
}

func changed(e *Engine) bool {
	select {
	case <-e.Changed():
		return true
	default:
		return false
	}
}

// TestEnginesFindEachOther has two meet, one of them later, and one come back
// as another.
func TestEnginesFindEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := new(cables)
		node, _ := start(t, wire, eth0)
		expectRouters(t, node, nil)
		time.Sleep(time.Minute)
		changed(node)

		_, stop := start(t, wire, Link{Name: "eth0", Index: 9, LinkLocal: tor1})
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")}) // at once
		if !changed(node) {
			t.Error("nobody was told")
		}
		time.Sleep(time.Hour)
		if changed(node) {
			t.Error("told although nothing has changed")
		}
		if heard := node.Status().Links[0].Heard; time.Since(heard) > maxInterval {
			t.Errorf("last heard %s ago", time.Since(heard))
		}

		stop() // the router is gone, for good as it turns out
		time.Sleep(time.Hour)
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")})
		start(t, wire, Link{Name: "eth0", Index: 10, LinkLocal: tor2})
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor2.WithZone("eth0")})
	})
}

// TestEngineLinks changes the links one by one.
func TestEngineLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := new(cables)
		eth1 := Link{Name: "eth1", Index: 3, LinkLocal: own}
		start(t, wire, Link{Name: "eth0", Index: 8, LinkLocal: tor1}, Link{Name: "eth1", Index: 9, LinkLocal: tor2})
		node, _ := start(t, wire)
		expectRouters(t, node, nil)
		time.Sleep(minGap) // after which routers answer at once

		both := map[string]netip.Addr{"eth0": tor1.WithZone("eth0"), "eth1": tor2.WithZone("eth1")}
		node.Set([]Link{eth0, eth1})
		time.Sleep(maxDelay)
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0"), "eth1": tor2.WithZone("eth1")})

		opened := wire.opened
		node.Set([]Link{eth0, eth1})
		expectRouters(t, node, both)
		if wire.opened != opened {
			t.Error("the same again opened something")
		}

		node.Set([]Link{eth0})
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")})
		if wire.opened != opened {
			t.Error("the link that stays was opened again")
		}

		wire.set(errors.New("no such device"), nil)
		again := eth0
		again.MAC = [6]byte{2, 0, 0, 0, 0, 1} // the same interface, whose router is still there
		node.Set([]Link{again})
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")})
		again.Index = 77 // another one
		node.Set([]Link{again})
		expectRouters(t, node, nil)

		node.Set(nil)
		synctest.Wait()
		if links := node.Status().Links; len(links) != 0 {
			t.Errorf("still there: %+v", links)
		}
	})
}

// TestEngineProblems checks that a link that cannot be used says why, and is used
// as soon as it can be.
func TestEngineProblems(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := new(cables)
		start(t, wire, Link{Name: "eth0", Index: 8, LinkLocal: tor1})
		synctest.Wait()
		wire.set(errors.New("operation not permitted"), nil)
		bare := eth0
		bare.LinkLocal = netip.Addr{}
		node, _ := start(t, wire, bare)
		expect := func(want string) {
			t.Helper()
			synctest.Wait()
			var got string
			if err := node.Status().Links[0].Problem; err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("the problem is %q, not %q", got, want)
			}
		}
		opened := wire.opened
		time.Sleep(time.Hour)
		expect("unnumbered: eth0 has no link-local address to speak from")
		if wire.opened != opened {
			t.Error("tried what cannot succeed")
		}
		node.Set([]Link{eth0})
		expect("unnumbered: failed to open eth0: operation not permitted")
		time.Sleep(retry / 2)
		wire.set(nil, errors.New("network is down"))
		time.Sleep(retry)
		expect("unnumbered: failed to send on eth0: network is down")
		wire.set(nil, nil)
		time.Sleep(maxInterval)
		expect("")
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")})

		// A connection that breaks is replaced.
		wire.mu.Lock()
		for e := range wire.ends {
			if e.link == eth0 {
				e.once.Do(func() { close(e.closed) })
			}
		}
		wire.mu.Unlock()
		expect("unnumbered: failed to receive on eth0: closed")
		time.Sleep(retry)
		expect("")
		expectRouters(t, node, map[string]netip.Addr{"eth0": tor1.WithZone("eth0")})
	})
}

func TestEngineRunsOnce(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("made without a wire")
	}
	synctest.Test(t, func(t *testing.T) {
		e, stop := start(t, new(cables), eth0)
		synctest.Wait()
		stop()
		if err := e.Run(t.Context()); err == nil {
			t.Error("ran twice")
		}
		if links := e.Status().Links; !slices.ContainsFunc(links, func(l LinkStatus) bool { return l.Name == "eth0" }) {
			t.Errorf("status after the end: %+v", links)
		}
	})
}
