//go:build linux

package pitfalls_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/internal/link"
	"github.com/clarion-lb/clarion/internal/pitfalls"
	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/speaker/announce"
)

func TestMain(m *testing.M) { segment.Main(m) }

// answers reports whether the kernel at the other end of eth0 answers for an
// address.
func answers(t *testing.T, client *segment.Host, addr netip.Addr) (does bool) {
	t.Helper()
	client.Do(func() {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp", netip.AddrPortFrom(addr, 9).String())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close() //nolint:errcheck // it has asked
		_, _ = conn.Write([]byte("?"))
	})
	var entry netlink.Neigh
	segment.Eventually(t, addr.String()+" is found, or is not", func() bool {
		all, err := client.NeighList(client.Index("eth0"), netlink.FAMILY_ALL)
		segment.Must(t, err)
		for _, n := range all {
			if got, _ := netip.AddrFromSlice(n.IP); got.Unmap() == addr {
				entry, does = n, n.State&(netlink.NUD_REACHABLE|netlink.NUD_STALE|netlink.NUD_DELAY|netlink.NUD_PROBE) != 0
				return does || n.State == netlink.NUD_FAILED
			}
		}
		return false
	})
	segment.Must(t, client.NeighDel(&entry))
	return does
}

// TestKernel: what is found is what the kernel does, for each value there is, be
// it set for all interfaces or for one.
func TestKernel(t *testing.T) {
	t.Parallel()

	node, client := segment.NewHost(t), segment.NewHost(t)
	segment.Plug(node, client, "eth0")
	for _, h := range []*segment.Host{node, client} {
		h.Up("eth0")
	}
	node.Address("eth0", "192.0.2.1/24")
	client.Address("eth0", "192.0.2.9/24")
	client.Address("eth0", "2001:db8::9/64")
	for _, family := range []string{"ipv4", "ipv6"} {
		client.Sysctl(family+"/neigh/eth0/retrans_time_ms", "50")
	}
	onLo4, onLo6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")
	onEth4, onEth6 := netip.MustParseAddr("192.0.2.11"), netip.MustParseAddr("2001:db8::11")
	local := announce.Local{Node: "node-a", Links: []announce.Link{
		{Name: "eth0", MAC: [6]byte{2}, Up: true, Carrier: true, Broadcast: true, LinkLocal: node.LinkLocal("eth0")},
		{Name: "lo"},
	}}
	for i, addrs := range [][]netip.Addr{{onEth4, onEth6}, {onLo4, onLo6}} {
		for _, a := range addrs {
			p := netip.PrefixFrom(a, a.BitLen())
			node.Address(local.Links[i].Name, p.String())
			local.Links[i].Prefixes = append(local.Links[i].Prefixes, p)
		}
	}
	for value := range 9 {
		for i, scope := range []string{"all", "eth0"} {
			other := []string{"eth0", "all"}[i]
			node.Sysctl("ipv4/conf/"+other+"/arp_ignore", "0")
			node.Sysctl("ipv4/conf/"+scope+"/arp_ignore", fmt.Sprint(value))
			node.Do(func() {
				if got, err := link.ARPIgnore("eth0"); err != nil || got != value {
					t.Errorf("arp_ignore %d of %s is read as %d, %v", value, scope, got, err)
				}
			})
		}
		for _, addr := range []netip.Addr{onLo4, onLo6, onEth4, onEth6} {
			found := pitfalls.Find(pitfalls.Facts{
				Local: local, ARPIgnore: map[string]int{"eth0": value},
				Announced: func(a netip.Addr) bool { return a == addr },
			})
			warned := slices.ContainsFunc(found, func(p config.Problem) bool { return strings.Contains(p.Reason, addr.String()) })
			if does := answers(t, client, addr); does != warned {
				t.Errorf("arp_ignore %d: the kernel answers for %s: %t; found %v", value, addr, does, found)
			}
		}
	}
}
