//go:build linux

package gobgp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/internal/segment"
)

func TestMain(m *testing.M) { segment.Main(m) }

// The ends of the cable.
var (
	node4   = netip.MustParseAddr("192.0.2.1")
	node6   = netip.MustParseAddr("2001:db8::1")
	router4 = netip.MustParseAddr("192.0.2.254")
	router6 = netip.MustParseAddr("2001:db8::fe")
)

// host is one end of it.
type host struct {
	*segment.Host

	tb testing.TB
}

// cable connects eth0 of a node with eth0 of a router.
func cable(tb testing.TB) (node, router host) {
	tb.Helper()
	node, router = host{segment.NewHost(tb), tb}, host{segment.NewHost(tb), tb}
	segment.Plug(node.Host, router.Host, "eth0")
	for _, end := range []struct {
		host
		addr4, addr6 netip.Addr
	}{{node, node4, node6}, {router, router4, router6}} {
		end.Up("eth0")
		end.Address("eth0", netip.PrefixFrom(end.addr4, 24).String())
		end.Address("eth0", netip.PrefixFrom(end.addr6, 64).String())
	}
	for _, h := range []host{node, router} {
		h.LinkLocal("eth0") // waits until there is one to be used
	}
	return node, router
}

// listen has the host accept connections on a port of its choice, with options
// as a router would set them for the peer; they end with the test.
func (h host) listen(at netip.Addr, options func(fd int) error) (port uint16, accepted <-chan *net.TCPConn) {
	h.tb.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) {
			if options != nil {
				err = options(int(fd))
			}
		}), err)
	}}
	lc.SetMultipathTCP(false) // it knows no MD5
	var l net.Listener
	var err error
	h.Do(func() { l, err = lc.Listen(context.Background(), "tcp", netip.AddrPortFrom(at, 0).String()) })
	segment.Must(h.tb, err)
	out := make(chan *net.TCPConn, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			out <- c.(*net.TCPConn)
		}
	}()
	h.tb.Cleanup(func() {
		_ = l.Close()
		<-done
		for close(out); ; {
			c, ok := <-out
			if !ok {
				return
			}
			_ = c.Close()
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), out
}

// dial dials from the host, for at most so long.
func (h host) dial(t bgp.Target, patience time.Duration) (bgp.Conn, error) {
	h.tb.Helper()
	var c bgp.Conn
	var err error
	h.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err = Network{}.Dial(ctx, t)
	})
	if err == nil {
		h.tb.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

const (
	patience   = 10 * time.Second       // for what must happen
	impatience = 300 * time.Millisecond // for what must not
)

// TestDialPassword has the router sign and check with a key of its own.
func TestDialPassword(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	for name, remote := range map[string]netip.Addr{
		"IPv4": router4, "IPv6": router6, "link-local": router.LinkLocal("eth0").WithZone("eth0"),
	} {
		from, index := node4, 0
		switch {
		case remote.IsLinkLocalUnicast():
			from, index = node.LinkLocal("eth0"), router.Link("eth0").Attrs().Index
		case remote.Is6():
			from = node6
		}
		port, _ := router.listen(remote, func(fd int) error {
			return setKey(fd, netip.AddrPortFrom(from, 0), index, "a secret")
		})
		for password, fits := range map[bgp.Secret]bool{"a secret": true, "another": false, "": false} {
			wait := patience
			if !fits {
				wait = impatience
			}
			c, err := node.dial(bgp.Target{Remote: netip.AddrPortFrom(remote, port), Password: password}, wait)
			switch {
			case fits && err != nil:
				t.Errorf("%s: %v", name, err)
			case fits:
				if _, err := c.Send(bgp.Keepalive{}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%s: password %t gives %v", name, password != "", err)
			}
		}
	}
}

// TestDialHops has each side refuse what may come from further away.
func TestDialHops(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	for _, remote := range []netip.Addr{router4, router6} {
		level, ttl, least := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL
		if remote.Is6() {
			level, ttl, least = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT
		}
		for _, tt := range []struct {
			ours, theirs [2]int // what each sends with, and takes
			connects     bool
		}{
			{ours: [2]int{255, 255}, theirs: [2]int{255, 255}, connects: true},
			{ours: [2]int{255, 0}, theirs: [2]int{64, 255}, connects: true},
			{ours: [2]int{64, 0}, theirs: [2]int{64, 255}},
			{ours: [2]int{255, 255}, theirs: [2]int{64, 0}},
			{ours: [2]int{1, 0}, theirs: [2]int{64, 1}, connects: true},
		} {
			port, _ := router.listen(remote, func(fd int) error {
				return errors.Join(
					unix.SetsockoptInt(fd, level, ttl, tt.theirs[0]),
					unix.SetsockoptInt(fd, level, least, tt.theirs[1]),
				)
			})
			wait := patience
			if !tt.connects {
				wait = impatience
			}
			_, err := node.dial(bgp.Target{
				Remote: netip.AddrPortFrom(remote, port), TTL: uint8(tt.ours[0]), MinTTL: uint8(tt.ours[1]),
			}, wait)
			if tt.connects && err != nil || !tt.connects && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, %+v: %v", remote, tt, err)
			}
		}
	}
}

func TestDialSourceAndDevice(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	node.Address("eth0", "192.0.2.7/24")
	node.Address("eth0", "2001:db8::7/64")
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth1"
	segment.Must(t, node.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "nowhere"}))
	node.Up("eth1")

	for remote, source := range map[netip.Addr]netip.Addr{
		router4: netip.MustParseAddr("192.0.2.7"),
		router6: netip.MustParseAddr("2001:db8::7"),
		router.LinkLocal("eth0").WithZone("eth0"): node.LinkLocal("eth0"),
	} {
		port, accepted := router.listen(remote, nil)
		to := netip.AddrPortFrom(remote, port)
		c, err := node.dial(bgp.Target{Remote: to, Source: source, Device: "eth0"}, patience)
		if err != nil {
			t.Errorf("%s from %s: %v", remote, source, err)
			continue
		}
		there := <-accepted
		if got := there.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().WithZone("").Unmap(); got != source {
			t.Errorf("the router is called by %s, not %s", got, source)
		}
		_ = there.Close()
		if got := c.Path(); got.Local.Addr().WithZone("") != source || got.Remote != to {
			t.Errorf("path %+v", got)
		}
		if remote.IsLinkLocalUnicast() {
			continue // whose zone and device would contradict each other below
		}
		if _, err := node.dial(bgp.Target{Remote: to, Device: "eth1"}, impatience); err == nil {
			t.Errorf("%s: reached on the wrong device", remote)
		}
	}
}

// TestDialOptions reads back what cannot be seen from the other side.
func TestDialOptions(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	for _, remote := range []netip.Addr{router4, router6} {
		port, _ := router.listen(remote, nil)
		c, err := node.dial(bgp.Target{Remote: netip.AddrPortFrom(remote, port)}, patience)
		segment.Must(t, err)
		raw, err := c.(*conn).socket.SyscallConn()
		segment.Must(t, err)
		level, class := unix.IPPROTO_IP, unix.IP_TOS
		if remote.Is6() {
			level, class = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		segment.Must(t, raw.Control(func(fd uintptr) {
			for _, o := range []struct {
				name                string
				level, option, want int
			}{
				{"traffic class", level, class, control},
				{"priority", unix.SOL_SOCKET, unix.SO_PRIORITY, priority},
				{"no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
				{"keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
			} {
				if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
					t.Errorf("%s: %s is %#x, not %#x (%v)", remote, o.name, got, o.want, err)
				}
			}
		}))
	}
}

// TestDialFails checks that causes can be told apart.
func TestDialFails(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	port, _ := router.listen(router4, nil)
	to := func(s string, port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), port) }
	open := to("192.0.2.254", port)
	for name, tt := range map[string]struct {
		target bgp.Target
		want   error
		text   string
	}{
		"nothing listens": {
			bgp.Target{Remote: to("192.0.2.254", 1)},
			syscall.ECONNREFUSED,
			"bgp/gobgp: failed to connect to 192.0.2.254:1: connection refused",
		},
		"no route": {
			bgp.Target{Remote: to("198.51.100.1", 179)},
			syscall.ENETUNREACH,
			"bgp/gobgp: failed to connect to 198.51.100.1:179: network is unreachable",
		},
		"silence": {
			bgp.Target{Remote: to("192.0.2.77", 179)},
			context.DeadlineExceeded,
			"bgp/gobgp: failed to connect to 192.0.2.77:179: no answer: context deadline exceeded",
		},
		"no such source": {
			bgp.Target{Remote: open, Source: netip.MustParseAddr("198.51.100.9")},
			syscall.EADDRNOTAVAIL,
			fmt.Sprintf("bgp/gobgp: failed to connect to %s: cannot assign requested address", open),
		},
		"source of the other family": {
			bgp.Target{Remote: open, Source: node6},
			syscall.EINVAL,
			fmt.Sprintf("bgp/gobgp: failed to connect to %s: the source 2001:db8::1 is of the other family: invalid argument", open),
		},
		"no such device": {
			bgp.Target{Remote: open, Device: "vrf9"},
			syscall.ENODEV,
			fmt.Sprintf("bgp/gobgp: failed to connect to %s: failed to bind to device vrf9: no such device", open),
		},
		"no such interface": {
			bgp.Target{Remote: to("fe80::1%eth9", 179)},
			syscall.ENODEV,
			"bgp/gobgp: failed to connect to [fe80::1%eth9]:179: no interface eth9: no such device",
		},
		"no zone": {
			bgp.Target{Remote: to("fe80::1", 179)},
			syscall.EINVAL,
			"bgp/gobgp: failed to connect to [fe80::1]:179: a link-local address needs a zone: invalid argument",
		},
		"long password": {
			bgp.Target{Remote: open, Password: bgp.Secret(make([]byte, 81))},
			syscall.EINVAL,
			fmt.Sprintf("bgp/gobgp: failed to connect to %s: the password has 81 octets, 80 are possible: invalid argument", open),
		},
		"no address": {
			bgp.Target{},
			syscall.EINVAL,
			"bgp/gobgp: failed to connect to invalid AddrPort: not the address of a router: invalid argument",
		},
	} {
		_, err := node.dial(tt.target, impatience)
		if !errors.Is(err, tt.want) || err.Error() != tt.text {
			t.Errorf("%s: got  %v\nwant %s", name, err, tt.text)
		}
	}
	segment.Must(t, node.LinkSetDown(node.Link("eth0")))
	if _, err := node.dial(bgp.Target{Remote: open}, impatience); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("link down: %v", err)
	}
}

// TestDialCancelled checks that the end of ctx is the end of Dial.
func TestDialCancelled(t *testing.T) {
	t.Parallel()
	node, _ := cable(t)
	node.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := Network{}.Dial(ctx, bgp.Target{Remote: netip.MustParseAddrPort("192.0.2.77:179")})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestPath has the kernel say which addresses an interface has.
func TestPath(t *testing.T) {
	t.Parallel()
	node, router := cable(t)
	node.Address("eth0", "192.0.2.80/32")                 // somebody's service
	node.Address("eth0", "192.0.2.0/31")                  // lower, and in use
	node.Address("eth0", "2001:db8:0:1::80/128")          // somebody's service
	node.Address("eth0", "2001:db8:1::1/64")              // higher
	deprecated, err := netlink.ParseAddr("2001:db8::/64") // lowest, but about to go
	segment.Must(t, err)
	deprecated.Flags, deprecated.ValidLft, deprecated.PreferedLft = unix.IFA_F_NODAD, 3600, 0
	segment.Must(t, node.AddrAdd(node.Link("eth0"), deprecated))
	all := func() (out []address) {
		node.Do(func() { out, _ = addresses() })
		return out
	}()
	if !slices.ContainsFunc(all, func(a address) bool { return a.flags&unix.IFA_F_DEPRECATED != 0 }) {
		t.Errorf("no address is deprecated: %+v", all)
	}
	far := router.LinkLocal("eth0").WithZone("eth0")
	for remote, want := range map[netip.Addr]bgp.Path{
		router4: {IPv4: node4, IPv6: node6, LinkLocal: node.LinkLocal("eth0")},
		router6: {IPv4: netip.MustParseAddr("192.0.2.0"), IPv6: node6, LinkLocal: node.LinkLocal("eth0")},
		far:     {IPv4: netip.MustParseAddr("192.0.2.0"), IPv6: node6, LinkLocal: node.LinkLocal("eth0")},
	} {
		port, accepted := router.listen(remote, nil)
		c, err := node.dial(bgp.Target{Remote: netip.AddrPortFrom(remote, port)}, patience)
		segment.Must(t, err)
		at := <-accepted
		got := c.Path()
		want.Remote = netip.AddrPortFrom(remote, port)
		seen := at.RemoteAddr().(*net.TCPAddr).AddrPort()
		want.Local = netip.AddrPortFrom(seen.Addr().Unmap().WithZone(remote.Zone()), seen.Port())
		_ = at.Close()
		if got != want {
			t.Errorf("towards %s:\ngot  %+v\nwant %+v", remote, got, want)
		}
	}
}
