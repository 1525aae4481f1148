package layer2

import (
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	elder   = MAC{2, 0, 0, 0, 0, 0x0e} // a speaker that ranks before us
	younger = MAC{2, 0, 0, 0, 0, 0x0f} // one that ranks after us
)

// TestStanding is the whole rule of who stands back.
func TestStanding(t *testing.T) {
	t.Parallel()
	probe := question{Addr: owned4, Asker: station{netip.IPv4Unspecified(), client}}
	ask := question{Addr: owned4, Asker: station{clientIP, client}}
	for _, tt := range []struct {
		is                       standing
		answers, answersProbe    bool
		stranger, follow, leader standing // after a claim by one of them
	}{
		{answering, true, true, answering, answering, conceded},
		{checking, false, false, checking, checking, conceded},
		{proving, false, false, occupied, proving, conceded},
		{occupied, false, false, occupied, occupied, occupied},
		{conceded, false, false, conceded, conceded, conceded},
		{yielding, true, false, yielded, yielded, yielded},
		{yielded, false, false, yielded, yielded, yielded},
		{watching, false, false, watching, watching, watching},
	} {
		got := []any{tt.is.answers(ask), tt.is.answers(probe), tt.is.after(byStranger), tt.is.after(byFollower), tt.is.after(byLeader)}
		want := []any{tt.answers, tt.answersProbe, tt.stranger, tt.follow, tt.leader}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("standing %d: %s", tt.is, diff)
		}
	}
}

// contestTrial owns owned4 and owned6 on eth0 after elder, and has announced them.
func contestTrial(t *testing.T, before []MAC, f func(tr *trial)) {
	t.Helper()
	inTime(t, func(tr *trial) {
		c := Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6), Speakers: []MAC{elder, younger}}
		for i := range c.Announcements {
			c.Announcements[i].Before = before
		}
		tr.Set(c)
		time.Sleep(time.Minute)
		tr.memory.take()
		tr.log.take()
		f(tr)
	})
}

// claim is how mac announces the addresses.
func (tr *trial) claim(mac MAC) {
	tr.memory.hear("eth0", ARP, arpGratuitous(owned4, mac)[0].append(nil))
	tr.memory.hear("eth0", NDP, ndpGratuitous(owned6, mac).append(nil))
}

// asked asks for both addresses and returns how many answers there were.
func (tr *trial) asked() int {
	tr.memory.take()
	tr.memory.hear("eth0", ARP, frame(tr, arpRequestHex))
	tr.memory.hear("eth0", NDP, solicitation().append(nil))
	return len(tr.memory.take())
}

// TestTakeoverAsksFirst: a takeover from a speaker that would be the owner if it
// lived waits for its answer.
func TestTakeoverAsksFirst(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		c := Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6)}
		for i := range c.Announcements {
			c.Announcements[i].Before = []MAC{elder}
		}
		tr.Set(c)
		asked := tr.memory.take()
		slices.SortFunc(asked, func(a, b sent) int { return strings.Compare(a.What, b.What) })
		if diff := cmp.Diff([]sent{{0, "eth0", "ask 192.0.2.80"}, {0, "eth0", "ask 2001:db8::80"}}, asked); diff != "" {
			tr.Error(diff)
		}
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers before anybody could object", n)
		}
		// The one for IPv6 still answers.
		tr.memory.hear("eth0", NDP, ndpGratuitous(owned6, elder).append(nil))
		time.Sleep(50 * ms)
		tr.wantSent(
			sent{20 * ms, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01"},
			sent{20 * ms, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01, as reply"})
		if n := tr.asked(); n != 1 {
			tr.Errorf("%d answers, want that for IPv4", n)
		}
	})
}

// TestStandsBack: a speaker that ranks before us and claims the address is
// right, until it falls silent.
func TestStandsBack(t *testing.T) {
	t.Parallel()
	contestTrial(t, []MAC{elder}, func(tr *trial) {
		tr.claim(elder)
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers", n)
		}
		if diff := cmp.Diff(tr.Status(), tr.Exceptions(), sameAddr); diff != "" {
			tr.Errorf("not all that is silent is an exception (-status +exceptions):\n%s", diff)
		}
		for _, a := range tr.Status().Addresses {
			if !a.Conceded || len(a.Interfaces) > 0 {
				tr.Errorf("%+v", a)
			}
		}
		if text := tr.log.take(); strings.Count(text, "standing back") != 2 {
			tr.Errorf("log: %s", text)
		}
		// It answers when asked: so it goes on.
		for range 10 {
			time.Sleep(time.Second)
			tr.claim(elder)
			tr.memory.take()
		}
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers", n)
		}
		time.Sleep(4 * time.Second)
		if n := tr.asked(); n != 2 {
			tr.Errorf("%d answers after it fell silent", n)
		}
	})
}

// TestDefends: others that claim the address are told once more, at a limited
// rate; strangers are reported.
func TestDefends(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		mac      MAC
		times    int // defences of each address in 20 s of a claim every second
		conflict bool
	}{
		"a speaker that ranks after us": {younger, 20, false},
		"a stranger":                    {stranger, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contestTrial(t, []MAC{elder}, func(tr *trial) {
				for range 20 {
					tr.claim(tc.mac)
					time.Sleep(time.Second)
				}
				if got := len(tr.memory.take()); got != 3*tc.times {
					tr.Errorf("%d frames, want %d", got, 3*tc.times)
				}
				if n := tr.asked(); n != 2 {
					tr.Errorf("%d answers", n)
				}
				conflict := tr.Status().Addresses[0].Conflict
				if listed := len(tr.Exceptions().Addresses) > 0; listed != tc.conflict || tr.Undisputed(owned4) == tc.conflict {
					tr.Errorf("an exception: %v, undisputed: %v", listed, tr.Undisputed(owned4))
				}
				if (conflict != nil) != tc.conflict {
					tr.Fatalf("conflict %+v", conflict)
				}
				if tc.conflict && (conflict.MAC != tc.mac || conflict.Interface != "eth0" || conflict.Times != 20) {
					tr.Errorf("conflict %+v", conflict)
				}
				if said := strings.Count(tr.log.take(), "host outside the cluster"); tc.conflict && said != 2 || !tc.conflict && said != 0 {
					tr.Errorf("said %d times", said)
				}
			})
		})
	}
}

// TestOwnLinks: what one of our links says is heard on the other one, and means
// nothing.
func TestOwnLinks(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		other := link("eth1", 3)
		other.MAC = MAC{2, 0, 0, 0, 0, 0x77}
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2), other}, Announcements: onEth0(owned4)})
		time.Sleep(time.Minute)
		tr.memory.take()
		tr.memory.hear("eth0", ARP, arpGratuitous(owned4, other.MAC)[0].append(nil))
		tr.wantSent()
	})
}

// TestYields: an address that becomes another's is answered until that one has
// announced it, or a second has passed. Whoever checks whether it may take over
// finds nobody.
func TestYields(t *testing.T) {
	t.Parallel()
	contestTrial(t, nil, func(tr *trial) {
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0()})
		synctest.Wait()
		if n := tr.asked(); n != 2 {
			tr.Errorf("%d answers while nobody else does", n)
		}
		tr.memory.hear("eth0", ARP, arpProbe(owned4, younger).append(nil))
		tr.memory.hear("eth0", NDP, ndpProbe(owned6, younger).append(nil))
		tr.wantSent()
		tr.memory.hear("eth0", ARP, arpGratuitous(owned4, younger)[0].append(nil))
		if n := tr.asked(); n != 1 {
			tr.Errorf("%d answers after one was announced", n)
		}
		if got := tr.Status().Addresses; len(got) != 0 {
			tr.Errorf("still owns %+v", got)
		}
		time.Sleep(defaultYieldTime)
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers after the yield time", n)
		}
		if got := tr.memory.groups("eth0"); len(got) != 0 {
			tr.Errorf("still in %v", got)
		}
	})
}

// TestYieldsAtOnce: if the new owner was told before the old one, and announced
// the address meanwhile, there is nothing to wait for.
func TestYieldsAtOnce(t *testing.T) {
	t.Parallel()
	contestTrial(t, nil, func(tr *trial) {
		tr.claim(younger) // which was told first that it owns them
		if n := tr.asked(); n != 2 {
			tr.Errorf("%d answers while they are ours", n)
		}
		time.Sleep(defaultYieldTime / 2)
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Speakers: []MAC{elder, younger}})
		synctest.Wait()
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers although their new owner has announced them", n)
		}
	})
}

// TestComesBackWhileYielding: an address that is ours again is announced again.
func TestComesBackWhileYielding(t *testing.T) {
	t.Parallel()
	contestTrial(t, nil, func(tr *trial) {
		links := []Interface{link("eth0", 2)}
		tr.Set(Config{Interfaces: links})
		time.Sleep(100 * ms)
		tr.Set(Config{Interfaces: links, Announcements: onEth0(owned4, owned6)})
		if got := len(tr.memory.take()); got != 3 {
			tr.Errorf("%d frames, want 3", got)
		}
		time.Sleep(time.Minute)
		if n := tr.asked(); n != 2 {
			tr.Errorf("%d answers", n)
		}
	})
}

// TestEndYields: at its end an engine answers until others do.
func TestEndYields(t *testing.T) {
	t.Parallel()
	contestTrial(t, nil, func(tr *trial) {
		began := time.Now()
		go func() {
			time.Sleep(30 * ms)
			select {
			case <-tr.Yielding():
			default:
				tr.Errorf("nobody is told that it yields")
			}
			tr.memory.conn("eth0", ARP).frames <- arpGratuitous(owned4, younger)[0].append(nil)
			tr.memory.conn("eth0", NDP).frames <- ndpGratuitous(owned6, younger).append(nil)
		}()
		tr.stop()
		if took := time.Since(began); took > 40*ms {
			tr.Errorf("it took %v", took)
		}
	})
}

// TestUnfit: a process that may not answer sends nothing, and makes up for it.
func TestUnfit(t *testing.T) {
	t.Parallel()
	var unfit atomic.Bool
	inTimeWith(t, Options{Fit: func() bool { return !unfit.Load() }}, func(tr *trial) {
		unfit.Store(true)
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6)})
		time.Sleep(time.Minute)
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d frames", n)
		}
		unfit.Store(false)
		time.Sleep(50 * ms)
		if got := len(tr.memory.take()); got != 3 {
			tr.Errorf("%d frames, want the announcements", got)
		}
		if n := tr.asked(); n != 2 {
			tr.Errorf("%d answers", n)
		}
	})
}

// TestRefresh: what is owned is announced now and then for ever, in one frame.
func TestRefresh(t *testing.T) {
	t.Parallel()
	inTimeWith(t, Options{Refresh: time.Minute}, func(tr *trial) {
		tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: onEth0(owned4, owned6)})
		time.Sleep(10 * time.Second)
		tr.memory.take()
		time.Sleep(time.Hour)
		if got := len(tr.memory.take()); got != 2*60 {
			tr.Errorf("%d announcements in an hour", got)
		}
	})
}

// TestNewAddress: one that was never used is proved free before it is announced,
// and left alone while a stranger has it.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	for name, occupied := range map[string]bool{"free": false, "occupied": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.Set(Config{Interfaces: []Interface{link("eth0", 2)}, Announcements: []Announcement{
					{Addr: owned4, Interfaces: []string{"eth0"}, New: true},
				}})
				time.Sleep(150 * ms)
				if a := tr.Status().Addresses[0]; !a.Proving || len(a.Interfaces) > 0 {
					tr.Errorf("during the proof: %+v", a)
				}
				if occupied {
					reply := arpPacket{Dst: ours, Src: stranger, Op: arpReply, SHA: stranger, SPA: owned4, THA: ours, TPA: netip.IPv4Unspecified()}
					tr.memory.hear("eth0", ARP, reply.append(nil))
				}
				time.Sleep(200 * ms)
				want := []sent{{0, "eth0", "ask 192.0.2.80"}, {100 * ms, "eth0", "ask 192.0.2.80"}}
				if !occupied {
					want = append(want, sent{200 * ms, "eth0", "ask 192.0.2.80"},
						sent{300 * ms, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01"},
						sent{300 * ms, "eth0", "announce 192.0.2.80 at 02:00:00:00:00:01, as reply"})
				}
				tr.wantSent(want...)
				a := tr.Status().Addresses[0]
				if a.Proving || a.Occupied != occupied || (a.Conflict != nil) != occupied {
					tr.Errorf("%+v", a)
				}
				if !occupied {
					return
				}
				if n := tr.asked(); n != 0 {
					tr.Errorf("%d answers", n)
				}
				time.Sleep(time.Minute) // and it is gone
				if n := tr.asked(); n != 1 {
					tr.Errorf("%d answers when the stranger is gone", n)
				}
				if a := tr.Status().Addresses[0]; a.Occupied || a.Conflict != nil {
					tr.Errorf("%+v", a)
				}
			})
		})
	}
}

// TestWatched: free addresses are asked for, never answered, and what is found
// is reported until it is gone.
func TestWatched(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		c := Config{Interfaces: []Interface{link("eth0", 2)}, Watched: onEth0(owned4, owned6), Speakers: []MAC{elder}}
		tr.Set(c)
		time.Sleep(10 * ms)
		if got := len(tr.memory.take()); got != 1 {
			tr.Errorf("%d questions at once", got)
		}
		time.Sleep(time.Second)
		tr.memory.take()
		tr.claim(elder) // one of us is about to use it: no conflict
		if got := tr.Status(); len(got.Watched) != 0 || len(got.Addresses) != 0 {
			tr.Errorf("%+v", got)
		}
		tr.claim(stranger)
		if got := tr.Status().Watched; len(got) != 2 || got[0].Addr != owned4 || got[0].Conflict.MAC != stranger {
			tr.Errorf("%+v", got)
		}
		if n := tr.asked(); n != 0 {
			tr.Errorf("%d answers", n)
		}
		time.Sleep(5 * time.Minute)
		if got := tr.Status().Watched; len(got) != 0 {
			tr.Errorf("still %+v", got)
		}
		if got := len(tr.memory.take()); got != 10 {
			tr.Errorf("%d questions in five minutes", got)
		}
		// One of them is given to somebody and is announced.
		c.Watched, c.Announcements = onEth0(owned6), onEth0(owned4)
		tr.Set(c)
		if got := len(tr.memory.take()); got != 2 {
			tr.Errorf("%d frames, want the announcement", got)
		}
	})
}
