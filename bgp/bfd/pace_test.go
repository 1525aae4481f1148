package bfd

import (
	"testing"
	"time"
)

// TestJitter: each interval is cut by a throw of its own (RFC 5880, 6.8.7).
func TestJitter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		multiplier uint8
		throw      uint32
		want       time.Duration // of one second
	}{
		{2, 0, 1000 * ms},
		{3, 1 << 31, 875 * ms},
		{3, 1<<32 - 1, 750 * ms},
		{1, 0, 900 * ms},
		{1, 1 << 31, 825 * ms},
		{1, 1<<32 - 1, 750 * ms},
	} {
		// The greatest throw falls short of the bound by less than a nanosecond.
		if got := jitter(time.Second, tc.multiplier, tc.throw).Round(time.Microsecond); got != tc.want {
			t.Errorf("multiplier %d, throw %#x: %v, want %v", tc.multiplier, tc.throw, got, tc.want)
		}
	}

	inTime(t, func(tr *trial) {
		tr.dice.then = 1 << 31
		tr.sessions(1, spine)
		tr.until(3 * time.Second)
		tr.wantTimes("Down", 0, 875*ms, 1750*ms, 2625*ms)
	})
}

// TestDetectionTime is the peer's multiplier times the slower of what it may send
// and what we may receive (RFC 5880, 6.8.4).
func TestDetectionTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ours       Profile
		theirs     time.Duration
		multiplier uint8
		want       time.Duration
	}{
		"the same":             {Profile{}, 300 * ms, 3, 900 * ms},
		"their multiplier":     {Profile{DetectMultiplier: 7}, 300 * ms, 2, 600 * ms},
		"they send slower":     {Profile{ReceiveInterval: 50 * ms}, 1000 * ms, 3, 3000 * ms},
		"we receive slower":    {Profile{ReceiveInterval: 400 * ms}, 50 * ms, 5, 2000 * ms},
		"our transmit matters": {Profile{TransmitInterval: 10 * ms}, 100 * ms, 3, 900 * ms}, // not
		"fast":                 {Profile{ReceiveInterval: 10 * ms}, 10 * ms, 3, 30 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				s := spine
				s.Profile = tc.ours
				tr.bringUp(s)
				tr.hear(s, router(Up, 1).but(func(c *control) { c.desiredTx, c.multiplier = tc.theirs, tc.multiplier }))
				if got := tr.status("spine").DetectionTime; got != tc.want {
					tr.Errorf("the detection time is said to be %v", got)
				}
				tr.until(tc.want - time.Nanosecond)
				if got := tr.status("spine").State; got != Up {
					tr.Errorf("%v too early", got)
				}
				tr.until(tc.want)
				if got := tr.status("spine"); got.State != Down || got.Since.Sub(tr.memory.start) != tc.want {
					tr.Errorf("%v since %v", got.State, got.Since.Sub(tr.memory.start))
				}
			})
		})
	}
}

// TestProfileChanges: what is announced by Poll, and from when it is in force
// (RFC 5880, 6.8.3).
func TestProfileChanges(t *testing.T) {
	t.Parallel()
	change := func(tr *trial, p Profile) {
		s := spine
		s.Profile = p
		tr.sessions(0, s)
	}
	t.Run("sending slower waits for the Final", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			change(tr, Profile{TransmitInterval: 500 * ms})
			tr.until(700 * ms)
			tr.wantTimes("Up P 1->9 tx 500ms rx 300ms", 300*ms, 600*ms)
			tr.hear(spine, router(Up, 1).but(final)) // the next counts from the last
			tr.until(1500 * ms)
			tr.wantTimes("Up 1->9 tx 500ms rx 300ms", 1100*ms)
		})
	})
	t.Run("sending faster does not", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			tr.hear(spine, router(Up, 1).but(func(c *control) { c.requiredRx = 50 * ms }))
			change(tr, Profile{TransmitInterval: 100 * ms})
			tr.until(250 * ms)
			tr.wantTimes("Up P 1->9 tx 100ms rx 300ms", 100*ms, 200*ms)
		})
	})
	t.Run("waiting less waits for the Final", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			fast := router(Up, 1).but(func(c *control) { c.desiredTx = 100 * ms })
			tr.hear(spine, fast)
			change(tr, Profile{ReceiveInterval: 100 * ms})
			tr.until(800 * ms)
			if got := tr.status("spine"); got.State != Up || got.DetectionTime != 900*ms {
				tr.Errorf("%v, detection time %v", got.State, got.DetectionTime)
			}
			tr.hear(spine, fast.but(final))
			if got := tr.status("spine"); got.State != Up || got.DetectionTime != 300*ms {
				tr.Errorf("%v, detection time %v", got.State, got.DetectionTime)
			}
		})
	})
	t.Run("waiting longer does not", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			change(tr, Profile{ReceiveInterval: 2 * time.Second})
			if got := tr.status("spine").DetectionTime; got != 6*time.Second {
				tr.Errorf("detection time %v", got)
			}
		})
	})
	t.Run("a change during a Poll Sequence has a sequence of its own", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			change(tr, Profile{TransmitInterval: 500 * ms})
			tr.until(350 * ms)
			change(tr, Profile{TransmitInterval: 700 * ms})
			tr.hear(spine, router(Up, 1).but(final)) // which may have confirmed 500 ms
			tr.until(650 * ms)
			tr.memory.take()
			tr.hear(spine, router(Up, 1).but(final))
			tr.until(1400 * ms)
			tr.wantTimes("Up 1->9 tx 700ms", 1300*ms)
		})
	})
	t.Run("the multiplier needs no Poll", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			change(tr, Profile{DetectMultiplier: 9})
			tr.until(400 * ms)
			tr.wantSent(sent{300 * ms, toSpine, "Up 1->9 tx 300ms rx 300ms x9"})
		})
	})
	t.Run("not while down", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.sessions(1, spine)
			change(tr, Profile{TransmitInterval: 2 * time.Second, ReceiveInterval: 100 * ms})
			tr.until(2500 * ms)
			tr.wantSent(
				sent{0, toSpine, "Down 1->0 tx 1s rx 300ms x3"},
				sent{2000 * ms, toSpine, "Down 1->0 tx 2s rx 100ms x3"})
		})
	})
}

// TestPeerSetsThePace: what the peer asks for is honoured at once (RFC 5880,
// 6.8.3, 6.8.7).
func TestPeerSetsThePace(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		slow := router(Up, 1).but(func(c *control) { c.requiredRx = 2 * time.Second })
		fast := router(Up, 1).but(func(c *control) { c.requiredRx = 400 * ms })
		never := router(Up, 1).but(func(c *control) { c.requiredRx = 0 })
		slow.desiredTx, fast.desiredTx, never.desiredTx = 5*time.Second, 5*time.Second, 5*time.Second
		tr.hear(spine, slow)
		tr.until(2100 * ms)
		tr.wantTimes("Up", 2000*ms)
		tr.until(2500 * ms)
		tr.hear(spine, fast) // so that the next is overdue
		tr.until(3000 * ms)
		tr.wantTimes("Up", 2500*ms, 2900*ms)
		tr.hear(spine, never)
		tr.until(8 * time.Second)
		tr.wantTimes("")
		tr.hear(spine, never.but(polling)) // is answered nevertheless
		tr.wantTimes("Up F", 8*time.Second)
	})
}

// TestDemand: a peer in Demand mode hears nothing while both ends are up, except
// Poll Sequences (RFC 5880, 6.6).
func TestDemand(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		demand := router(Up, 1).but(func(c *control) { c.demand, c.desiredTx = true, 5*time.Second })
		tr.hear(spine, demand)
		tr.until(3 * time.Second)
		tr.wantTimes("")

		s := spine
		s.Profile.TransmitInterval = 400 * ms
		tr.sessions(0, s)
		tr.hear(spine, demand)
		tr.until(3700 * ms)
		tr.wantTimes("Up P 1->9 tx 400ms", 3000*ms, 3300*ms, 3600*ms)
		tr.hear(spine, demand.but(final))
		tr.until(5 * time.Second)
		tr.wantTimes("")

		tr.hear(spine, demand.but(func(c *control) { c.demand = false }))
		tr.until(5500 * ms)
		tr.wantTimes("Up 1->9", 5000*ms, 5400*ms)
	})
}

// TestPassive: nothing is sent before the peer has (RFC 5880, 6.1).
func TestPassive(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		s := spine
		s.Profile.Passive = true
		tr.sessions(1, s)
		tr.until(time.Minute)
		tr.wantTimes("")
		tr.hear(s, router(Down, 0))
		tr.wantTimes("Init 1->9", time.Minute)
		tr.until(time.Minute + 2500*ms)
		tr.memory.take()
		tr.until(2 * time.Minute) // the peer is gone again, since 900 ms after its packet
		tr.wantTimes("")
		if got := tr.status("spine"); got.State != Down || got.Failures != 0 {
			tr.Errorf("%v, %d failures", got.State, got.Failures)
		}
	})
}
