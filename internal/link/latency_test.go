package link

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestNamespaceLatency reports how long after the kernel's word, as another
// listener has it, a change is published. The goal is 100 ms; what is asserted is
// an order of magnitude away, and well below the relisting.
func TestNamespaceLatency(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.watch()

	links, addrs, done := make(chan netlink.LinkUpdate, 100), make(chan netlink.AddrUpdate, 100), make(chan struct{})
	var fail error
	n.Do(func() {
		if fail = netlink.LinkSubscribe(links, done); fail == nil {
			fail = netlink.AddrSubscribe(addrs, done)
		}
	})
	n.do(fail)
	type word struct {
		at    time.Time
		link  string // empty for an address
		flags uint32
	}
	var mu sync.Mutex
	var said []word
	var listener sync.WaitGroup
	listener.Go(func() {
		for links != nil || addrs != nil {
			var w word
			select {
			case u, open := <-links:
				if !open {
					links = nil
					continue
				}
				w = word{link: u.Attrs().Name, flags: u.Flags}
			case _, open := <-addrs:
				if !open {
					addrs = nil
					continue
				}
			}
			w.at = time.Now()
			mu.Lock()
			said = append(said, w)
			mu.Unlock()
		}
	})
	t.Cleanup(func() { close(done); listener.Wait() })

	took := map[string][]time.Duration{}
	change := func(what string, do func(), holds func(map[string]Link) bool) {
		t.Helper()
		mu.Lock()
		said = nil
		mu.Unlock()
		do()
		n.await(what, holds)
		published := time.Now()
		mu.Lock()
		defer mu.Unlock()
		// The kernel takes its time to say that a cable is in, or out.
		i := slices.IndexFunc(said, func(w word) bool {
			carrier := w.flags&unix.IFF_LOWER_UP != 0
			return (what != "carrier" || carrier && w.link == "eth0") && (what != "no carrier" || !carrier && w.link == "eth0")
		})
		if i >= 0 { // else the other listener was slower
			took[what] = append(took[what], published.Sub(said[i].at))
		}
	}
	there := func(name string) func(map[string]Link) bool {
		return func(ls map[string]Link) bool { return ls[name].Index != 0 }
	}
	linkLocal := netlink.Addr{}
	for range 10 {
		var eth0, peer netlink.Link
		change("appears", func() { eth0, peer = n.addVeth() }, there("eth0"))
		n.Sysctl("ipv6/conf/eth0/accept_dad", "0")
		n.do(n.LinkSetUp(eth0))
		change("carrier", func() { n.do(n.LinkSetUp(peer)) }, func(ls map[string]Link) bool {
			return ls["eth0"].Carrier
		})
		n.await("link-local", func(ls map[string]Link) bool { return ls["eth0"].LinkLocal.IsValid() })
		linkLocal = *addr(n.watched("eth0").LinkLocal.String() + "/64")
		change("loses its link-local", func() { n.do(n.AddrDel(eth0, &linkLocal)) }, func(ls map[string]Link) bool { return !ls["eth0"].LinkLocal.IsValid() })
		change("no carrier", func() { n.do(n.LinkSetDown(peer)) }, func(ls map[string]Link) bool { return !ls["eth0"].Carrier })
		n.do(n.LinkSetDown(eth0))
		change("is renamed", func() { n.do(n.LinkSetName(eth0, "lan0")) }, there("lan0"))
		change("goes", func() { n.do(n.LinkDel(eth0)) }, func(ls map[string]Link) bool { return ls["lan0"].Index == 0 })
	}
	for what, all := range took {
		slices.Sort(all)
		t.Logf("%-21s published after %v (median), %v at most", what, all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
		if all[len(all)/2] > time.Second {
			t.Errorf("%s: published after %v", what, all)
		}
	}
}

// watched is what the watcher says of a link.
func (n *node) watched(name string) Link {
	for _, l := range n.watcher.Links() {
		if l.Name == name {
			return l
		}
	}
	return Link{}
}
