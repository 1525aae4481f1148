//go:build linux

package unnumbered

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
)

func TestMain(m *testing.M) { segment.Main(m) }

// patience bounds every wait for the kernel.
const patience = 20 * time.Second

// host is a network namespace with eth0.
type host struct {
	*segment.Host

	tb testing.TB
}

func newHost(tb testing.TB) host {
	tb.Helper()
	return host{segment.NewHost(tb), tb}
}

// plug lays a cable between eth0 of two hosts, and waits until both can speak.
func plug(a, b host) {
	a.tb.Helper()
	segment.Plug(a.Host, b.Host, "eth0")
	a.Up("eth0")
	b.Up("eth0")
	a.LinkLocal("eth0")
	b.LinkLocal("eth0")
}

// link is eth0 as an engine is told of it.
func (h host) link() Link {
	h.tb.Helper()
	a := h.Link("eth0").Attrs()
	return Link{Name: a.Name, Index: a.Index, MAC: [6]byte(a.HardwareAddr), LinkLocal: h.LinkLocal("eth0")}
}

// run runs an engine on the host until the test ends.
func (h host) run(links ...Link) *Engine {
	h.tb.Helper()
	e, err := New(Options{Wire: Sockets{}})
	segment.Must(h.tb, err)
	e.Set(links)
	h.Run(e.Run)
	return e
}

// TestSocketsMeet has two engines find each other over the kernels' sockets, then
// again after the cable was replaced.
func TestSocketsMeet(t *testing.T) {
	t.Parallel()
	node, router := newHost(t), newHost(t)
	plug(node, router)
	here, there := node.run(node.link()), router.run(router.link())
	meet := func() {
		t.Helper()
		for _, side := range []struct {
			engine *Engine
			other  host
		}{{here, router}, {there, node}} {
			want := side.other.link().LinkLocal.WithZone("eth0")
			segment.Eventually(t, "the router is "+want.String(), func() bool { return side.engine.Routers()["eth0"] == want })
			if s := side.engine.Status().Links[0]; s.Problem != nil || len(s.Others) != 0 {
				t.Errorf("status %+v", s)
			}
		}
	}
	meet()
	segment.Must(t, node.LinkDel(node.Link("eth0")))
	plug(node, router) // with other indices and addresses under the old names
	here.Set([]Link{node.link()})
	there.Set([]Link{router.link()})
	meet()
}

// TestSocketsDisturbNobody checks what a kernel makes of our advertisements: it
// hears them, and takes us for nothing.
func TestSocketsDisturbNobody(t *testing.T) {
	t.Parallel()
	node, other := newHost(t), newHost(t)
	plug(node, other)
	other.Sysctl("ipv6/conf/eth0/accept_ra", "2")
	before, err := other.RouteList(nil, netlink.FAMILY_V6)
	segment.Must(t, err)
	node.run(node.link())
	segment.Eventually(t, "the other end has heard of the node", func() bool {
		neighbours, err := other.NeighList(other.Link("eth0").Attrs().Index, netlink.FAMILY_V6)
		segment.Must(t, err)
		for _, n := range neighbours {
			if addr, _ := netip.AddrFromSlice(n.IP); addr == node.link().LinkLocal {
				return true
			}
		}
		return false
	})
	after, err := other.RouteList(nil, netlink.FAMILY_V6)
	segment.Must(t, err)
	if len(before) != len(after) {
		t.Errorf("routes before: %v\nand after: %v", before, after)
	}
}

// TestSocketsAnswer has the kernel at the other end ask for routers.
func TestSocketsAnswer(t *testing.T) {
	t.Parallel()
	node, other := newHost(t), newHost(t)
	plug(node, other)
	var listener Conn
	var err error
	node.Do(func() { listener, err = Sockets{}.Open(node.link()) })
	segment.Must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	heard := make(chan Heard, 16)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			h, err := listener.Receive()
			if err != nil {
				return
			}
			heard <- h
		}
	})
	t.Cleanup(func() { _ = listener.Close(); listening.Wait() })
	segment.Must(t, other.LinkSetDown(other.Link("eth0")))
	segment.Must(t, other.LinkSetUp(other.Link("eth0"))) // whereupon it asks
	select {
	case h := <-heard:
		if h.Kind != Solicitation {
			t.Errorf("heard %+v", h)
		}
	case <-time.After(patience):
		t.Error("heard nothing")
	}
}

// TestSocketsFail checks what an engine will be told.
func TestSocketsFail(t *testing.T) {
	t.Parallel()
	node, router := newHost(t), newHost(t)
	plug(node, router)
	node.Do(func() {
		if _, err := (Sockets{}).Open(Link{Name: "eth9", Index: 4711, LinkLocal: own}); err == nil {
			t.Error("opened what is not there")
		} else {
			t.Log(err)
		}
	})
	node.Do(func() {
		none := [2]unix.CapUserData{} // this thread ends with the function
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			t.Error(err)
		}
		if _, err := (Sockets{}).Open(Link{Name: "eth0", Index: 2, LinkLocal: own}); err == nil || err.Error() != "operation not permitted" {
			t.Errorf("opened without the right to: %v", err)
		}
	})
}
