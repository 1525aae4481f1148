package layer2

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// play runs g until it has nothing more to do and returns what it announced,
// by the time since begin. Each act happens at its time.
func play(g *gratuitous, begin time.Time, acts map[time.Duration]func()) map[onLink][]time.Duration {
	out := make(map[onLink][]time.Duration)
	for at := time.Duration(0); at <= time.Minute; at += time.Millisecond {
		if act := acts[at]; act != nil {
			act()
		}
		now := begin.Add(at)
		for next, ok := g.wake(); ok && !next.After(now); next, ok = g.wake() {
			announced, _ := g.take(now)
			for _, what := range announced {
				out[what] = append(out[what], at)
			}
		}
	}
	return out
}

func TestGratuitous(t *testing.T) {
	t.Parallel()
	a := onLink{Addr: owned4, Link: "eth0"}
	b := onLink{Addr: owned4, Link: "eth1"}
	c := onLink{Addr: owned6, Link: "eth0"}
	for name, tc := range map[string]struct {
		acts func(g *gratuitous) map[time.Duration]func()
		want map[onLink][]time.Duration
	}{
		"one": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a) }}
			},
			map[onLink][]time.Duration{a: {0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3000 * ms, 5000 * ms}},
		},
		"two at once: repeats are 5 ms apart": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a) }, 2 * ms: func() { g.start(b) }}
			},
			map[onLink][]time.Duration{
				a: {0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3000 * ms, 5000 * ms},
				b: {2 * ms, 105 * ms, 305 * ms, 705 * ms, 1505 * ms, 3005 * ms, 5005 * ms},
			},
		},
		"a first waits for no repeat": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a) }, 100 * ms: func() { g.start(c) }}
			},
			map[onLink][]time.Duration{
				a: {0, 100 * ms, 300 * ms, 700 * ms, 1500 * ms, 3000 * ms, 5000 * ms},
				c: {100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3100 * ms, 5100 * ms},
			},
		},
		"cancelled": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a) }, 200 * ms: func() { g.cancel(a) }}
			},
			map[onLink][]time.Duration{a: {0, 100 * ms}},
		},
		"cancelled before the first": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a); g.start(b); g.cancel(a) }, ms: func() { g.cancel(b) }}
			},
			map[onLink][]time.Duration{b: {0}},
		},
		"started anew": {
			func(g *gratuitous) map[time.Duration]func() {
				return map[time.Duration]func(){0: func() { g.start(a) }, 200 * ms: func() { g.start(a) }}
			},
			map[onLink][]time.Duration{
				a: {0, 100 * ms, 200 * ms, 300 * ms, 500 * ms, 900 * ms, 1700 * ms, 3200 * ms, 5200 * ms},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var g gratuitous
			got := play(&g, time.Unix(0, 0), tc.acts(&g))
			if diff := cmp.Diff(tc.want, got, sameAddr); diff != "" {
				t.Error(diff)
			}
			if len(g.jobs)+len(g.firsts)+len(g.repeats) != 0 {
				t.Errorf("left over: %d jobs, %d firsts, %d repeats", len(g.jobs), len(g.firsts), len(g.repeats))
			}
		})
	}
}

// TestGratuitousMerges: with more addresses than the limit serves in time, every
// address is repeated before any is repeated often, and it comes to an end.
func TestGratuitousMerges(t *testing.T) {
	t.Parallel()
	const n = 2000
	var g gratuitous
	for i := range n {
		g.start(onLink{Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})})
	}
	got := play(&g, time.Unix(0, 0), nil)
	if len(got) != n {
		t.Fatalf("%d announced", len(got))
	}
	total := 0
	for what, at := range got {
		total += len(at)
		// 2,000 addresses at 200/s: the last has its second frame after 10 s.
		if at[0] > 100*ms || len(at) < 2 || at[1] > 11*time.Second {
			t.Fatalf("%v announced at %v", what.Addr, at)
		}
	}
	if total > 3*n {
		t.Errorf("%d frames for %d addresses: repeats that came late were not merged", total, n)
	}
}

// TestRefreshesGoTogether: what is announced while nothing happens costs by the
// time that it takes to wake up. No address is forgotten over it, or hurried.
func TestRefreshesGoTogether(t *testing.T) {
	t.Parallel()
	const n = 1000
	g := gratuitous{refresh: time.Minute}
	begin := time.Unix(0, 0)
	last := map[onLink]time.Time{}
	wakes := 0
	for at := time.Duration(0); at <= 4*time.Minute; at += 5 * ms {
		if i := at / (20 * ms); i < n && at%(20*ms) == 0 { // over 20 s
			g.start(onLink{Addr: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})})
		}
		now := begin.Add(at)
		if next, ok := g.wake(); !ok || next.After(now) {
			continue
		}
		calm := at > 3*time.Minute
		if calm {
			wakes++
		}
		announced, refreshed := g.take(now)
		if calm && len(announced) > 0 {
			t.Fatalf("%v announced as if they were news", announced)
		}
		for _, what := range slices.Concat(announced, refreshed) {
			since := now.Sub(last[what])
			if calm && (since < time.Minute-refreshSlack || since > time.Minute+refreshSlack) {
				t.Fatalf("%v announced after %v, want after a minute", what.Addr, since)
			}
			last[what] = now
		}
	}
	for what, at := range last {
		if begin.Add(4*time.Minute).Sub(at) > time.Minute+refreshSlack {
			t.Fatalf("%v was last announced after %v", what.Addr, at.Sub(begin))
		}
	}
	if len(last) != n || wakes > n/repeatBurst+60 {
		t.Errorf("woke up %d times in a minute for %d of %d addresses", wakes, len(last), n)
	}
}
