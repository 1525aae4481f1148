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
	if os.Getenv(engineEnv) != "" {
		if err := runEngine(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Geteuid() == 0 {
		os.Exit(m.Run())
	}
	if err := runAsRoot(); err != nil {
		fmt.Fprintf(os.Stderr, "layer2/wire: failed to run the tests as root of a user namespace: %v\n"+
			"Run them as root, or install util-linux and allow user namespaces:\n"+
			"  sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0\n", err)
		os.Exit(1)
	}
}

// runAsRoot runs this test binary again where it is root.
func runAsRoot() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := exec.Command("unshare", append([]string{"-Urnm", self}, os.Args[1:]...)...)
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

func newSegment(t testing.TB) *segment {
	t.Helper()
	s := &segment{node: newHost(t), client: newHost(t)}
	s.connect(t)
	return s
}

// connect plugs the cable in.
func (s *segment) connect(t testing.TB) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "eth0", nodeMAC[:]
	must(t, s.node.net.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs,
		PeerName:  "eth0", PeerHardwareAddr: clientMAC[:], PeerNamespace: netlink.NsFd(s.client.ns),
	}))
	for _, h := range []*host{s.node, s.client} {
		h.sysctl(t, "ipv6/conf/eth0/accept_dad", "0")
		h.sysctl(t, "ipv6/conf/eth0/router_solicitations", "0")
		// A question that stays open is given up after 300 ms instead of 3 s.
		h.sysctl(t, "ipv4/neigh/eth0/retrans_time_ms", "100")
		h.sysctl(t, "ipv6/neigh/eth0/retrans_time_ms", "100")
		must(t, h.net.LinkSetUp(h.link(t)))
	}
	for _, addr := range []string{"192.0.2.9/24", "2001:db8::9/64"} {
		a, err := netlink.ParseAddr(addr)
		must(t, err)
		a.Flags = unix.IFA_F_NODAD // usable at once
		must(t, s.client.net.AddrAdd(s.client.link(t), a))
	}
	for _, h := range []*host{s.node, s.client} {
		eventually(t, "the kernel speaks IPv6 on the new link", func() bool { return h.hasLinkLocal(t) })
	}
}

func (h *host) hasLinkLocal(t testing.TB) bool {
	t.Helper()
	addrs, err := h.net.AddrList(h.link(t), netlink.FAMILY_V6)
	must(t, err)
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
	})
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		var err error
		h.ns, err = netns.New()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("failed to make a network namespace (run as root, or allow user namespaces): %v", err)
	}
	t.Cleanup(func() { _ = h.ns.Close() })
	var err error
	h.net, err = netlink.NewHandleAt(h.ns)
	must(t, err)
	t.Cleanup(h.net.Close)
	return h
}

// do calls f in the host's namespace. f must not call t.Fatal.
func (h *host) do(t testing.TB, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	must(t, <-done)
}

func (h *host) sysctl(t testing.TB, name, value string) {
	t.Helper()
	var err error
	h.do(t, func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	must(t, err)
}

func (h *host) link(t testing.TB) netlink.Link {
	t.Helper()
	l, err := h.net.LinkByName("eth0")
	must(t, err)
	return l
}

// eth0 is the host's end of the cable as an engine is told of it.
func (h *host) eth0(t testing.TB) layer2.Interface {
	t.Helper()
	a := h.link(t).Attrs()
	return layer2.Interface{Name: a.Name, Index: a.Index, MAC: layer2.MAC(a.HardwareAddr), ARP: true, NDP: true}
}

// own returns a Config that owns addrs on the host's eth0.
func (h *host) own(t testing.TB, addrs ...netip.Addr) layer2.Config {
	t.Helper()
	c := layer2.Config{Interfaces: []layer2.Interface{h.eth0(t)}}
	for _, addr := range addrs {
		c.Announcements = append(c.Announcements, layer2.Announcement{Addr: addr, Interfaces: []string{"eth0"}})
	}
	return c
}

// run runs an engine on the host until the test ends.
func (h *host) run(t testing.TB, o layer2.Options) *layer2.Engine {
	t.Helper()
	if o.Wire == nil {
		o.Wire = wire.Sockets{}
	}
	e, err := layer2.New(o)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		h.do(t, func() {
			if err := e.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return e
}

// announce runs an engine that owns addrs, and returns once it answers.
func (h *host) announce(t testing.TB, addrs ...netip.Addr) *layer2.Engine {
	t.Helper()
	e := h.run(t, layer2.Options{})
	e.Set(h.own(t, addrs...))
	eventually(t, "both ports are open", func() bool {
		s := e.Status()
		return len(s.Interfaces) == 1 && s.Interfaces[0].ARP.Open && s.Interfaces[0].NDP.Open
	})
	return e
}

// neighbour is the host's entry for addr.
func (h *host) neighbour(t testing.TB, addr netip.Addr) (mac string, state int) {
	t.Helper()
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	entries, err := h.net.NeighList(h.link(t).Attrs().Index, family)
	must(t, err)
	for _, n := range entries {
		if n.IP.Equal(addr.AsSlice()) {
			return n.HardwareAddr.String(), n.State
		}
	}
	return "", netlink.NUD_NONE
}

// setNeighbour makes the host believe that addr is at mac.
func (h *host) setNeighbour(t testing.TB, addr netip.Addr, mac layer2.MAC, state int) {
	t.Helper()
	must(t, h.net.NeighSet(&netlink.Neigh{
		LinkIndex: h.link(t).Attrs().Index, State: state, IP: addr.AsSlice(), HardwareAddr: mac[:],
	}))
}

// resolves waits until the host's kernel has found addr at mac.
func (h *host) resolves(t testing.TB, addr netip.Addr, mac layer2.MAC) {
	t.Helper()
	eventually(t, addr.String()+" resolves", func() bool {
		got, state := h.neighbour(t, addr)
		if state == netlink.NUD_NONE || state == netlink.NUD_FAILED {
			h.knock(t, addr)
		}
		return got == mac.String() && state == netlink.NUD_REACHABLE
	})
}

// knock makes the host's kernel ask for addr by sending something to it.
func (h *host) knock(t testing.TB, addr netip.Addr) {
	t.Helper()
	var err error
	h.do(t, func() {
		var c net.Conn
		if c, err = net.Dial("udp", netip.AddrPortFrom(addr, 9).String()); err == nil {
			_, err = c.Write([]byte{0})
			_ = c.Close()
		}
	})
	must(t, err)
}

// groups are the host's multicast memberships on eth0, unabbreviated.
func (h *host) groups(t testing.TB) map[string]bool {
	t.Helper()
	var b []byte
	var err error
	h.do(t, func() { b, err = os.ReadFile("/proc/thread-self/net/igmp6") })
	must(t, err)
	out := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[1] == "eth0" {
			out[f[2]] = true
		}
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, generously: nothing here asserts a duration.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not so: %s", what)
		}
	}
}
