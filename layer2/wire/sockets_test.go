//go:build linux

package wire_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/layer2/wire"
)

// vlan gives the host VLAN 7 of eth0, if the kernel can.
func (h host) vlan() {
	h.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = "eth0.7", h.Index("eth0")
	err := h.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: 7})
	if errors.Is(err, unix.EOPNOTSUPP) {
		h.tb.Log("this kernel has no VLANs (modprobe 8021q): it is not seen that frames of eth0.7 are not for eth0")
		return
	}
	segment.Must(h.tb, err)
	h.Up("eth0.7")
}

// open opens a port's socket on the host's eth0.
func (h host) open(p layer2.Protocol) layer2.Conn {
	h.tb.Helper()
	link := h.eth0()
	var c layer2.Conn
	var err error
	h.Do(func() { c, err = wire.Sockets{}.Open(link, p) })
	segment.Must(h.tb, err)
	return c
}

// TestFilter: of all that arrives, only what asks for an address or claims one, is
// for this host and came in on this link reaches the process; and once it is known
// which addresses matter, only what is about those.
func TestFilter(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	segment.Must(t, s.node.SetPromiscOn(s.node.Link("eth0")))
	s.node.vlan()

	but := func(f func(p *packetARP)) []byte {
		p := request(client4, owned4)
		f(&p)
		return p.frame(t)
	}
	foreign4, foreign6 := netip.MustParseAddr("192.0.2.81"), netip.MustParseAddr("2001:db8::81")
	probe := packetNDP{
		srcMAC: clientMAC, dstMAC: nodeMAC, src: client6, dst: owned6,
		message: &ndp.NeighborSolicitation{TargetAddress: owned6},
	}
	ask4, ask6 := request(client4, owned4).frame(t), solicit(t, client6, owned6).frame(t)
	ip := func(etherType uint16) []byte {
		return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0xc1, byte(etherType >> 8), byte(etherType)}, make([]byte, 100)...)
	}
	for protocol, tc := range map[layer2.Protocol]struct{ drop, foreign, pass [][]byte }{
		layer2.ARP: {
			drop: [][]byte{
				ip(0x0800), tagged(ask4, 5), tagged(ask4, 7),
				but(func(p *packetARP) { p.dst = otherMAC }),
				but(func(p *packetARP) { p.dst = allNodesMAC }),
			},
			foreign: [][]byte{
				request(client4, foreign4).frame(t),
				but(func(p *packetARP) { p.op, p.dst, p.tpa = arp.OperationReply, nodeMAC, foreign4 }),
			},
			pass: [][]byte{
				ask4,
				but(func(p *packetARP) { p.dst = nodeMAC }),
				but(func(p *packetARP) { p.op = arp.OperationReply }),
				but(func(p *packetARP) { p.spa, p.tpa = owned4, foreign4 }), // says more than it asks
			},
		},
		layer2.NDP: {
			drop: [][]byte{
				ip(0x86dd), ip(0x88cc), tagged(ask6, 5), tagged(ask6, 7),
				change(ask6, set(0, otherMAC[:]...)),
				change(ask6, set(21, 64)), // hop limit
			},
			foreign: [][]byte{
				solicit(t, client6, foreign6).frame(t),
				advertise(otherMAC, allNodesMAC, foreign6, allNodes).frame(t),
			},
			pass: [][]byte{
				ask6,
				probe.frame(t),
				advertise(otherMAC, allNodesMAC, owned6, allNodes).frame(t),
				solicit(t, owned6, foreign6).frame(t),
			},
		},
	} {
		c := s.node.open(protocol)
		t.Cleanup(func() { _ = c.Close() })
		tap := s.client.tap(unix.ETH_P_ARP)
		pass := func(drop, pass [][]byte) {
			t.Helper()
			for _, f := range drop {
				tap.send(f)
			}
			var want, got []string
			for _, f := range pass {
				tap.send(f)
				want = append(want, hex.EncodeToString(f))
			}
			b := make([]byte, 2048)
			for range pass {
				n, err := c.Read(b)
				segment.Must(t, err)
				got = append(got, hex.EncodeToString(b[:n]))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: %s", protocol, diff)
			}
		}
		pass(tc.drop, append(tc.foreign, tc.pass...))
		segment.Must(t, c.Heed([]netip.Addr{owned4, owned6}))
		pass(append(tc.drop, tc.foreign...), tc.pass)
		segment.Must(t, c.Heed([]netip.Addr{foreign4, foreign6}))
		pass(append(tc.drop, tc.pass[0]), tc.foreign)
	}
}

// TestFilterChanges: while the addresses that matter come and go, no frame about
// one that stays is lost, and the largest filter is granted.
func TestFilterChanges(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	c := s.node.open(layer2.ARP)
	t.Cleanup(func() { _ = c.Close() })
	tap := s.client.tap(unix.ETH_P_ARP)
	frame := request(client4, owned4).frame(t)
	b := make([]byte, 2048)
	for i, others := range []int{0, 1, 12000, 3, 400, 12000, 50, 12000, 0} {
		for k := range 20 {
			frame[27] = byte(i*20 + k) // the last octet of the sender's MAC
			tap.send(frame)
			if k == 10 {
				segment.Must(t, c.Heed(append(many(others), owned4)))
			}
		}
		for k := range 20 {
			n, err := c.Read(b)
			segment.Must(t, err)
			if n < 42 || b[27] != byte(i*20+k) {
				t.Fatalf("of %d others, frame %d is lost: heard %x", others, k, b[:n])
			}
		}
	}
}

// TestWhyNoICMPSocket is the reason for packet sockets in NDP: a unicast probe
// for an address that the host does not have does not reach an ICMPv6 socket.
func TestWhyNoICMPSocket(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	var c *ndp.Conn
	var err error
	s.node.Do(func() {
		var eth0 *net.Interface
		if eth0, err = net.InterfaceByName("eth0"); err == nil {
			c, _, err = ndp.Listen(eth0, ndp.Unspecified)
		}
	})
	segment.Must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	segment.Must(t, c.JoinGroup(solicit(t, client6, owned6).dst))

	tap := s.client.tap(unix.ETH_P_IPV6)
	unicast := solicit(t, client6, owned6)
	unicast.dst, unicast.dstMAC = owned6, nodeMAC
	unicast.message.(*ndp.NeighborSolicitation).Options = nil
	tap.send(unicast.frame(t))
	tap.send(solicit(t, client6, owned6).frame(t))

	segment.Must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	for {
		m, _, _, err := c.ReadFrom()
		segment.Must(t, err)
		if ns, ok := m.(*ndp.NeighborSolicitation); ok && ns.TargetAddress == owned6 {
			if len(ns.Options) == 0 {
				t.Error("the kernel has changed: the unicast probe was heard")
			}
			return
		}
	}
}

// TestMemberships: groups are joined with their first address, on the wire too,
// and left with the last.
func TestMemberships(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	twin := netip.MustParseAddr("2001:db8:1::80") // shares its group with owned6
	const group = "ff0200000000000000000001ff000080"
	e := s.node.announce(owned6)
	segment.Eventually(t, "in the group", func() bool { return s.node.groups()[group] })
	e.Set(s.node.own(owned6, twin))
	e.Set(s.node.own(twin))
	segment.Eventually(t, "only the twin is owned", func() bool {
		a := e.Status().Addresses
		return len(a) == 1 && a[0].Addr == twin
	})
	if !s.node.groups()[group] {
		t.Error("left the group of an owned address")
	}
	e.Set(s.node.own())
	segment.Eventually(t, "out of the group", func() bool { return !s.node.groups()[group] })
}

// TestMembershipReports: what snooping switches go by (RFC 3810): the group of an
// address is reported when it is joined, and again when it is left, which it is
// with the last of the addresses that share it.
func TestMembershipReports(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	p := s.client.tap(unix.ETH_P_IPV6)
	twin, other := netip.MustParseAddr("2001:db8:1::80"), netip.MustParseAddr("2001:db8::81")
	shared, others := netip.MustParseAddr("ff02::1:ff00:80"), netip.MustParseAddr("ff02::1:ff00:81")
	e := s.node.announce(owned6, twin)
	p.reported(shared, mldJoined)
	e.Set(s.node.own(twin))
	segment.Eventually(t, "only the twin is owned", func() bool { return len(e.Status().Addresses) == 1 })
	e.Set(s.node.own(other, twin))
	if before := p.reported(others, mldJoined); slices.Contains(before, mldRecord{shared, mldLeft}) {
		t.Error("left the group of an owned address")
	}
	e.Set(s.node.own(other))
	p.reported(shared, mldLeft)
}

// TestManyMemberships: more groups than one socket may hold.
func TestManyMemberships(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	const n = 3000
	g, err := wire.Sockets{}.Groups(s.node.eth0())
	segment.Must(t, err)
	group := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff, 13: 0xee, 14: byte(i >> 8), 15: byte(i)})
	}
	wantGroups := func(want int) {
		t.Helper()
		got := 0
		for name := range s.node.groups() {
			if strings.HasPrefix(name, "ff0200000000000000000001ffee") {
				got++
			}
		}
		if got != want {
			t.Errorf("in %d groups, want %d", got, want)
		}
	}
	s.node.Do(func() {
		for i := range n {
			if err := g.Join(group(i)); err != nil {
				t.Errorf("group %d: %v", i, err)
				return
			}
		}
	})
	wantGroups(n)
	for i := range n / 2 {
		segment.Must(t, g.Leave(group(i)))
	}
	wantGroups(n / 2)
	segment.Must(t, g.Close())
	wantGroups(0)
}

// TestLateInterface: an interface that goes, and comes back under the same name as
// another, has its groups and is answered on.
func TestLateInterface(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	e := s.node.announce(owned4, owned6)
	const group = "ff0200000000000000000001ff000080"
	for range 3 {
		segment.Must(t, s.node.LinkDel(s.node.Link("eth0")))
		segment.Eventually(t, "the loss is noticed", func() bool {
			i := e.Status().Interfaces[0]
			return !i.ARP.Open && !i.NDP.Open && i.ARP.Error != ""
		})
		s.plug()
		e.Set(s.node.own(owned4, owned6)) // another index
		segment.Eventually(t, "it is in use again", func() bool { return s.node.groups()[group] })
		for _, addr := range []netip.Addr{owned4, owned6} {
			s.client.resolves(addr, nodeMAC)
		}
	}
}

// TestFlap: a link that goes down and up is answered on again, groups and all,
// even if no Config ever says that it was gone.
func TestFlap(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	e := s.node.announce(owned4, owned6)
	for range 3 {
		segment.Must(t, s.node.LinkSetDown(s.node.Link("eth0")))
		segment.Eventually(t, "the loss is noticed", func() bool { return !e.Status().Interfaces[0].ARP.Open })
		segment.Must(t, s.node.LinkSetUp(s.node.Link("eth0")))
		for _, addr := range []netip.Addr{owned4, owned6} {
			s.client.setNeighbour(addr, otherMAC, netlink.NUD_REACHABLE)
			segment.Eventually(t, addr.String()+" is announced again", func() bool {
				mac, _ := s.client.neighbour(addr)
				return mac != otherMAC.String()
			})
			s.client.resolves(addr, nodeMAC)
		}
		segment.Eventually(t, "in the group", func() bool { return s.node.groups()["ff0200000000000000000001ff000080"] })
	}
}

// TestMACChanges: neighbours follow.
func TestMACChanges(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	e := s.node.announce(owned4, owned6)
	for _, addr := range []netip.Addr{owned4, owned6} {
		s.client.resolves(addr, nodeMAC)
	}
	segment.Must(t, s.node.LinkSetHardwareAddr(s.node.Link("eth0"), otherMAC[:]))
	e.Set(s.node.own(owned4, owned6))
	for _, addr := range []netip.Addr{owned4, owned6} {
		segment.Eventually(t, addr.String()+" has moved", func() bool {
			mac, _ := s.client.neighbour(addr)
			return mac == otherMAC.String()
		})
	}
}

// TestOpenOnDeadLink: a link that is down or gone is an error in plain words.
func TestOpenOnDeadLink(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	down := s.node.eth0()
	segment.Must(t, s.node.LinkSetDown(s.node.Link("eth0")))
	gone := layer2.Interface{Name: "eth9", Index: 9999}
	for _, p := range []layer2.Protocol{layer2.ARP, layer2.NDP} {
		for _, tc := range []struct {
			link layer2.Interface
			want error
		}{{down, unix.ENETDOWN}, {gone, unix.ENODEV}} {
			var err error
			s.node.Do(func() { _, err = wire.Sockets{}.Open(tc.link, p) })
			if !errors.Is(err, tc.want) || err.Error() != tc.want.Error() {
				t.Errorf("%v on %s: %v", p, tc.link.Name, err)
			}
		}
	}
}

// TestPrivileges: CAP_NET_RAW is enough, and without it Status says what is
// missing (P9).
func TestPrivileges(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	const netRaw = 1 << unix.CAP_NET_RAW
	for _, tc := range []struct {
		capabilities uint32
		want         layer2.PortStatus
	}{
		{netRaw, layer2.PortStatus{Open: true}},
		{^uint32(netRaw), layer2.PortStatus{Error: "layer2: failed to open ARP socket on eth0: operation not permitted"}},
	} {
		e, err := layer2.New(layer2.Options{Wire: wire.Sockets{}})
		segment.Must(t, err)
		e.Set(s.node.own(owned4, owned6))
		stop := s.node.Run(func(ctx context.Context) error {
			// All sockets are opened by the thread in Run, which keeps no more than this.
			if err := keepOnly(tc.capabilities); err != nil {
				return err
			}
			return e.Run(ctx)
		})
		segment.Eventually(t, "the ports have been tried", func() bool {
			i := e.Status().Interfaces
			return len(i) == 1 && i[0].NDP != layer2.PortStatus{}
		})
		if diff := cmp.Diff(tc.want, e.Status().Interfaces[0].ARP); diff != "" {
			t.Error(diff)
		}
		if tc.want.Open {
			for _, addr := range []netip.Addr{owned4, owned6} {
				s.client.resolves(addr, nodeMAC)
			}
			segment.Eventually(t, "in the group", func() bool { return s.node.groups()["ff0200000000000000000001ff000080"] })
		}
		stop()
	}
}

// keepOnly drops all capabilities of the calling thread, for good, but those in
// the set and below 32.
func keepOnly(capabilities uint32) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("failed to read capabilities: %w", err)
	}
	data[0].Effective &= capabilities
	data[0].Permitted &= capabilities
	data[0].Inheritable = 0
	data[1] = unix.CapUserData{}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("failed to drop capabilities: %w", err)
	}
	return nil
}

// TestNothingLeaks: thirty lives of an engine leave no descriptor and no
// goroutine. It runs alone, because it counts those of the process.
func TestNothingLeaks(t *testing.T) { //nolint:paralleltest // see above
	s := newCable(t)
	life := func() {
		e, err := layer2.New(layer2.Options{Wire: wire.Sockets{}, YieldTime: time.Millisecond})
		segment.Must(t, err)
		e.Set(s.node.own(owned4, owned6))
		stop := s.node.Run(e.Run)
		segment.Eventually(t, "both ports are open", func() bool {
			i := e.Status().Interfaces
			return len(i) == 1 && i[0].ARP.Open && i[0].NDP.Open
		})
		stop()
	}
	life()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 30 {
		life()
	}
	segment.Eventually(t, "no more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines })
	segment.Eventually(t, "no more descriptors than before", func() bool { return openFiles(t) <= files })
}

// openFiles counts the descriptors of this process.
func openFiles(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	segment.Must(tb, err)
	return len(entries)
}
