package link

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const running = unix.IFF_UP | unix.IFF_LOWER_UP | unix.IFF_BROADCAST

func TestTable(t *testing.T) {
	t.Parallel()

	var (
		mac    = attribute(unix.IFLA_ADDRESS, []byte{2, 0, 0, 0, 0, 7})
		mtu    = attribute(unix.IFLA_MTU, word(1500))
		inBr0  = attribute(unix.IFLA_MASTER, word(3))
		bridge = attribute(unix.IFLA_LINKINFO, attribute(nl.IFLA_INFO_SLAVE_KIND, []byte("bridge\x00")))
		eth0   = linkMessage(2, "eth0", running, mac, mtu)
		plain  = Link{Name: "eth0", Index: 2, MAC: [6]byte{2, 0, 0, 0, 0, 7}, MTU: 1500, Up: true, Carrier: true, Broadcast: true}
	)
	with := func(edit func(*Link)) Link {
		l := plain
		edit(&l)

		return l
	}

	tests := []struct {
		name     string
		messages []message
		want     []Link
	}{{
		name:     "an Ethernet link",
		messages: []message{eth0},
		want:     []Link{plain},
	}, {
		name: "flags are facts",
		messages: []message{
			linkMessage(2, "b", unix.IFF_UP|unix.IFF_NOARP),
			linkMessage(1, "a", unix.IFF_LOOPBACK|unix.IFF_LOWER_UP),
		},
		want: []Link{
			{Name: "a", Index: 1, Loopback: true, Carrier: true},
			{Name: "b", Index: 2, Up: true, NoARP: true},
		},
	}, {
		name: "an address of another technology is no MAC",
		messages: []message{func() message {
			m := linkMessage(5, "tunl0", running, attribute(unix.IFLA_ADDRESS, []byte{192, 0, 2, 1}))
			m.body[2], m.body[3] = 0, 3 // ARPHRD_TUNNEL, or something else that is not Ethernet

			return m
		}()},
		want: []Link{{Name: "tunl0", Index: 5, Up: true, Carrier: true, Broadcast: true}},
	}, {
		name:     "a rename keeps index and addresses",
		messages: []message{eth0, addressMessage(2, "192.0.2.1/24", 0), linkMessage(2, "lan0", running, mac, mtu)},
		want: []Link{with(func(l *Link) {
			l.Name = "lan0"
			l.Addrs = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}
		})},
	}, {
		name:     "deleted and created again under the same name",
		messages: []message{eth0, addressMessage(2, "192.0.2.1/24", 0), deleted(eth0), linkMessage(9, "eth0", running, mac, mtu)},
		want:     []Link{with(func(l *Link) { l.Index = 9 })},
	}, {
		name: "a bridge member is named by its master, also after the master's rename",
		messages: []message{
			linkMessage(3, "br0", running),
			linkMessage(2, "eth0", running, mac, mtu, inBr0, bridge),
			linkMessage(3, "br1", running),
		},
		want: []Link{
			{Name: "br1", Index: 3, Up: true, Carrier: true, Broadcast: true},
			with(func(l *Link) { l.Master, l.MasterKind = "br1", "bridge" }),
		},
	}, {
		name:     "an unknown master is still a master",
		messages: []message{linkMessage(2, "eth0", running, mac, mtu, inBr0)},
		want:     []Link{with(func(l *Link) { l.Master = "#3" })},
	}, {
		name: "a bridge that releases a port does not delete it",
		messages: []message{eth0, func() message {
			m := deleted(linkMessage(2, "eth0", running, mac, mtu, inBr0))
			m.body[0] = unix.AF_BRIDGE

			return m
		}()},
		want: []Link{plain},
	}, {
		name:     "a wireless scan result does not describe the link",
		messages: []message{eth0, linkMessage(2, "eth0", running, attribute(unix.IFLA_WIRELESS, nil))},
		want:     []Link{plain},
	}, {
		name: "addresses are sorted, and usable or not listed",
		messages: []message{
			eth0,
			addressMessage(2, "2001:db8::2/64", unix.IFA_F_TENTATIVE),
			addressMessage(2, "2001:db8::1/64", unix.IFA_F_PERMANENT),
			addressMessage(2, "192.0.2.9/24", 0),
			addressMessage(2, "192.0.2.1/24", unix.IFA_F_SECONDARY),
			addressMessage(2, "fe80::2/64", unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED),
			addressMessage(2, "fe80::9/64", 0),
			addressMessage(2, "fe80::8/64", 0),
		},
		want: []Link{with(func(l *Link) {
			l.LinkLocal = netip.MustParseAddr("fe80::8")
			l.Addrs = prefixes("192.0.2.1/24", "192.0.2.9/24", "2001:db8::1/64", "fe80::8/64", "fe80::9/64")
		})},
	}, {
		name: "detection ends well for one address and badly for another",
		messages: []message{
			eth0,
			addressMessage(2, "fe80::1/64", unix.IFA_F_TENTATIVE),
			addressMessage(2, "fe80::1/64", 0),
			addressMessage(2, "2001:db8::1/64", unix.IFA_F_TENTATIVE),
			addressMessage(2, "2001:db8::1/64", unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED),
		},
		want: []Link{with(func(l *Link) {
			l.LinkLocal = netip.MustParseAddr("fe80::1")
			l.Addrs = prefixes("fe80::1/64")
		})},
	}, {
		name:     "an address is removed",
		messages: []message{eth0, addressMessage(2, "fe80::1/64", 0), deleted(addressMessage(2, "fe80::1/64", 0))},
		want:     []Link{plain},
	}, {
		name: "two far ends of one address are two addresses",
		messages: []message{
			eth0, peered("192.0.2.1", "198.51.100.1/24"), peered("192.0.2.1", "198.51.100.2/24"),
			deleted(peered("192.0.2.1", "198.51.100.2/24")),
		},
		want: []Link{with(func(l *Link) { l.Addrs = prefixes("192.0.2.1/32") })},
	}, {
		name:     "an address that overtook its link",
		messages: []message{addressMessage(2, "192.0.2.1/24", 0), addressMessage(7, "192.0.2.7/24", 0), eth0},
		want:     []Link{with(func(l *Link) { l.Addrs = prefixes("192.0.2.1/24") })},
	}, {
		name:     "what was never there is removed in peace",
		messages: []message{eth0, deleted(linkMessage(8, "gone", 0)), deleted(addressMessage(8, "192.0.2.1/24", 0)), deleted(addressMessage(2, "192.0.2.1/24", 0))},
		want:     []Link{plain},
	}}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			known := newTable()
			for _, m := range tc.messages {
				if _, err := known.apply(m); err != nil {
					t.Fatalf("apply: %v", err)
				}
			}
			if diff := cmp.Diff(tc.want, known.links()); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}

			// Asking after every message must make no difference.
			asked := newTable()
			for _, m := range tc.messages {
				if _, err := asked.apply(m); err != nil {
					t.Fatalf("apply: %v", err)
				}
				asked.links()
			}
			if diff := cmp.Diff(tc.want, asked.links()); diff != "" {
				t.Errorf("links, asked for after every message (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTableSaysWhatChanged defends P10: what alters no fact costs no more than
// its reading.
func TestTableSaysWhatChanged(t *testing.T) {
	t.Parallel()

	eth0 := linkMessage(2, "eth0", running)
	steps := []struct {
		name    string
		message message
		want    bool
	}{
		{"a link appears", eth0, true},
		{"its statistics move", linkMessage(2, "eth0", running, attribute(unix.IFLA_STATS64, make([]byte, 192))), false},
		{"its carrier goes", linkMessage(2, "eth0", unix.IFF_UP|unix.IFF_BROADCAST), true},
		{"an unusable address appears", addressMessage(2, "fe80::1/64", unix.IFA_F_TENTATIVE), false},
		{"the address becomes usable", addressMessage(2, "fe80::1/64", 0), true},
		{"its lifetime is extended", addressMessage(2, "fe80::1/64", 0), false},
		{"the address goes", deleted(addressMessage(2, "fe80::1/64", 0)), true},
		{"the link joins a bridge", linkMessage(2, "eth0", unix.IFF_UP|unix.IFF_BROADCAST, attribute(unix.IFLA_MASTER, word(3))), true},
		{"the link goes", deleted(eth0), true},
		{"an unknown link goes", deleted(eth0), false},
		{"a route appears", message{kind: unix.RTM_NEWROUTE}, false},
	}

	known := newTable()
	for _, s := range steps {
		got, err := known.apply(s.message)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got != s.want {
			t.Errorf("%s: changed = %v, want %v", s.name, got, s.want)
		}
	}
}

// FuzzApply feeds the table what a kernel would never send.
func FuzzApply(f *testing.F) {
	for _, m := range []message{
		linkMessage(2, "eth0", running, attribute(unix.IFLA_LINKINFO, attribute(nl.IFLA_INFO_SLAVE_KIND, []byte("bond\x00")))),
		addressMessage(2, "192.0.2.1/24", 0),
		addressMessage(2, "2001:db8::1/64", unix.IFA_F_TENTATIVE),
		peered("192.0.2.1", "198.51.100.1/24"),
	} {
		f.Add(m.kind, m.body)
		f.Add(m.kind+1, m.body)
		f.Add(m.kind, m.body[:7])
		f.Add(m.kind, m.body[:len(m.body)-1])
	}

	f.Fuzz(func(t *testing.T, kind uint16, body []byte) {
		known := newTable()
		if _, err := known.apply(linkMessage(2, "eth0", running)); err != nil {
			t.Fatal(err)
		}
		before := known.links()
		changed, err := known.apply(message{kind: kind, body: body})
		if err == nil {
			return
		}
		if changed || !slices.EqualFunc(before, known.links(), Link.Equal) {
			t.Errorf("a message that was refused (%v) altered a fact", err)
		}
	})
}

func prefixes(all ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(all))
	for i, s := range all {
		ps[i] = netip.MustParsePrefix(s)
	}

	return ps
}

// peered is an RTM_NEWADDR of an address on link 2 whose far end is peer.
func peered(local, peer string) message {
	p := netip.MustParsePrefix(peer)
	b := addressHeader(2, p)
	b = append(b, attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())...)
	b = append(b, attribute(unix.IFA_LOCAL, netip.MustParseAddr(local).AsSlice())...)

	return message{kind: unix.RTM_NEWADDR, body: b}
}
