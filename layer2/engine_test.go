package layer2

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// TestTakeover pins the frames of a takeover and their times (P3, P8).
func TestTakeover(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4)})
		time.Sleep(time.Minute)
		var want []sent
		for _, at := range []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3000 * ms, 5000 * ms} {
			want = append(want,
				sent{at, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01"},
				sent{at, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01, as reply"})
		}
		tr.wantSent(want...)
		if got := tr.Status().Addresses[0].Gratuitous; got != 14 {
			tr.Errorf("counted %d gratuitous frames", got)
		}

		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6)})
		time.Sleep(time.Minute)
		want = nil
		for _, at := range []time.Duration{0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3000 * ms, 5000 * ms} {
			want = append(want, sent{time.Minute + at, "eth0", "announce 2001:db8::80 at 02:00:00:00:00:01"})
		}
		tr.wantSent(want...)
	})
}

// TestAnnounceTriggers: what makes an engine announce again, and what does not.
func TestAnnounceTriggers(t *testing.T) {
	t.Parallel()
	other := netip.MustParseAddr("192.0.2.99")
	base := Config{Interfaces: []Interface{link("eth0", 2), link("eth1", 3)}, Announcements: []Announcement{
		{Addr: owned4, Interfaces: []string{"eth0", "eth1"}},
	}}
	but := func(f func(c *Config)) Config {
		c := Config{Interfaces: slices.Clone(base.Interfaces), Announcements: slices.Clone(base.Announcements)}
		f(&c)
		return c
	}
	for name, tc := range map[string]struct {
		set  Config
		want []string // link and words of what is announced for the first time, sorted
	}{
		"the same again": {set: base},
		"another address": {
			set: but(func(c *Config) {
				c.Announcements = append(c.Announcements, Announcement{Addr: other, Interfaces: []string{"eth0"}})
			}),
			want: []string{"eth0 announce 192.0.2.99 at 02:00:00:00:00:01"},
		},
		"another interface": {
			set:  but(func(c *Config) { c.Interfaces = append(c.Interfaces, link("eth2", 4)) }),
			want: nil,
		},
		"another interface to announce on": {
			set: but(func(c *Config) {
				c.Interfaces = append(c.Interfaces, link("eth2", 4))
				c.Announcements[0].Interfaces = []string{"eth0", "eth1", "eth2"}
			}),
			want: []string{"eth2 announce 192.0.2.80 at 02:00:00:00:00:01"},
		},
		"one interface less": {
			set: but(func(c *Config) { c.Announcements[0].Interfaces = []string{"eth0"} }),
		},
		"the other protocol off": {
			set: but(func(c *Config) { c.Interfaces[0].NDP = false }),
		},
		"another MAC": {
			set:  but(func(c *Config) { c.Interfaces[0].MAC = MAC{2, 0, 0, 0, 0, 2} }),
			want: []string{"eth0 announce 192.0.2.80 at 02:00:00:00:00:02"},
		},
		"another index": {
			set:  but(func(c *Config) { c.Interfaces[1].Index = 30 }),
			want: []string{"eth1 announce 192.0.2.80 at 02:00:00:00:00:01"},
		},
		"renamed": {
			set: but(func(c *Config) {
				c.Interfaces[1] = link("lan1", 3)
				c.Announcements[0].Interfaces = []string{"eth0", "lan1"}
			}),
			want: []string{"lan1 announce 192.0.2.80 at 02:00:00:00:00:01"},
		},
		"withdrawn": {set: Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.Set(base)
				time.Sleep(time.Minute)
				tr.memory.take()
				tr.Set(tc.set)
				time.Sleep(50 * ms) // before any repeat
				var got []string
				for _, s := range tr.memory.take() {
					if !strings.HasSuffix(s.What, "as reply") {
						got = append(got, s.Link+" "+s.What)
					}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					tr.Error(diff)
				}
			})
		})
	}
}

// TestCarrierReturns: a link that goes and comes back is announced on again.
func TestCarrierReturns(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		up := Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned6)}
		down := Config{Announcements: onEth0(owned6)}
		tr.Set(up)
		time.Sleep(50 * ms)
		tr.Set(down)
		time.Sleep(time.Second)
		tr.Set(up)
		time.Sleep(50 * ms)
		tr.wantSent(
			sent{0, "eth0", "announce 2001:db8::80 at 02:00:00:00:00:01"},
			sent{1050 * ms, "eth0", "announce 2001:db8::80 at 02:00:00:00:00:01"})
		if got := tr.memory.groups("eth0"); len(got) != 1 {
			tr.Errorf("groups %v", got)
		}
	})
}

// TestAnswersWhereTold: only on the links of the announcement, only while owned.
func TestAnswersWhereTold(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		links := []Interface{link("eth0", 2), link("eth1", 3)}
		tr.Set(Config{Interfaces: links, Announcements: onEth0(owned4, owned6)})
		time.Sleep(time.Minute)
		tr.memory.take()

		ask := func() {
			for _, link := range []string{"eth0", "eth1"} {
				tr.memory.hear(link, ARP, frame(tr, arpRequestHex))
				tr.memory.hear(link, NDP, solicitation().append(nil))
			}
		}
		ask()
		tr.wantSent(
			sent{time.Minute, "eth0", "tell 192.0.2.9: 192.0.2.80 at 02:00:00:00:00:01"},
			sent{time.Minute, "eth0", "tell 2001:db8::9: 2001:db8::80 at 02:00:00:00:00:01"})

		tr.memory.set(func() { tr.memory.refuseWrite = syscall.ENOBUFS })
		ask()
		want := Status{
			Interfaces: []InterfaceStatus{
				{Name: "eth0", ARP: PortStatus{Open: true}, NDP: PortStatus{Open: true}},
				{Name: "eth1", ARP: PortStatus{Open: true}, NDP: PortStatus{Open: true}},
			},
			Addresses: []AddressStatus{
				{Addr: owned4, Interfaces: []string{"eth0"}, Since: tr.memory.start, Requests: 2, Responses: 1, Gratuitous: 14},
				{Addr: owned6, Interfaces: []string{"eth0"}, Since: tr.memory.start, Requests: 2, Responses: 1, Gratuitous: 7},
			},
		}
		if diff := cmp.Diff(want, tr.Status(), sameAddr); diff != "" {
			tr.Error(diff)
		}
		if got := tr.Exceptions().Addresses; len(got) != 0 || !tr.Undisputed(owned4) {
			tr.Errorf("all is calm, but for %+v", got)
		}

		// Withdrawn: silent when nobody has taken over, groups left, nothing said.
		tr.memory.set(func() { tr.memory.refuseWrite = nil })
		tr.Set(Config{Interfaces: links})
		time.Sleep(defaultYieldTime)
		synctest.Wait()
		ask()
		time.Sleep(time.Minute)
		tr.wantSent()
		if got := tr.memory.groups("eth0"); len(got) != 0 {
			tr.Errorf("still in %v", got)
		}
	})
}

// TestWithdrawStopsRepeats: a repeat planned is no reason to speak.
func TestWithdrawStopsRepeats(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		links := []Interface{link("eth0", 2)}
		tr.Set(Config{Interfaces: links, Announcements: onEth0(owned6)})
		time.Sleep(50 * ms)
		tr.memory.take()
		tr.Set(Config{Interfaces: links})
		time.Sleep(time.Minute)
		tr.wantSent()
	})
}

// TestRefusedAnnouncement: the schedule is its own second try.
func TestRefusedAnnouncement(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.set(func() { tr.memory.refuseWrite = syscall.ENOBUFS })
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned6)})
		time.Sleep(200 * ms)
		tr.memory.set(func() { tr.memory.refuseWrite = nil })
		time.Sleep(200 * ms)
		tr.wantSent(sent{300 * ms, "eth0", "announce 2001:db8::80 at 02:00:00:00:00:01"})
		if got := tr.Status().Addresses[0].Gratuitous; got != 1 {
			tr.Errorf("counted %d frames", got)
		}
	})
}

// TestGroups: addresses share a group, and the group stays with the last.
func TestGroups(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		one := netip.MustParseAddr("2001:db8::aa:1")
		two := netip.MustParseAddr("2001:db8:1::aa:1")
		group, eighty := solicitedNode(one), solicitedNode(owned6)
		links := []Interface{link("eth0", 2)}
		for _, step := range []struct {
			addrs []netip.Addr
			want  []netip.Addr
		}{
			{[]netip.Addr{one}, []netip.Addr{group}},
			{[]netip.Addr{owned6, one, two}, []netip.Addr{eighty, group}},
			{[]netip.Addr{owned4, owned6, two}, []netip.Addr{eighty, group}},
			{[]netip.Addr{owned6}, []netip.Addr{eighty}},
			{nil, nil},
		} {
			tr.Set(Config{Interfaces: links, Announcements: onEth0(step.addrs...)})
			time.Sleep(defaultYieldTime)
			if diff := cmp.Diff(step.want, tr.memory.groups("eth0"), sameAddr); diff != "" {
				tr.Errorf("%v: %s", step.addrs, diff)
			}
		}
	})
}

// TestOpenFails: one link that cannot be opened is reported, tried again with
// patience, logged once, and nobody else's trouble (P6, P7).
func TestOpenFails(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.set(func() { tr.memory.refuseOpen, tr.memory.refuseOnly = syscall.EPERM, "eth1" })
		eth1 := Interface{Name: "eth1", Index: 3, MAC: ours, ARP: true}
		c := Config{Interfaces: []Interface{link("eth0", 2), eth1}, Announcements: []Announcement{
			{Addr: owned4, Interfaces: []string{"eth0", "eth1"}},
		}}
		tr.Set(c)
		<-tr.Changed()
		want := []InterfaceStatus{
			{Name: "eth0", ARP: PortStatus{Open: true}, NDP: PortStatus{Open: true}},
			{Name: "eth1", ARP: PortStatus{Error: "layer2: failed to open ARP socket on eth1: operation not permitted"}},
		}
		got := tr.Status()
		if diff := cmp.Diff(want, got.Interfaces); diff != "" {
			tr.Error(diff)
		}
		if diff := cmp.Diff([]string{"eth0"}, got.Addresses[0].Interfaces); diff != "" {
			tr.Error(diff)
		}

		// Tries at 0, 0.1, 0.3, 0.7, 1.5 s, then every second.
		tr.memory.set(func() { tr.memory.opens = 0 })
		time.Sleep(3 * time.Second)
		if got := tr.memory.tries(); got != 5 {
			tr.Errorf("%d more tries in 3 s", got)
		}
		time.Sleep(100 * time.Second)
		if got := tr.memory.tries(); got != 105 {
			tr.Errorf("%d more tries in 103 s", got)
		}
		if got := strings.Count(tr.log.take(), "level=WARN"); got != 1 {
			tr.Errorf("%d warnings", got)
		}

		// A Set that is about something else does not hurry; one that changes the
		// interface does.
		c.Announcements = nil
		tr.Set(c)
		if tr.memory.tries() != 105 {
			tr.Error("tried again without reason")
		}
		tr.memory.set(func() { tr.memory.refuseOpen = nil })
		eth1.Index = 4
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2), eth1}, Announcements: []Announcement{
			{Addr: owned4, Interfaces: []string{"eth1"}},
		}})
		synctest.Wait()
		if diff := cmp.Diff(PortStatus{Open: true}, tr.Status().Interfaces[1].ARP); diff != "" {
			tr.Error(diff)
		}
	})
}

// TestLinkWithoutMAC: what cannot be told where to send is not answered.
func TestLinkWithoutMAC(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.Set(Config{Interfaces: []Interface{{Name: "tun0", Index: 2, ARP: true}}})
		synctest.Wait()
		want := PortStatus{Error: "layer2: failed to open ARP socket on tun0: the interface has no hardware address"}
		if diff := cmp.Diff(want, tr.Status().Interfaces[0].ARP); diff != "" {
			tr.Error(diff)
		}
	})
}

// TestLinkDies: a socket that fails is closed, opened again, and announced on.
func TestLinkDies(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		eth0 := Interface{Name: "eth0", Index: 2, MAC: ours, NDP: true}
		tr.Set(Config{Interfaces: []Interface{eth0}, Announcements: onEth0(owned6)})
		time.Sleep(time.Minute)
		tr.memory.take()
		tr.log.take()
		tr.memory.set(func() { tr.memory.refuseOpen = syscall.ENETDOWN })
		tr.memory.conn("eth0", NDP).broken <- syscall.ENETDOWN
		synctest.Wait()
		want := PortStatus{Error: "layer2: failed to read from NDP socket on eth0: network is down"}
		if diff := cmp.Diff(want, tr.Status().Interfaces[0].NDP); diff != "" {
			tr.Error(diff)
		}
		time.Sleep(150 * ms)
		tr.memory.set(func() { tr.memory.refuseOpen = nil })
		time.Sleep(200 * ms)
		tr.wantSent(sent{time.Minute + 300*ms, "eth0", "announce 2001:db8::80 at 02:00:00:00:00:01"})
		wantLog := `level=WARN msg="failed to answer on interface" interface=eth0 protocol=NDP error="layer2: failed to read from NDP socket on eth0: network is down"
level=WARN msg="failed to answer on interface" interface=eth0 protocol=NDP error="layer2: failed to open NDP socket on eth0: network is down"
level=INFO msg="answering on interface" interface=eth0 protocol=NDP mac=02:00:00:00:00:01
`
		if diff := cmp.Diff(wantLog, tr.log.take()); diff != "" {
			tr.Error(diff)
		}
	})
}

// TestJoinFails: a port without its groups answers what it hears, says what is
// missing, and tries again.
func TestJoinFails(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.set(func() { tr.memory.refuseJoin = syscall.ENOMEM })
		eth0 := Interface{Name: "eth0", Index: 2, MAC: ours, NDP: true}
		tr.Set(Config{Interfaces: []Interface{eth0}, Announcements: onEth0(owned6)})
		synctest.Wait()
		want := PortStatus{Open: true, Error: "layer2: failed to join multicast group ff02::1:ff00:80 on eth0: cannot allocate memory"}
		if diff := cmp.Diff(want, tr.Status().Interfaces[0].NDP); diff != "" {
			tr.Error(diff)
		}
		time.Sleep(150 * ms)
		tr.memory.set(func() { tr.memory.refuseJoin = nil })
		time.Sleep(200 * ms)
		if diff := cmp.Diff(PortStatus{Open: true}, tr.Status().Interfaces[0].NDP); diff != "" {
			tr.Error(diff)
		}
		if got := tr.memory.groups("eth0"); len(got) != 1 {
			tr.Errorf("groups %v", got)
		}
	})
}

// TestHears: a port hears of everything while its addresses change, and then of
// them alone: of those to speak for, and of those watched.
func TestHears(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		hears := func(want ...netip.Addr) {
			tr.Helper()
			if diff := cmp.Diff(want, tr.memory.heed("eth0", ARP), sameAddr); diff != "" {
				tr.Error(diff)
			}
		}
		config := Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6)}
		tr.Set(config)
		hears()
		time.Sleep(time.Second)
		hears(owned4)
		config.Watched = onEth0(foreign4)
		tr.Set(config)
		hears()
		time.Sleep(900 * ms)
		config.Announcements = onEth0(owned6)
		tr.Set(config)
		time.Sleep(999 * ms) // owned4 is answered for a second more, of which 1 ms is left
		hears()
		time.Sleep(2 * time.Second)
		hears(foreign4)

		tr.memory.set(func() { tr.memory.refuseHeed = errors.New("no memory") })
		tr.Set(Config{Interfaces: config.Interfaces, Announcements: onEth0(owned4)})
		synctest.Wait()
		want := PortStatus{Error: "layer2: failed to filter on ARP socket on eth0: no memory"}
		if diff := cmp.Diff(want, tr.Status().Interfaces[0].ARP); diff != "" {
			tr.Error(diff)
		}
		time.Sleep(5 * time.Second) // opened again, it hears of everything
		hears()
		if diff := cmp.Diff(PortStatus{Open: true}, tr.Status().Interfaces[0].ARP); diff != "" {
			tr.Error(diff)
		}
	})
}

// TestThousandAddresses: a node that takes over 1,000 addresses has announced
// each within 100 ms, then keeps to 200 repeats per second, every address among
// them within 5 s.
func TestThousandAddresses(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		var addrs []netip.Addr
		for i := range 1000 {
			addrs = append(addrs, netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i >> 8), 15: byte(i)}))
		}
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(addrs...)})

		time.Sleep(100*ms - 1)
		if firsts := tr.memory.take(); len(distinct(firsts)) != 1000 || len(firsts) != 1000 {
			tr.Errorf("%d frames for %d addresses in 100 ms", len(firsts), len(distinct(firsts)))
		}
		time.Sleep(5 * time.Second)
		repeats := tr.memory.take()
		if len(distinct(repeats)) != 1000 {
			tr.Errorf("%d addresses repeated in 5 s", len(distinct(repeats)))
		}
		for i := repeatBurst; i < len(repeats); i++ {
			if took := repeats[i].At - repeats[i-repeatBurst].At; took < 100*ms {
				tr.Fatalf("the %d repeats before number %d take %v", repeatBurst, i, took)
			}
		}
		time.Sleep(time.Minute)
		tr.memory.take()
		time.Sleep(time.Hour)
		tr.wantSent()
		if got := len(tr.memory.groups("eth0")); got != 1000 {
			tr.Errorf("%d groups", got)
		}
	})
}

func distinct(frames []sent) map[string]bool {
	out := make(map[string]bool)
	for _, s := range frames {
		out[s.What] = true
	}
	return out
}

// TestCloseIsComplete: nothing is left of a hundred lives of an interface, nor of
// an engine after Run, and nothing is said on leaving.
func TestCloseIsComplete(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		for i := range 100 {
			tr.Set(Config{Interfaces: []Interface{link("eth0", i+1), link("eth1", i+1)}, Announcements: onEth0(owned4, owned6)})
			if got := tr.memory.stillOpen(); got != 6 { // ARP, NDP and groups of two links
				tr.Fatalf("%d open", got)
			}
		}
		tr.memory.take()
		tr.stop()
		tr.wantSent()
		if diff := cmp.Diff(Status{Interfaces: []InterfaceStatus{}}, tr.Status()); diff != "" {
			tr.Error(diff)
		}
		if err := tr.Engine.Run(tr.Context()); err == nil {
			tr.Error("ran twice")
		}
	})
}

// TestSetBeforeRun: the order waits, and only the last counts.
func TestSetBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		e, err := New(Options{Wire: m})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			e.Set(Config{Interfaces: []Interface{link(fmt.Sprintf("eth%d", i), 2)}})
		}
		time.Sleep(time.Second)
		if m.tries() != 0 {
			t.Error("New or Set opened a socket")
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = e.Run(ctx) }()
		synctest.Wait()
		if m.tries() != 2 || m.conn("eth9", ARP) == nil {
			t.Errorf("%d opened: %v", m.tries(), m.conns)
		}
		cancel()
		synctest.Wait()
	})
}

func TestNewWithoutWire(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || !strings.HasPrefix(err.Error(), "layer2: ") {
		t.Errorf("error %v", err)
	}
}
