//go:build linux

package segment

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Host is a network namespace; its handle changes it. It has lo, which is up, and
// what is plugged in.
type Host struct {
	*netlink.Handle

	tb testing.TB
	ns netns.NsHandle
}

// NewHost returns a host that lives as long as the test.
func NewHost(tb testing.TB) *Host {
	tb.Helper()
	h := &Host{tb: tb}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		var err error
		h.ns, err = netns.New()
		made <- err
	}()
	if err := <-made; err != nil {
		tb.Fatalf("failed to make a network namespace: %v", err)
	}
	tb.Cleanup(func() { _ = h.ns.Close() })
	var err error
	h.Handle, err = netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE)
	Must(tb, err)
	tb.Cleanup(h.Close)
	h.Up("lo")
	return h
}

// Plug lays a cable between two hosts, with an interface of that name at either
// end. Both are down still, and will use their IPv6 addresses without looking for
// duplicates first.
func Plug(a, b *Host, name string) {
	a.tb.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	Must(a.tb, a.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerNamespace: netlink.NsFd(b.ns)}))
	for _, h := range []*Host{a, b} {
		h.Sysctl("ipv6/conf/"+name+"/accept_dad", "0")
	}
}

// Do calls f in the host's namespace, on a thread that is used for nothing else
// before or after. f must not call t.Fatal.
func (h *Host) Do(f func()) {
	h.tb.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(h.ns)
		if err == nil {
			f()
		}
		done <- err
	}()
	Must(h.tb, <-done)
}

// Run runs an engine in the host's namespace until stop is called, or the test
// ends.
func (h *Host) Run(run func(context.Context) error) (stop func()) {
	h.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		h.Do(func() {
			if err := run(ctx); err != nil {
				h.tb.Error(err)
			}
		})
	})
	stop = func() { cancel(); running.Wait() }
	h.tb.Cleanup(stop)
	return stop
}

// Sysctl sets what stands below /proc/sys/net.
func (h *Host) Sysctl(name, value string) {
	h.tb.Helper()
	var err error
	h.Do(func() { err = os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	Must(h.tb, err)
}

// Link returns an interface of the host as it is now.
func (h *Host) Link(name string) netlink.Link {
	h.tb.Helper()
	l, err := h.LinkByName(name)
	Must(h.tb, err)
	return l
}

// Index returns the number of an interface.
func (h *Host) Index(name string) int {
	h.tb.Helper()
	return h.Link(name).Attrs().Index
}

// Up switches an interface on.
func (h *Host) Up(name string) {
	h.tb.Helper()
	Must(h.tb, h.LinkSetUp(h.Link(name)))
}

// Address gives an interface an address that can be used at once.
func (h *Host) Address(name, prefix string) {
	h.tb.Helper()
	a, err := netlink.ParseAddr(prefix)
	Must(h.tb, err)
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	Must(h.tb, h.AddrAdd(h.Link(name), a))
}

// LinkLocal waits until an interface has an IPv6 link-local address that can be
// used, and returns it.
func (h *Host) LinkLocal(name string) netip.Addr {
	h.tb.Helper()
	var out netip.Addr
	Eventually(h.tb, name+" has a link-local address", func() bool {
		addrs, err := h.AddrList(h.Link(name), netlink.FAMILY_V6)
		Must(h.tb, err)
		for _, a := range addrs {
			if a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0 {
				out, _ = netip.AddrFromSlice(a.IP)
				return true
			}
		}
		return false
	})
	return out
}

// patience is for what must happen, on however busy a machine.
const patience = 30 * time.Second

// Eventually waits until what is so, and ends the test if it never is.
func Eventually(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("still not so: %s", what)
		}
	}
}

// Must ends the test if err is not nil.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
