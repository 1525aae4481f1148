package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
)

// patience bounds every wait for the kernel: long enough for duplicate address
// detection on a busy machine.
const patience = 10 * time.Second

func TestMain(m *testing.M) { segment.Main(m) }

// node is a network namespace with a watcher in it.
type node struct {
	*segment.Host

	t       *testing.T
	watcher *Watcher
}

func newNode(t *testing.T) *node {
	t.Helper()
	return &node{Host: segment.NewHost(t), t: t}
}

// watch starts a watcher in the namespace, on a thread without any capability.
func (n *node) watch() {
	n.t.Helper()

	var err error
	if n.watcher, err = New(Options{}); err != nil {
		n.t.Fatal(err)
	}
	n.Run(func(ctx context.Context) error {
		none := [2]unix.CapUserData{}
		if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
			return err
		}
		return n.watcher.Run(ctx)
	})
	n.await("the first listing", func(map[string]Link) bool { return n.watcher.Links() != nil })
}

// await waits until what the watcher publishes satisfies the condition.
func (n *node) await(what string, holds func(map[string]Link) bool) map[string]Link {
	n.t.Helper()

	timeout := time.After(patience)
	for {
		links := make(map[string]Link)
		for _, l := range n.watcher.Links() {
			links[l.Name] = l
		}
		if holds(links) {
			return links
		}
		select {
		case <-n.watcher.Changed():
		case <-timeout:
			n.t.Fatalf("%s: not seen; links are %+v", what, n.watcher.Links())
		}
	}
}

// do fails the test if a change to the namespace fails.
func (n *node) do(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("failed to change the namespace: %v", err)
	}
}

// addVeth makes eth0, whose cable is the link peer.
func (n *node) addVeth() (eth0, peer netlink.Link) {
	n.t.Helper()
	n.do(n.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "peer"}))

	return n.Link("eth0"), n.Link("peer")
}

func addr(prefix string) *netlink.Addr {
	p := netip.MustParsePrefix(prefix)

	mask := net.CIDRMask(p.Bits(), p.Addr().BitLen())

	return &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: mask}} //nolint:forbidigo // the library's edge
}

// TestNamespaceStory walks one link through everything that can happen to it.
func TestNamespaceStory(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.watch()

	eth0, peer := n.addVeth()
	links := n.await("add", func(ls map[string]Link) bool { return ls["eth0"].Index != 0 && ls["peer"].Index != 0 })
	want := Link{
		Name: "eth0", Index: eth0.Attrs().Index, MAC: [6]byte(eth0.Attrs().HardwareAddr), MTU: 1500, Broadcast: true,
	}
	if diff := cmp.Diff(want, links["eth0"]); diff != "" {
		t.Errorf("a new link (-want +got):\n%s", diff)
	}
	if lo := links["lo"]; !lo.Loopback || lo.MAC != [6]byte{} {
		t.Errorf("lo = %+v, want a loopback without MAC", lo)
	}

	n.do(n.LinkSetUp(eth0))
	n.await("up without carrier", func(ls map[string]Link) bool { return ls["eth0"].Up && !ls["eth0"].Carrier })
	n.do(n.LinkSetUp(peer))
	n.await("carrier", func(ls map[string]Link) bool { return ls["eth0"].Up && ls["eth0"].Carrier })
	n.await("usable link-local", func(ls map[string]Link) bool { return ls["eth0"].LinkLocal.IsValid() })
	n.do(n.LinkSetDown(peer))
	n.await("carrier loss", func(ls map[string]Link) bool { return ls["eth0"].Up && !ls["eth0"].Carrier })
	n.do(n.LinkSetUp(peer))
	links = n.await("carrier again", func(ls map[string]Link) bool {
		return ls["eth0"].Carrier && ls["eth0"].LinkLocal.IsValid()
	})

	n.do(n.AddrDel(eth0, addr(links["eth0"].LinkLocal.String()+"/64")))
	n.await("link-local lost", func(ls map[string]Link) bool { return !ls["eth0"].LinkLocal.IsValid() })
	n.do(n.AddrAdd(eth0, addr("fe80::1/64")))
	n.await("link-local detected", func(ls map[string]Link) bool {
		return ls["eth0"].LinkLocal == netip.MustParseAddr("fe80::1")
	})
	n.do(n.AddrAdd(eth0, addr("192.0.2.1/24")))
	n.await("address added", func(ls map[string]Link) bool {
		return slices.Equal(ls["eth0"].Addrs, prefixes("192.0.2.1/24", "fe80::1/64"))
	})
	n.do(n.AddrDel(eth0, addr("192.0.2.1/24")))
	n.await("address removed", func(ls map[string]Link) bool {
		return slices.Equal(ls["eth0"].Addrs, prefixes("fe80::1/64"))
	})

	mac := [6]byte{2, 0, 0, 0, 0, 42}
	n.do(n.LinkSetHardwareAddr(eth0, mac[:]))
	n.await("MAC change", func(ls map[string]Link) bool { return ls["eth0"].MAC == mac })
	n.do(n.LinkSetMTU(eth0, 1400))
	n.await("MTU change", func(ls map[string]Link) bool { return ls["eth0"].MTU == 1400 })
	n.do(n.LinkSetARPOff(eth0))
	n.await("ARP off", func(ls map[string]Link) bool { return ls["eth0"].NoARP })

	n.do(n.LinkSetDown(eth0))
	n.await("down", func(ls map[string]Link) bool {
		return !ls["eth0"].Up && !ls["eth0"].Carrier && !ls["eth0"].LinkLocal.IsValid()
	})
	n.do(n.LinkSetName(eth0, "lan0"))
	n.await("rename", func(ls map[string]Link) bool {
		_, old := ls["eth0"]

		return !old && ls["lan0"].Index == eth0.Attrs().Index
	})
	n.do(n.LinkDel(eth0))
	n.await("removal", func(ls map[string]Link) bool { return len(ls) == 1 })
}

func TestNamespaceBridge(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.watch()

	eth0, _ := n.addVeth()
	n.do(n.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	br0 := n.Link("br0")
	n.do(n.LinkSetMaster(eth0, br0))
	n.await("a member", func(ls map[string]Link) bool {
		return ls["eth0"].Master == "br0" && ls["eth0"].MasterKind == "bridge"
	})
	n.do(n.LinkSetName(br0, "br1"))
	n.await("a renamed master", func(ls map[string]Link) bool { return ls["eth0"].Master == "br1" })
	n.do(n.LinkSetNoMaster(eth0))
	n.await("release", func(ls map[string]Link) bool {
		return ls["eth0"].Index != 0 && ls["eth0"].Master == "" && ls["eth0"].MasterKind == ""
	})
	n.do(n.LinkSetMaster(eth0, br0))
	n.do(n.LinkDel(br0))
	n.await("the end of the master", func(ls map[string]Link) bool {
		_, there := ls["br1"]

		return !there && ls["eth0"].Index != 0 && ls["eth0"].Master == ""
	})
}

func TestNamespaceSameNameNewIndex(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.watch()

	first, _ := n.addVeth()
	n.do(n.AddrAdd(first, addr("192.0.2.1/24")))
	n.await("the first", func(ls map[string]Link) bool { return len(ls["eth0"].Addrs) == 1 })
	n.do(n.LinkDel(first))
	second, _ := n.addVeth()
	n.await("the second, without the first's address", func(ls map[string]Link) bool {
		return ls["eth0"].Index == second.Attrs().Index && len(ls["eth0"].Addrs) == 0
	})
}

// TestNamespaceFlaps defends P10 with the real kernel: a hundred flaps do not
// mean a hundred wake-ups.
func TestNamespaceFlaps(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	eth0, peer := n.addVeth()
	n.do(n.LinkSetUp(eth0))
	n.do(n.LinkSetUp(peer))
	n.watch()
	n.await("carrier", func(ls map[string]Link) bool { return ls["eth0"].Carrier })

	var wakeups atomic.Int64
	go func() {
		for {
			select {
			case <-n.watcher.Changed():
				wakeups.Add(1)
			case <-t.Context().Done():
				return
			}
		}
	}()
	start := time.Now()
	for range 100 {
		n.do(n.LinkSetDown(peer))
		n.do(n.LinkSetUp(peer))
	}
	n.do(n.LinkSetDown(peer))

	down := func(l Link) bool { return l.Name == "eth0" && l.Up && !l.Carrier }
	for !slices.ContainsFunc(n.watcher.Links(), down) {
		if time.Since(start) > patience {
			t.Fatalf("the last flap: not seen; links are %+v", n.watcher.Links())
		}
		time.Sleep(settle)
	}
	count, took := int(wakeups.Load()), time.Since(start)
	t.Logf("%d wake-ups in %v", count, took)
	if most := int(took/settle) + 1; count > most {
		t.Errorf("%d wake-ups in %v, want at most %d", count, took, most)
	}
}

// TestNamespaceStorm compares the outcome of many concurrent changes with a
// listing, whether or not the kernel had to drop events on the way.
func TestNamespaceStorm(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.watch()

	for i := range 60 {
		name := fmt.Sprintf("pod%d", i)
		n.do(n.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "p"}))
		l := n.Link(name)
		n.do(n.LinkSetUp(l))
		n.do(n.AddrAdd(l, addr(fmt.Sprintf("192.0.2.%d/32", i))))
		switch i % 3 {
		case 0:
			n.do(n.LinkDel(l))
		case 1:
			n.do(n.LinkSetUp(n.Link(name + "p")))
		}
	}

	n.await("the kernel's own listing", func(map[string]Link) bool {
		return slices.EqualFunc(n.listing(), n.watcher.Links(), Link.Equal)
	})
}

// listing is what the kernel says when asked, through a wire of its own.
func (n *node) listing() []Link {
	n.t.Helper()

	var all []message
	var err error
	n.Do(func() { all, err = (&kernel{}).list() })
	n.do(err)
	known := newTable()
	for _, m := range all {
		_, err := known.apply(m)
		n.do(err)
	}

	return known.links()
}

// TestNamespaceOverrun holds the kernel to the contract of wire: events that
// were dropped end in an error, not in silence.
func TestNamespaceOverrun(t *testing.T) {
	t.Parallel()
	n := newNode(t)

	var k wire
	var err error
	n.Do(func() { k, err = openKernel() })
	n.do(err)
	defer k.close() //nolint:errcheck // it was only read from

	eth0, _ := n.addVeth()
	for i := range 2000 { // nobody reads
		n.do(n.LinkSetMTU(eth0, 1300+i%2))
	}
	for range 5000 {
		if _, err = k.receive(time.Now().Add(patience)); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("receive after an overrun: %v, want %v", err, unix.ENOBUFS)
	}
}
