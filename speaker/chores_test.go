package speaker_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker"
)

// keeper is a layer-2 engine that keeps its last order.
type keeper struct {
	*engine
	last layer2.Config
}

func (k *keeper) Set(c layer2.Config) {
	k.mu.Lock()
	k.last = c
	k.mu.Unlock()
	k.engine.Set(c)
}

// holds returns what was ordered: addresses, with an exclamation mark if new.
func (k *keeper) holds() []string {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, a := range k.last.Announcements {
		out = append(out, a.Addr.String()+strings.Repeat("!", map[bool]int{true: 1}[a.New]))
	}
	return out
}

func (k *keeper) watches() []string {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []string
	for _, a := range k.last.Watched {
		out = append(out, a.Addr.String())
	}
	return out
}

// startKept is a speaker that announces 192.0.2.1 since it started.
func startKept(t *testing.T) (*rig, *keeper) {
	t.Helper()
	k := &keeper{engine: newEngine()}
	r := start(t, func(o *speaker.Options) { o.Layer2 = k })
	r.SetSnapshot(snapshot(t, "node-a"))
	r.SetLinks(eth0())
	old := web("192.0.2.1")
	old.Name.Name = "old"
	r.SetService(old)
	r.Synced()
	return r, k
}

// TestNewAddress: an address that a Service is given is new for ten seconds
// from when it first has an owner; what was there at the start is not, nor is
// what only changes hands.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, k := startKept(t)
		defer r.stop()
		expect(t, "at the start", k.holds(), "192.0.2.1")

		idle := web("192.0.2.2")
		idle.Endpoints = config.Endpoints{}
		r.SetService(idle)
		expect(t, "without endpoints", k.holds(), "192.0.2.1")
		time.Sleep(time.Minute)
		r.SetService(web("192.0.2.2"))
		expect(t, "at last", k.holds(), "192.0.2.1", "192.0.2.2!")
		time.Sleep(9 * time.Second)
		expect(t, "still new", k.holds(), "192.0.2.1", "192.0.2.2!")
		time.Sleep(time.Second)
		expect(t, "and no longer", k.holds(), "192.0.2.1", "192.0.2.2")

		r.SetMembers(members("node-b"))
		expect(t, "another's", k.holds())
		r.SetMembers(members("node-a"))
		expect(t, "its own again", k.holds(), "192.0.2.1", "192.0.2.2")

		r.SetService(web("192.0.2.3"))
		expect(t, "moved", k.holds(), "192.0.2.1", "192.0.2.3!")
	})
}

// TestLookAhead: the next free addresses are watched, and looked for again after
// half a minute, not at each change.
func TestLookAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, k := startKept(t)
		defer r.stop()
		expect(t, "at the start", k.watches(), "192.0.2.0", "192.0.2.2", "192.0.2.3")
		r.SetService(web("192.0.2.2"))
		expect(t, "one is taken", k.watches(), "192.0.2.0", "192.0.2.3")
		time.Sleep(29 * time.Second)
		expect(t, "half a minute later", k.watches(), "192.0.2.0", "192.0.2.3")
		time.Sleep(time.Second)
		expect(t, "half a minute later", k.watches(), "192.0.2.0", "192.0.2.3", "192.0.2.4")
		r.DeleteService(web().Name)
		expect(t, "one is free", k.watches(), "192.0.2.0", "192.0.2.3", "192.0.2.4")
		time.Sleep(30 * time.Second)
		expect(t, "half a minute later", k.watches(), "192.0.2.0", "192.0.2.2", "192.0.2.3")
		if k.last.Watched[0].Addr != netip.MustParseAddr("192.0.2.0") || k.last.Watched[0].Interfaces[0] != "eth0" {
			t.Errorf("watched are %+v", k.last.Watched)
		}
	})
}
