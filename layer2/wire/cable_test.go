//go:build linux

package wire_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/clarion-lb/clarion/internal/segment"
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

// TestMain runs the tests, or else an engine to be measured.
func TestMain(m *testing.M) {
	if os.Getenv(engineEnv) == "" {
		segment.Main(m)
		return
	}
	if err := runEngine(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is the main of the test binary
	}
}

// cable is one between eth0 of a node and eth0 of a client, each in its own
// network namespace. Their kernels are the oracles of these tests.
type cable struct {
	node, client host
}

// host is one end of a cable.
type host struct {
	*segment.Host

	tb testing.TB
}

func newCable(tb testing.TB) cable {
	tb.Helper()
	c := cable{node: host{segment.NewHost(tb), tb}, client: host{segment.NewHost(tb), tb}}
	c.plug()
	return c
}

// plug plugs the cable in.
func (c cable) plug() {
	c.node.tb.Helper()
	segment.Plug(c.node.Host, c.client.Host, "eth0")
	for h, mac := range map[host]layer2.MAC{c.node: nodeMAC, c.client: clientMAC} {
		segment.Must(h.tb, h.LinkSetHardwareAddr(h.Link("eth0"), mac[:]))
		h.Sysctl("ipv6/conf/eth0/router_solicitations", "0")
		for _, family := range []string{"ipv4", "ipv6"} {
			// A question that stays open is given up after 300 ms instead of 3 s, and
			// an entry in doubt is probed at once instead of after 5 s.
			h.Sysctl(family+"/neigh/eth0/retrans_time_ms", "100")
			h.Sysctl(family+"/neigh/eth0/delay_first_probe_time", "0")
		}
		h.Up("eth0")
	}
	c.client.Address("eth0", "192.0.2.9/24")
	c.client.Address("eth0", "2001:db8::9/64")
	for _, h := range []host{c.node, c.client} {
		h.LinkLocal("eth0") // the kernel speaks IPv6 on the new link
	}
}

// eth0 is the host's end of the cable as an engine is told of it.
func (h host) eth0() layer2.Interface {
	h.tb.Helper()
	a := h.Link("eth0").Attrs()
	return layer2.Interface{Name: a.Name, Index: a.Index, MAC: layer2.MAC(a.HardwareAddr), ARP: true, NDP: true}
}

// own returns a Config that owns addrs on the host's eth0.
func (h host) own(addrs ...netip.Addr) layer2.Config {
	h.tb.Helper()
	c := layer2.Config{Interfaces: []layer2.Interface{h.eth0()}}
	for _, addr := range addrs {
		c.Announcements = append(c.Announcements, layer2.Announcement{Addr: addr, Interfaces: []string{"eth0"}})
	}
	return c
}

// run runs an engine on the host until the test ends.
func (h host) run(o layer2.Options) *layer2.Engine {
	h.tb.Helper()
	if o.Wire == nil {
		o.Wire = wire.Sockets{}
	}
	e, err := layer2.New(o)
	segment.Must(h.tb, err)
	h.Run(e.Run)
	return e
}

// announce runs an engine that owns addrs, and returns once it answers.
func (h host) announce(addrs ...netip.Addr) *layer2.Engine {
	h.tb.Helper()
	e := h.run(layer2.Options{})
	e.Set(h.own(addrs...))
	segment.Eventually(h.tb, "both ports are open", func() bool {
		s := e.Status()
		return len(s.Interfaces) == 1 && s.Interfaces[0].ARP.Open && s.Interfaces[0].NDP.Open
	})
	return e
}

// neighbour is the host's entry for addr.
func (h host) neighbour(addr netip.Addr) (mac string, state int) {
	h.tb.Helper()
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	entries, err := h.NeighList(h.Link("eth0").Attrs().Index, family)
	segment.Must(h.tb, err)
	for _, n := range entries {
		if n.IP.Equal(addr.AsSlice()) {
			return n.HardwareAddr.String(), n.State
		}
	}
	return "", netlink.NUD_NONE
}

// setNeighbour makes the host believe that addr is at mac.
func (h host) setNeighbour(addr netip.Addr, mac layer2.MAC, state int) {
	h.tb.Helper()
	segment.Must(h.tb, h.NeighSet(&netlink.Neigh{
		LinkIndex: h.Link("eth0").Attrs().Index, State: state, IP: addr.AsSlice(), HardwareAddr: mac[:],
	}))
}

// resolves waits until the host's kernel has found addr at mac.
func (h host) resolves(addr netip.Addr, mac layer2.MAC) {
	h.tb.Helper()
	segment.Eventually(h.tb, addr.String()+" resolves", func() bool {
		got, state := h.neighbour(addr)
		if state == netlink.NUD_NONE || state == netlink.NUD_FAILED || state == netlink.NUD_STALE {
			h.knock(addr)
		}
		return got == mac.String() && state == netlink.NUD_REACHABLE
	})
}

// knock makes the host's kernel ask for addr by sending something to it.
func (h host) knock(addr netip.Addr) {
	h.tb.Helper()
	var err error
	h.Do(func() {
		var c net.Conn
		var d net.Dialer
		if c, err = d.DialContext(h.tb.Context(), "udp", netip.AddrPortFrom(addr, 9).String()); err == nil {
			_, err = c.Write([]byte{0})
			_ = c.Close()
		}
	})
	segment.Must(h.tb, err)
}

// groups are the host's multicast memberships on eth0, unabbreviated.
func (h host) groups() map[string]bool {
	h.tb.Helper()
	var b []byte
	var err error
	h.Do(func() { b, err = os.ReadFile("/proc/thread-self/net/igmp6") })
	segment.Must(h.tb, err)
	out := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[1] == "eth0" {
			out[f[2]] = true
		}
	}
	return out
}
