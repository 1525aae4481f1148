//go:build linux

package wire_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/layer2/wire"
)

var (
	nodeMAC   = layer2.MAC{0x02, 0, 0, 0, 0, 0x01}
	clientMAC = layer2.MAC{0x02, 0, 0, 0, 0, 0xc1}
	otherMAC  = layer2.MAC{0x02, 0, 0, 0, 0, 0x66}

	client4 = netip.MustParseAddr("192.0.2.9")
	client6 = netip.MustParseAddr("2001:db8::9")
	owned4  = netip.MustParseAddr("192.0.2.80")
	owned6  = netip.MustParseAddr("2001:db8::80")
)

// TestMain gives a user who is not root a user namespace to be root in.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(engineEnv) != "":
		err = runEngine()
	case os.Geteuid() == 0:
		m.Run()
		return
	default:
		if err = runAsRoot(); err != nil {
			err = fmt.Errorf("layer2/wire: failed to run the tests as root of a user namespace: %w\n"+
				"Run them as root, or install util-linux and allow user namespaces:\n"+
				"  sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0", err)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is the main of the test binary
	}
}

// runAsRoot runs this test binary again where it is root.
func runAsRoot() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := exec.CommandContext(context.Background(), "unshare", append([]string{"-Urnm", self}, os.Args[1:]...)...)
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	return again.Run()
}

// segment is a cable between eth0 of a node and eth0 of a client, each in its
// own network namespace. Their kernels are the oracles of these tests.
type segment struct {
	node, client *host
}

// host is one end of a segment.
type host struct {
	ns  netns.NsHandle
	net *netlink.Handle
}

func newSegment(tb testing.TB) *segment {
	tb.Helper()
	s := &segment{node: newHost(tb), client: newHost(tb)}
	s.connect(tb)
	return s
}

// connect plugs the cable in.
func (s *segment) connect(tb testing.TB) {
	tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "eth0", nodeMAC[:]
	must(tb, s.node.net.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs,
		PeerName:  "eth0", PeerHardwareAddr: clientMAC[:], PeerNamespace: netlink.NsFd(s.client.ns),
	}))
	for _, h := range []*host{s.node, s.client} {
		h.sysctl(tb, "ipv6/conf/eth0/accept_dad", "0")
		h.sysctl(tb, "ipv6/conf/eth0/router_solicitations", "0")
		for _, family := range []string{"ipv4", "ipv6"} {
			// A question that stays open is given up after 300 ms instead of 3 s, and
			// an entry in doubt is probed at once instead of after 5 s.
			h.sysctl(tb, family+"/neigh/eth0/retrans_time_ms", "100")
			h.sysctl(tb, family+"/neigh/eth0/delay_first_probe_time", "0")
		}
		must(tb, h.net.LinkSetUp(h.link(tb)))
	}
	for _, addr := range []string{"192.0.2.9/24", "2001:db8::9/64"} {
		a, err := netlink.ParseAddr(addr)
		must(tb, err)
		a.Flags = unix.IFA_F_NODAD // usable at once
		must(tb, s.client.net.AddrAdd(s.client.link(tb), a))
	}
	for _, h := range []*host{s.node, s.client} {
		eventually(tb, "the kernel speaks IPv6 on the new link", func() bool { return h.hasLinkLocal(tb) })
	}
}

func (h *host) hasLinkLocal(tb testing.TB) bool {
	tb.Helper()
	addrs, err := h.net.AddrList(h.link(tb), netlink.FAMILY_V6)
	must(tb, err)
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
	})
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

func (h *host) link(tb testing.TB) netlink.Link {
	tb.Helper()
	l, err := h.net.LinkByName("eth0")
	must(tb, err)
	return l
}

// eth0 is the host's end of the cable as an engine is told of it.
func (h *host) eth0(tb testing.TB) layer2.Interface {
	tb.Helper()
	a := h.link(tb).Attrs()
	return layer2.Interface{Name: a.Name, Index: a.Index, MAC: layer2.MAC(a.HardwareAddr), ARP: true, NDP: true}
}

// own returns a Config that owns addrs on the host's eth0.
func (h *host) own(tb testing.TB, addrs ...netip.Addr) layer2.Config {
	tb.Helper()
	c := layer2.Config{Interfaces: []layer2.Interface{h.eth0(tb)}}
	for _, addr := range addrs {
		c.Announcements = append(c.Announcements, layer2.Announcement{Addr: addr, Interfaces: []string{"eth0"}})
	}
	return c
}

// run runs an engine on the host until the test ends.
func (h *host) run(tb testing.TB, o layer2.Options) *layer2.Engine {
	tb.Helper()
	if o.Wire == nil {
		o.Wire = wire.Sockets{}
	}
	e, err := layer2.New(o)
	must(tb, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		h.do(tb, func() {
			if err := e.Run(ctx); err != nil {
				tb.Error(err)
			}
		})
	})
	tb.Cleanup(func() { stop(); running.Wait() })
	return e
}

// announce runs an engine that owns addrs, and returns once it answers.
func (h *host) announce(tb testing.TB, addrs ...netip.Addr) *layer2.Engine {
	tb.Helper()
	e := h.run(tb, layer2.Options{})
	e.Set(h.own(tb, addrs...))
	eventually(tb, "both ports are open", func() bool {
		s := e.Status()
		return len(s.Interfaces) == 1 && s.Interfaces[0].ARP.Open && s.Interfaces[0].NDP.Open
	})
	return e
}

// neighbour is the host's entry for addr.
func (h *host) neighbour(tb testing.TB, addr netip.Addr) (mac string, state int) {
	tb.Helper()
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	entries, err := h.net.NeighList(h.link(tb).Attrs().Index, family)
	must(tb, err)
	for _, n := range entries {
		if n.IP.Equal(addr.AsSlice()) {
			return n.HardwareAddr.String(), n.State
		}
	}
	return "", netlink.NUD_NONE
}

// setNeighbour makes the host believe that addr is at mac.
func (h *host) setNeighbour(tb testing.TB, addr netip.Addr, mac layer2.MAC, state int) {
	tb.Helper()
	must(tb, h.net.NeighSet(&netlink.Neigh{
		LinkIndex: h.link(tb).Attrs().Index, State: state, IP: addr.AsSlice(), HardwareAddr: mac[:],
	}))
}

// resolves waits until the host's kernel has found addr at mac.
func (h *host) resolves(tb testing.TB, addr netip.Addr, mac layer2.MAC) {
	tb.Helper()
	eventually(tb, addr.String()+" resolves", func() bool {
		got, state := h.neighbour(tb, addr)
		if state == netlink.NUD_NONE || state == netlink.NUD_FAILED || state == netlink.NUD_STALE {
			h.knock(tb, addr)
		}
		return got == mac.String() && state == netlink.NUD_REACHABLE
	})
}

// knock makes the host's kernel ask for addr by sending something to it.
func (h *host) knock(tb testing.TB, addr netip.Addr) {
	tb.Helper()
	var err error
	h.do(tb, func() {
		var c net.Conn
		var d net.Dialer
		if c, err = d.DialContext(tb.Context(), "udp", netip.AddrPortFrom(addr, 9).String()); err == nil {
			_, err = c.Write([]byte{0})
			_ = c.Close()
		}
	})
	must(tb, err)
}

// groups are the host's multicast memberships on eth0, unabbreviated.
func (h *host) groups(tb testing.TB) map[string]bool {
	tb.Helper()
	var b []byte
	var err error
	h.do(tb, func() { b, err = os.ReadFile("/proc/thread-self/net/igmp6") })
	must(tb, err)
	out := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[1] == "eth0" {
			out[f[2]] = true
		}
	}
	return out
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually waits until ok, generously: nothing here asserts a duration.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not so: %s", what)
		}
	}
}
