//go:build linux

package socket_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/bgp/bfd/socket"
	"github.com/clarion-lb/clarion/internal/segment"
)

// TestControlPackets arrive with what the engine needs to know of them.
func TestControlPackets(t *testing.T) {
	t.Parallel()
	node, router := newCable(t)
	//nolint:paralleltest // they share the ports
	for name, tc := range map[string]struct {
		route bfd.Route
		want  netip.Addr // source
	}{
		"IPv4":                {bfd.Route{Peer: router4}, node4},
		"IPv4, echo":          {bfd.Route{Peer: router4, Port: bfd.Port{Echo: true}}, node4},
		"IPv6, echo":          {bfd.Route{Peer: router6, Port: bfd.Port{Echo: true}}, node6},
		"IPv4, multihop":      {bfd.Route{Peer: router4, Local: node4, Port: bfd.Port{MultiHop: true}}, node4},
		"IPv4, bound":         {bfd.Route{Peer: router4, Port: bfd.Port{Device: "eth0"}}, node4},
		"IPv6":                {bfd.Route{Peer: router6}, node6},
		"IPv6, multihop":      {bfd.Route{Peer: router6, Local: node6, Port: bfd.Port{MultiHop: true}}, node6},
		"link-local":          {bfd.Route{Peer: routeLL.WithZone("eth0")}, nodeLL},
		"link-local, source":  {bfd.Route{Peer: routeLL.WithZone("eth0"), Local: nodeLL}, nodeLL},
		"link-local, without": {bfd.Route{Peer: routeLL, Port: bfd.Port{Device: "eth0"}}, nodeLL},
	} {
		t.Run(name, func(t *testing.T) {
			r := tc.route
			r.Port.IPv6, r.SourcePort = r.Peer.Is6(), 50000
			at, ttl := r.Port, uint8(255)
			at.Device = ""
			if at.Echo {
				ttl = 254
			}
			l, err := router.listen(new(socket.Sockets), at)
			segment.Must(t, err)
			defer func() { _ = l.Close() }()
			s, err := node.dial(r)
			segment.Must(t, err)
			defer func() { _ = s.Close() }()
			for _, payload := range []string{"one", "two"} {
				segment.Must(t, s.Send([]byte(payload)))
				want := bfd.Packet{
					Source: tc.want, Destination: r.Peer.WithZone(""), Interface: router.Index("eth0"),
					TTL: ttl, Payload: []byte(payload),
				}
				if diff := cmp.Diff(want, receive(t, l), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
					t.Error(diff)
				}
			}
			var p bfd.Packet
			if ok, err := l.Receive(&p); ok || err != nil {
				t.Errorf("one more: %v %v", ok, err)
			}
			wantScope := 0
			if r.Peer.Zone() != "" {
				wantScope = node.Index("eth0")
			}
			if got := s.Scope(); got != wantScope {
				t.Errorf("scope %d, want %d", got, wantScope)
			}
		})
	}
}

// TestWait neither takes a packet nor survives Close.
func TestWait(t *testing.T) {
	t.Parallel()
	node, router := newCable(t)
	l, err := router.listen(new(socket.Sockets), bfd.Port{})
	segment.Must(t, err)
	s, err := node.dial(bfd.Route{Peer: router4, SourcePort: 50000})
	segment.Must(t, err)
	segment.Must(t, s.Send([]byte("one")))
	segment.Must(t, l.Wait())
	segment.Must(t, l.Wait())
	receive(t, l)

	ended := make(chan error)
	go func() { ended <- l.Wait() }()
	time.Sleep(10 * time.Millisecond) // more likely than not, it waits by now
	segment.Must(t, l.Close())
	if err := <-ended; err == nil {
		t.Error("waited for nothing")
	}
	if _, err := l.Receive(new(bfd.Packet)); err == nil {
		t.Error("received from nothing")
	}
}

// TestOtherDaemon: a port that somebody else has is not shared, whatever the other
// is ready for; nor is ours.
func TestOtherDaemon(t *testing.T) {
	t.Parallel()
	_, router := newCable(t)
	foreign := func() (net.PacketConn, error) {
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			return errors.Join(raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
			}), err)
		}}
		var c net.PacketConn
		var err error
		router.Do(func() { c, err = config.ListenPacket(context.Background(), "udp4", ":3784") })
		return c, err
	}
	other, err := foreign()
	segment.Must(t, err)
	for _, port := range []bfd.Port{{}, {Device: "eth0"}} {
		if _, err := router.listen(new(socket.Sockets), port); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%+v: %v", port, err)
		}
	}
	segment.Must(t, other.Close())

	w := new(socket.Sockets)
	for _, port := range []bfd.Port{{}, {Device: "eth0"}} { // which agree to share with each other
		_, err := router.listen(w, port)
		segment.Must(t, err)
	}
	if _, err := foreign(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("stolen: %v", err)
	}
	// The ports of the other family and of multihop are others.
	for _, port := range []bfd.Port{{IPv6: true}, {MultiHop: true}} {
		_, err := router.listen(w, port)
		segment.Must(t, err)
	}
}

// TestDevices: a port bound to a device hears what comes in there, the other one
// the rest, in whatever order they were opened.
func TestDevices(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]bfd.Port{
		"general first": {{}, {Device: "eth1"}, {Device: "eth0"}},
		"general last":  {{Device: "eth0"}, {Device: "eth1"}, {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, router := newCable(t)
			second, third := netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("203.0.113.2")
			for name, addr := range map[string]netip.Addr{"eth1": second, "eth2": third} {
				connect(node, router, name)
				router.address(name, addr)
				node.address(name, addr.Prev())
			}
			w := new(socket.Sockets)
			at := make(map[string]bfd.Listener)
			for _, port := range order {
				l, err := router.listen(w, port)
				segment.Must(t, err)
				at[port.Device] = l
			}
			for device, peer := range map[string]netip.Addr{"eth0": router4, "eth1": second, "": third} {
				s, err := node.dial(bfd.Route{Peer: peer, SourcePort: 50000})
				segment.Must(t, err)
				segment.Must(t, s.Send([]byte("x")))
				_ = s.Close()
				if got := receive(t, at[device]); got.Destination != peer {
					t.Errorf("%q heard what was for %v", device, got.Destination)
				}
			}
		})
	}
}

// TestErrors are the system's own, for the engine to make sentences of.
func TestErrors(t *testing.T) {
	t.Parallel()
	node, _ := newCable(t)
	if _, err := node.listen(new(socket.Sockets), bfd.Port{Device: "red"}); !errors.Is(err, syscall.ENODEV) {
		t.Error(err)
	}
	if _, err := node.dial(bfd.Route{Peer: router4, Local: router4, SourcePort: 50000}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error(err)
	}
	if _, err := node.dial(bfd.Route{Peer: routeLL.WithZone("red"), SourcePort: 50000}); err == nil {
		t.Error("a zone that is not there")
	}
	r := bfd.Route{Peer: router4, SourcePort: 50000}
	s, err := node.dial(r)
	segment.Must(t, err)
	if _, err := node.dial(r); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	segment.Must(t, node.LinkSetDown(node.Link("eth0")))
	if err := s.Send([]byte("x")); !errors.Is(err, syscall.ENETUNREACH) {
		t.Error(err)
	}
	r.SourcePort, r.Port.Device = 50001, "eth0"
	s, err = node.dial(r)
	segment.Must(t, err)
	segment.Must(t, node.LinkDel(node.Link("eth0")))
	if err := s.Send([]byte("x")); !errors.Is(err, syscall.ENODEV) {
		t.Error(err)
	}
}

// TestNoAllocations: neither way costs garbage.
//
//nolint:paralleltest // it counts the allocations of the whole process
func TestNoAllocations(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	node, router := newCable(t)
	for name, peer := range map[string]netip.Addr{"IPv4": router4, "IPv6": router6} {
		l, err := router.listen(new(socket.Sockets), bfd.Port{IPv6: peer.Is6()})
		segment.Must(t, err)
		s, err := node.dial(bfd.Route{Peer: peer, SourcePort: 50000, Port: bfd.Port{IPv6: peer.Is6()}})
		segment.Must(t, err)
		payload := make([]byte, 24)
		var p bfd.Packet
		if got := testing.AllocsPerRun(1000, func() {
			if s.Send(payload) != nil || l.Wait() != nil {
				t.Error("broken")
			}
			for ok := true; ok; ok, _ = l.Receive(&p) {
				continue
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
		_ = s.Close()
	}
}

// TestSessions come up over real sockets, notice each other's end, and survive a
// device that is replaced.
func TestSessions(t *testing.T) {
	t.Parallel()
	node, router := newCable(t)
	fast := bfd.Profile{TransmitInterval: 100 * time.Millisecond, ReceiveInterval: 100 * time.Millisecond, DetectMultiplier: 20}
	back := func(c bfd.Config) bfd.Config {
		var out bfd.Config
		for _, s := range c.Sessions {
			s.Peer = map[netip.Addr]netip.Addr{
				router4: node4, router6: node6, routeLL.WithZone("eth0"): nodeLL.WithZone("eth0"),
			}[s.Peer]
			s.Local = netip.Addr{}
			out.Sessions = append(out.Sessions, s)
		}
		return out
	}
	config := bfd.Config{Sessions: []bfd.Session{
		{Name: "bound", Peer: router4, Device: "eth0", Profile: fast},
		{Name: "far4", Peer: router4, Local: node4, MultiHop: true, Profile: fast},
		{Name: "far6", Peer: router6, Local: node6, MultiHop: true, Profile: fast},
		{Name: "link", Peer: routeLL.WithZone("eth0"), Profile: fast},
		{Name: "six", Peer: router6, Profile: fast},
	}}
	e, _ := node.run(config)
	_, stop := router.run(back(config))
	states := func(want bfd.State) func() bool {
		return func() bool {
			sessions := e.Status().Sessions
			for _, s := range sessions {
				if s.State != want || s.Error != "" {
					return false
				}
			}
			return len(sessions) == len(config.Sessions)
		}
	}
	segment.Eventually(t, "all are up", states(bfd.Up))
	stop()
	segment.Eventually(t, "all are down", states(bfd.Down))
	for _, s := range e.Status().Sessions {
		if s.Failures != 0 {
			t.Errorf("%s: %s", s.Name, s.LastFailure)
		}
	}

	segment.Must(t, node.LinkDel(node.Link("eth0")))
	segment.Eventually(t, "it is noticed", func() bool {
		return strings.Contains(e.Status().Sessions[0].Error, "no such device")
	})
	connect(node, router, "eth0")
	for h, addrs := range map[host][]netip.Addr{node: {node4, node6, nodeLL}, router: {router4, router6, routeLL}} {
		for _, addr := range addrs {
			h.address("eth0", addr)
		}
	}
	router.run(back(config))
	segment.Eventually(t, "all are up again", states(bfd.Up))
}

// TestEcho: packets to ourselves come back by way of a router, if it forwards.
func TestEcho(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ node, router netip.Addr }{
		"IPv4": {node4, router4},
		"IPv6": {node6, router6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, router := newCable(t)
			var in bfd.Listener
			var out bfd.Sender
			var err error
			route := bfd.EchoRoute{Peer: tc.router, Local: tc.node, Interface: node.Index("eth0")}
			node.Do(func() { in, out, err = new(socket.Sockets).Echo(route) })
			segment.Must(t, err)
			defer func() { _, _ = in.Close(), out.Close() }()
			if err := out.Send([]byte("too early")); err == nil {
				t.Error("sent without knowing where to")
			}
			control, err := router.dial(bfd.Route{Peer: tc.node, SourcePort: 50000, Port: bfd.Port{IPv6: tc.node.Is6()}})
			segment.Must(t, err)
			segment.Must(t, control.Send([]byte("here I am")))
			segment.Must(t, in.Wait())
			var p bfd.Packet
			if ok, err := in.Receive(&p); ok || err != nil {
				t.Errorf("that was no echo packet: %v %v", ok, err)
			}

			segment.Must(t, out.Send([]byte("does not forward yet")))
			router.Sysctl("ipv4/ip_forward", "1")
			router.Sysctl("ipv6/conf/all/forwarding", "1")
			for _, payload := range []string{"odd", "even"} {
				segment.Must(t, out.Send([]byte(payload)))
				want := bfd.Packet{
					Source: tc.node, Destination: tc.node, Interface: route.Interface,
					TTL: 254, Payload: []byte(payload),
				}
				if diff := cmp.Diff(want, receive(t, in), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestEchoSessions: the whole of it, between two engines on hosts that forward.
func TestEchoSessions(t *testing.T) {
	t.Parallel()
	node, router := newCable(t)
	for _, h := range []host{node, router} {
		h.Sysctl("ipv4/ip_forward", "1")
		h.Sysctl("ipv6/conf/all/forwarding", "1")
	}
	p := bfd.Profile{Echo: true, EchoInterval: 100 * time.Millisecond, DetectMultiplier: 50}
	e, _ := node.run(bfd.Config{Sessions: []bfd.Session{
		{Name: "four", Peer: router4, Profile: p}, {Name: "six", Peer: router6, Profile: p},
	}})
	router.run(bfd.Config{Sessions: []bfd.Session{
		{Name: "four", Peer: node4, Profile: p}, {Name: "six", Peer: node6, Profile: p},
	}})
	segment.Eventually(t, "echo is active, and control packets are slow", func() bool {
		sessions := e.Status().Sessions
		for _, s := range sessions {
			if !s.EchoActive || s.ReceiveInterval != time.Second || s.TransmitInterval != time.Second || s.EchoIn < 5 {
				return false
			}
		}
		return len(sessions) == 2
	})
	// Control packets still go both ways.
	router.Sysctl("ipv4/ip_forward", "0")
	segment.Eventually(t, "the echo's absence is noticed", func() bool {
		s := e.Status().Sessions[0]
		return s.Failures > 0 && s.LastFailure == "echo function failed"
	})
}
