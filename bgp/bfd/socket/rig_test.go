//go:build linux

package socket_test

import (
	"net/netip"
	"testing"

	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/bgp/bfd/socket"
	"github.com/clarion-lb/clarion/internal/segment"
)

var (
	node4   = netip.MustParseAddr("192.0.2.1")
	router4 = netip.MustParseAddr("192.0.2.2")
	node6   = netip.MustParseAddr("2001:db8::1")
	router6 = netip.MustParseAddr("2001:db8::2")
	nodeLL  = netip.MustParseAddr("fe80::1")
	routeLL = netip.MustParseAddr("fe80::2")
)

func TestMain(m *testing.M) { segment.Main(m) }

// host is a network namespace.
type host struct {
	*segment.Host

	tb testing.TB
}

// newCable returns a node and a router with a cable between their eth0.
func newCable(tb testing.TB) (node, router host) {
	tb.Helper()
	node, router = host{segment.NewHost(tb), tb}, host{segment.NewHost(tb), tb}
	connect(node, router, "eth0")
	for _, end := range []struct {
		host
		addrs []netip.Addr
	}{
		{node, []netip.Addr{node4, node6, nodeLL}},
		{router, []netip.Addr{router4, router6, routeLL}},
	} {
		for _, addr := range end.addrs {
			end.address("eth0", addr)
		}
	}
	return node, router
}

// connect plugs a cable in between interfaces of a name.
func connect(a, b host, name string) {
	a.tb.Helper()
	segment.Plug(a.Host, b.Host, name)
	a.Up(name)
	b.Up(name)
}

func (h host) address(link string, addr netip.Addr) {
	h.tb.Helper()
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	h.Address(link, netip.PrefixFrom(addr, bits).String())
}

// run runs an engine on the host until the test ends, or stop is called.
func (h host) run(c bfd.Config) (e *bfd.Engine, stop func()) {
	h.tb.Helper()
	e, err := bfd.New(bfd.Options{Wire: new(socket.Sockets)})
	segment.Must(h.tb, err)
	e.Set(c)
	return e, h.Run(e.Run)
}

// listen, dial and echo are those of w in the host's namespace.
func (h host) listen(w *socket.Sockets, p bfd.Port) (bfd.Listener, error) {
	h.tb.Helper()
	var l bfd.Listener
	var err error
	h.Do(func() { l, err = w.Listen(p) })
	if err == nil {
		h.tb.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

func (h host) dial(r bfd.Route) (bfd.Sender, error) {
	h.tb.Helper()
	var s bfd.Sender
	var err error
	h.Do(func() { s, err = new(socket.Sockets).Dial(r) })
	if err == nil {
		h.tb.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// receive waits for a packet.
func receive(tb testing.TB, l bfd.Listener) bfd.Packet {
	tb.Helper()
	var p bfd.Packet
	for {
		segment.Must(tb, l.Wait())
		ok, err := l.Receive(&p)
		segment.Must(tb, err)
		if ok {
			return p
		}
	}
}
