//go:build linux

package socket_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/bgp/bfd/socket"
)

var (
	node4   = netip.MustParseAddr("192.0.2.1")
	router4 = netip.MustParseAddr("192.0.2.2")
	node6   = netip.MustParseAddr("2001:db8::1")
	router6 = netip.MustParseAddr("2001:db8::2")
	nodeLL  = netip.MustParseAddr("fe80::1")
	routeLL = netip.MustParseAddr("fe80::2")
)

// TestMain gives a user who is not root a user namespace to be root in.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 {
		m.Run()
		return
	}
	self, err := os.Executable()
	if err == nil {
		again := exec.CommandContext(context.Background(), "unshare", append([]string{"-Urnm", self}, os.Args[1:]...)...)
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
		err = again.Run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bfd/socket: failed to run the tests as root of a user namespace: %v\n"+
			"Run them as root, or install util-linux and allow user namespaces:\n"+
			"  sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0\n", err)
		os.Exit(1) //nolint:forbidigo // this is the main of the test binary
	}
}

// host is a network namespace.
type host struct {
	ns  netns.NsHandle
	net *netlink.Handle
}

// newCable returns a node and a router with a cable between their eth0.
func newCable(tb testing.TB) (node, router *host) {
	tb.Helper()
	node, router = newHost(tb), newHost(tb)
	connect(tb, node, router, "eth0")
	for _, a := range []struct {
		at    *host
		addrs []netip.Addr
	}{
		{node, []netip.Addr{node4, node6, nodeLL}},
		{router, []netip.Addr{router4, router6, routeLL}},
	} {
		for _, addr := range a.addrs {
			a.at.address(tb, "eth0", addr)
		}
	}
	return node, router
}

// connect plugs a cable in between interfaces of a name.
func connect(tb testing.TB, a, b *host, name string) {
	tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	must(tb, a.net.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerNamespace: netlink.NsFd(b.ns)}))
	for _, h := range []*host{a, b} {
		must(tb, h.net.LinkSetUp(h.link(tb, name)))
	}
}

func (h *host) address(tb testing.TB, link string, addr netip.Addr) {
	tb.Helper()
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	a, err := netlink.ParseAddr(netip.PrefixFrom(addr, bits).String())
	must(tb, err)
	a.Flags = unix.IFA_F_NODAD // usable at once
	must(tb, h.net.AddrAdd(h.link(tb, link), a))
}

func newHost(tb testing.TB) *host {
	tb.Helper()
	h := &host{}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		var err error
		h.ns, err = netns.New()
		done <- err
	}()
	if err := <-done; err != nil {
		tb.Fatalf("failed to make a network namespace (run as root, or allow user namespaces): %v", err)
	}
	tb.Cleanup(func() { _ = h.ns.Close() })
	var err error
	h.net, err = netlink.NewHandleAt(h.ns)
	must(tb, err)
	tb.Cleanup(h.net.Close)
	lo, err := h.net.LinkByName("lo")
	must(tb, err)
	must(tb, h.net.LinkSetUp(lo))
	return h
}

// do calls f in the host's namespace. f must not call t.Fatal.
func (h *host) do(tb testing.TB, f func()) {
	tb.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	must(tb, <-done)
}

func (h *host) sysctl(tb testing.TB, name, value string) {
	tb.Helper()
	var err error
	h.do(tb, func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	must(tb, err)
}

func (h *host) link(tb testing.TB, name string) netlink.Link {
	tb.Helper()
	l, err := h.net.LinkByName(name)
	must(tb, err)
	return l
}

func (h *host) index(tb testing.TB, name string) int {
	tb.Helper()
	return h.link(tb, name).Attrs().Index
}

// listen, dial and echo are those of w in the host's namespace.
func (h *host) listen(tb testing.TB, w *socket.Sockets, p bfd.Port) (bfd.Listener, error) {
	tb.Helper()
	var l bfd.Listener
	var err error
	h.do(tb, func() { l, err = w.Listen(p) })
	if err == nil {
		tb.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

func (h *host) dial(tb testing.TB, r bfd.Route) (bfd.Sender, error) {
	tb.Helper()
	var s bfd.Sender
	var err error
	h.do(tb, func() { s, err = new(socket.Sockets).Dial(r) })
	if err == nil {
		tb.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// run runs an engine on the host until the test ends, or stop is called.
func (h *host) run(tb testing.TB, c bfd.Config) (e *bfd.Engine, stop func()) {
	tb.Helper()
	e, err := bfd.New(bfd.Options{Wire: new(socket.Sockets)})
	must(tb, err)
	e.Set(c)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		h.do(tb, func() {
			if err := e.Run(ctx); err != nil {
				tb.Error(err)
			}
		})
	})
	stop = func() { cancel(); running.Wait() }
	tb.Cleanup(stop)
	return e, stop
}

// receive waits for a packet.
func receive(tb testing.TB, l bfd.Listener) bfd.Packet {
	tb.Helper()
	var p bfd.Packet
	for {
		must(tb, l.Wait())
		ok, err := l.Receive(&p)
		must(tb, err)
		if ok {
			return p
		}
	}
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
