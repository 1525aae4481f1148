//go:build linux

package unnumbered

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// TestMain gives a user who is not root a user namespace to be root in.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 {
		m.Run()
		return
	}
	again := exec.CommandContext(context.Background(), "/proc/self/exe", os.Args[1:]...)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := again.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "tests in a user namespace: %v\n", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

// patience bounds every wait for the kernel.
const patience = 20 * time.Second

// host is a network namespace with eth0.
type host struct {
	tb  testing.TB
	ns  netns.NsHandle
	net *netlink.Handle
}

func newHost(tb testing.TB) *host {
	tb.Helper()
	h := &host{tb: tb}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		var err error
		h.ns, err = netns.New()
		made <- err
	}()
	must(tb, <-made)
	tb.Cleanup(func() { _ = h.ns.Close() })
	var err error
	h.net, err = netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE)
	must(tb, err)
	tb.Cleanup(h.net.Close)
	return h
}

// plug lays a cable between eth0 of two hosts, and waits until both can speak.
func plug(tb testing.TB, a, b *host) {
	tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	must(tb, a.net.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(b.ns)}))
	for _, h := range []*host{a, b} {
		h.sysctl("accept_dad", "0") // addresses can be used at once
		must(tb, h.net.LinkSetUp(h.eth0()))
	}
	for _, h := range []*host{a, b} {
		eventually(tb, "eth0 has a link-local address", func() bool { return h.link().LinkLocal.IsValid() })
	}
}

// do calls f in the host's namespace. f must not call t.Fatal.
func (h *host) do(f func()) {
	h.tb.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	must(h.tb, <-done)
}

func (h *host) sysctl(name, value string) {
	h.tb.Helper()
	var err error
	h.do(func() { err = os.WriteFile("/proc/sys/net/ipv6/conf/eth0/"+name, []byte(value), 0) })
	must(h.tb, err)
}

func (h *host) eth0() netlink.Link {
	h.tb.Helper()
	l, err := h.net.LinkByName("eth0")
	must(h.tb, err)
	return l
}

// link is eth0 as an engine is told of it.
func (h *host) link() Link {
	h.tb.Helper()
	a := h.eth0().Attrs()
	l := Link{Name: a.Name, Index: a.Index, MAC: [6]byte(a.HardwareAddr)}
	addrs, err := h.net.AddrList(h.eth0(), netlink.FAMILY_V6)
	must(h.tb, err)
	for _, addr := range addrs {
		if addr.IP.IsLinkLocalUnicast() && addr.Flags&unix.IFA_F_TENTATIVE == 0 {
			l.LinkLocal, _ = netip.AddrFromSlice(addr.IP)
		}
	}
	return l
}

// run runs an engine on the host until the test ends.
func (h *host) run(links ...Link) *Engine {
	h.tb.Helper()
	e, err := New(Options{Wire: Sockets{}})
	must(h.tb, err)
	e.Set(links)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		h.do(func() {
			if err := e.Run(ctx); err != nil {
				h.tb.Error(err)
			}
		})
	})
	h.tb.Cleanup(func() { stop(); running.Wait() })
	return e
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not so: %s", what)
		}
	}
}

// TestSocketsMeet has two engines find each other over the kernels' sockets, then
// again after the cable was replaced.
func TestSocketsMeet(t *testing.T) {
	t.Parallel()
	node, router := newHost(t), newHost(t)
	plug(t, node, router)
	here, there := node.run(node.link()), router.run(router.link())
	meet := func() {
		t.Helper()
		for _, side := range []struct {
			engine *Engine
			other  *host
		}{{here, router}, {there, node}} {
			want := side.other.link().LinkLocal.WithZone("eth0")
			eventually(t, "the router is "+want.String(), func() bool { return side.engine.Routers()["eth0"] == want })
			if s := side.engine.Status().Links[0]; s.Problem != nil || len(s.Others) != 0 {
				t.Errorf("status %+v", s)
			}
		}
	}
	meet()
	must(t, node.net.LinkDel(node.eth0()))
	plug(t, node, router) // with other indices and addresses under the old names
	here.Set([]Link{node.link()})
	there.Set([]Link{router.link()})
	meet()
}

// TestSocketsDisturbNobody checks what a kernel makes of our advertisements: it
// hears them, and takes us for nothing.
func TestSocketsDisturbNobody(t *testing.T) {
	t.Parallel()
	node, other := newHost(t), newHost(t)
	plug(t, node, other)
	other.sysctl("accept_ra", "2")
	before, err := other.net.RouteList(nil, netlink.FAMILY_V6)
	must(t, err)
	node.run(node.link())
	eventually(t, "the other end has heard of the node", func() bool {
		neighbours, err := other.net.NeighList(other.eth0().Attrs().Index, netlink.FAMILY_V6)
		must(t, err)
		for _, n := range neighbours {
			if addr, _ := netip.AddrFromSlice(n.IP); addr == node.link().LinkLocal {
				return true
			}
		}
		return false
	})
	after, err := other.net.RouteList(nil, netlink.FAMILY_V6)
	must(t, err)
	if len(before) != len(after) {
		t.Errorf("routes before: %v\nand after: %v", before, after)
	}
}

// TestSocketsAnswer has the kernel at the other end ask for routers.
func TestSocketsAnswer(t *testing.T) {
	t.Parallel()
	node, other := newHost(t), newHost(t)
	plug(t, node, other)
	var listener Conn
	var err error
	node.do(func() { listener, err = Sockets{}.Open(node.link()) })
	must(t, err)
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
	must(t, other.net.LinkSetDown(other.eth0()))
	must(t, other.net.LinkSetUp(other.eth0())) // whereupon it asks
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
	plug(t, node, router)
	node.do(func() {
		if _, err := (Sockets{}).Open(Link{Name: "eth9", Index: 4711, LinkLocal: own}); err == nil {
			t.Error("opened what is not there")
		} else {
			t.Log(err)
		}
	})
	node.do(func() {
		none := [2]unix.CapUserData{} // this thread ends with the function
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			t.Error(err)
		}
		if _, err := (Sockets{}).Open(Link{Name: "eth0", Index: 2, LinkLocal: own}); err == nil || err.Error() != "operation not permitted" {
			t.Errorf("opened without the right to: %v", err)
		}
	})
}
