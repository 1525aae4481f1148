package bfd

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	spine = Session{Name: "spine", Peer: router4}
	far   = Session{Name: "far", Peer: router6, Local: node6, MultiHop: true}
)

const toSpine = "192.0.2.1"

// TestComesUp is the life of a session, packet by packet.
func TestComesUp(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.sessions(1, spine)
		tr.until(1500 * ms)
		tr.wantSent( // once per second while not up (RFC 5880, 6.8.3)
			sent{0, toSpine, "Down 1->0 tx 1s rx 300ms x3"},
			sent{1000 * ms, toSpine, "Down 1->0 tx 1s rx 300ms x3"},
		)
		tr.hear(spine, router(Down, 0)) // a change of state is told at once (6.8.7)
		tr.wantSent(sent{1500 * ms, toSpine, "Init 1->9 tx 1s rx 300ms x3"})
		if got := tr.status("spine").State; got != Init {
			tr.Errorf("the session is %v", got)
		}
		tr.hear(spine, router(Init, 1)) // and the faster rate of a session that is up is announced by Poll
		tr.wantSent(sent{1500 * ms, toSpine, "Up P 1->9 tx 300ms rx 300ms x3"})
		tr.until(1800 * ms)
		tr.hear(spine, router(Up, 1).but(polling)) // answered at once, and not instead of the next by schedule
		tr.hear(spine, router(Up, 1).but(final))
		tr.until(2500 * ms)
		tr.hear(spine, router(Up, 1))
		tr.wantSent(
			sent{1800 * ms, toSpine, "Up P 1->9 tx 300ms rx 300ms x3"},
			sent{1800 * ms, toSpine, "Up F 1->9 tx 300ms rx 300ms x3"},
			sent{2100 * ms, toSpine, "Up 1->9 tx 300ms rx 300ms x3"},
			sent{2400 * ms, toSpine, "Up 1->9 tx 300ms rx 300ms x3"},
		)
		want := SessionStatus{
			Name: "spine", Peer: router4, State: Up, Since: tr.memory.start.Add(1500 * ms), RemoteState: Up,
			TransmitInterval: 300 * ms, ReceiveInterval: 300 * ms, DetectionTime: 900 * ms, RemoteMultiplier: 3,
			Counters: Counters{ControlIn: 5, ControlOut: 8, Ups: 1},
		}
		if diff := cmp.Diff(want, tr.status("spine"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			tr.Error(diff)
		}

		tr.until(3399 * ms) // the last packet came at 2.5 s
		if got := tr.status("spine").State; got != Up {
			tr.Errorf("the session is %v before the detection time has passed", got)
		}
		tr.memory.take()
		tr.until(3400 * ms)
		// The last packet that still knows the peer's discriminator.
		tr.wantSent(sent{3400 * ms, toSpine, "Down 1->9 tx 1s rx 300ms x3 (control detection time expired)"})
		tr.until(4400 * ms)
		tr.wantSent(sent{4400 * ms, toSpine, "Down 1->0 tx 1s rx 300ms x3 (control detection time expired)"})
		got := tr.status("spine")
		want = SessionStatus{
			Name: "spine", Peer: router4, State: Down, Since: tr.memory.start.Add(3400 * ms),
			LocalDiagnostic: DetectionTimeExpired, RemoteState: Down,
			Failures: 1, LastFailure: "control detection time expired",
			Counters: Counters{ControlIn: 5, ControlOut: got.ControlOut, Ups: 1, Downs: 1},
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			tr.Error(diff)
		}
		tr.wantLog("level=INFO msg=\"bfd session is up\" session=spine peer=192.0.2.1\n" +
			"level=WARN msg=\"bfd session has failed\" session=spine peer=192.0.2.1 reason=\"control detection time expired\"\n")
	})
}

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

// TestLeaving: who ends on purpose says so three times, and is not said to have
// failed.
func TestLeaving(t *testing.T) {
	t.Parallel()
	goodbye := func(at time.Duration) []sent {
		const what = "AdminDown 1->9 tx 1s rx 300ms x3 (administratively down)"
		return []sent{{at, toSpine, what}, {at + 30*ms, toSpine, what}, {at + 60*ms, toSpine, what}}
	}
	t.Run("removed", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			tr.until(100 * ms)
			tr.Set(Config{})
			time.Sleep(time.Minute)
			tr.wantSent(goodbye(100 * ms)...)
			tr.wantLog("level=INFO msg=\"bfd session ended\" session=spine peer=192.0.2.1 reason=\"administratively down\"\n")
			if got := tr.Status().Sessions; len(got) != 0 {
				tr.Errorf("still there: %v", got)
			}
		})
	})
	t.Run("at the end of Run", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			tr.until(100 * ms)
			tr.stop()
			if got := time.Since(tr.memory.start); got != 160*ms {
				tr.Errorf("ended at %v", got)
			}
			tr.wantSent(goodbye(100 * ms)...)
		})
	})
	t.Run("nobody to tell", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.sessions(1, spine)
			tr.memory.take()
			tr.stop()
			tr.wantTimes("")
			if got := time.Since(tr.memory.start); got != 0 {
				tr.Errorf("ended at %v", got)
			}
		})
	})
	t.Run("another path under the same name", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			tr.hear(spine, router(Down, 1)) // a failure
			tr.memory.take()
			moved := spine
			moved.Local = node4
			tr.sessions(1, moved)
			tr.wantSent(
				sent{0, toSpine, "Down 2->0 tx 1s rx 300ms x3"},
				sent{0, toSpine, "AdminDown 1->9 tx 1s rx 300ms x3 (administratively down)"})
			if got := tr.status("spine"); got.State != Down || got.Failures != 1 || got.Downs != 0 {
				tr.Errorf("%v, %d failures, %d downs", got.State, got.Failures, got.Downs)
			}
		})
	})
	t.Run("the peer", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			tr.hear(spine, router(AdminDown, 1).but(func(c *control) { c.diag = AdministrativelyDown }))
			got := tr.status("spine")
			if got.State != Down || got.RemoteState != AdminDown || got.Failures != 0 || got.Downs != 1 {
				tr.Errorf("%v, peer %v, %d failures, %d downs", got.State, got.RemoteState, got.Failures, got.Downs)
			}
			tr.wantSent(sent{0, toSpine, "Down 1->9 tx 1s rx 300ms x3 (neighbor signaled session down)"})
			tr.wantLog("level=INFO msg=\"bfd session ended\" session=spine peer=192.0.2.1 " +
				"reason=\"neighbor signaled session down: administratively down\"\n")
		})
	})
}

// TestPeerBlamesUs: a peer that says it is down because this end was, when it
// was not, has not found a path failed.
func TestPeerBlamesUs(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		tr.hear(spine, router(Down, 1).but(func(c *control) { c.diag = NeighborSignaledDown }))
		if got := tr.status("spine"); got.State != Down || got.Failures != 0 || got.Downs != 1 {
			tr.Errorf("%v, %d failures, %d downs", got.State, got.Failures, got.Downs)
		}
		// Now it is down because this end was, and may come back.
		tr.hear(spine, router(Down, 1).but(func(c *control) { c.diag = NeighborSignaledDown }))
		if got := tr.status("spine"); got.State != Init {
			tr.Errorf("%v", got.State)
		}
	})
}

// TestSamePath: two names of one path share a session, which the peer could not
// tell apart; and a session that is renamed stays.
func TestSamePath(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		other := spine
		other.Name, other.Profile = "twin", Profile{DetectMultiplier: 7}
		tr.sessions(0, spine, other)
		got := tr.Status().Sessions
		if len(got) != 2 || got[0].Name != "spine" || got[1].Name != "twin" {
			tr.Fatalf("%+v", got)
		}
		got[1].Name = "spine"
		if diff := cmp.Diff(got[0], got[1], cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			tr.Error(diff)
		}
		tr.sessions(0, other)
		tr.until(350 * ms)
		tr.wantSent(sent{300 * ms, toSpine, "Up 1->9 tx 300ms rx 300ms x7"})
		if got := tr.status("twin"); got.State != Up || got.Downs != 0 {
			tr.Errorf("%v, %d downs", got.State, got.Downs)
		}
		tr.hear(spine, router(Down, 1))
		tr.memory.take()
		tr.Set(Config{})
		tr.wantSent(sent{350 * ms, toSpine, "AdminDown 1->9 tx 1s rx 300ms x7 (administratively down)"})
	})
}

// TestFailureIsNotLost: a session that fails and comes back before anybody looks
// has failed.
func TestFailureIsNotLost(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		<-tr.Changed()
		tr.hear(spine, router(Down, 1).but(func(c *control) { c.diag = DetectionTimeExpired }))
		tr.hear(spine, router(Down, 1))
		tr.hear(spine, router(Init, 1))
		<-tr.Changed()
		got := tr.status("spine")
		if got.State != Up || got.Failures != 1 ||
			got.LastFailure != "neighbor signaled session down: control detection time expired" {
			tr.Errorf("%v, %d failures, %q", got.State, got.Failures, got.LastFailure)
		}
		select {
		case <-tr.Changed():
			tr.Error("changed without a change")
		default:
		}
	})
}

// TestAbsentReader: a process that did not run does not blame its peers for it.
func TestAbsentReader(t *testing.T) {
	t.Parallel()
	t.Run("packets were waiting", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			// They came in time, but nothing has woken the reader.
			tr.until(200 * ms)
			tr.memory.put(portOf(spine), packetOf(spine, router(Up, 1)), false)
			tr.until(899 * ms)
			tr.memory.put(portOf(spine), packetOf(spine, router(Up, 1)), false)
			tr.until(900 * ms)
			if got := tr.status("spine"); got.State != Up || got.ControlIn != 5 {
				tr.Errorf("%v after %d packets", got.State, got.ControlIn)
			}
			tr.until(1800 * ms) // counted from when they were read
			if got := tr.status("spine"); got.State != Down {
				tr.Errorf("%v although the peer is gone", got.State)
			}
		})
	})
	t.Run("among many of others", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			stranger := packetOf(spine, router(Up, 77))
			for range queueLimit - 1 {
				tr.memory.put(portOf(spine), stranger, false)
			}
			tr.memory.put(portOf(spine), packetOf(spine, router(Up, 1)), false)
			tr.until(900 * ms)
			if got := tr.status("spine"); got.State != Up {
				tr.Error(got.State)
			}
		})
	})
	t.Run("nothing was waiting yet", func(t *testing.T) {
		t.Parallel()
		inTime(t, func(tr *trial) {
			tr.bringUp(spine)
			// The packet at 300 ms takes until 5 s to send, as if the host had stood still.
			tr.memory.set(func() { tr.memory.stall = 4700 * ms })
			tr.until(5200 * ms)
			if got := tr.status("spine"); got.State != Up {
				tr.Error("no patience")
			}
			tr.until(5300 * ms) // one interval after coming back
			if got := tr.status("spine"); got.State != Down {
				tr.Errorf("%v although the peer is gone", got.State)
			}
		})
	})
}

// TestDiscards: what is not for a session does nothing, and is counted.
func TestDiscards(t *testing.T) {
	t.Parallel()
	down := router(Down, 0)
	for name, tc := range map[string]struct {
		of     Session
		change func(p *Packet)
		want   Discards
	}{
		"good":                   {spine, func(*Packet) {}, Discards{}},
		"good, far":              {far, func(p *Packet) { p.TTL = 254 }, Discards{}},
		"forwarded":              {spine, func(p *Packet) { p.TTL = 254 }, Discards{TooFar: 1}},
		"too far":                {far, func(p *Packet) { p.TTL = 253 }, Discards{TooFar: 1}},
		"malformed":              {spine, func(p *Packet) { p.Payload = p.Payload[1:] }, Discards{Malformed: 1}},
		"from a stranger":        {spine, func(p *Packet) { p.Source = netip.MustParseAddr("192.0.2.66") }, Discards{NoSession: 1}},
		"to another address":     {far, func(p *Packet) { p.Destination = router6 }, Discards{NoSession: 1}},
		"of a session long gone": {spine, func(p *Packet) { p.Payload[11] = 77 }, Discards{NoSession: 1}},
		"authenticated": {spine, func(p *Packet) {
			p.Payload[1] |= bitAuthentication
			p.Payload[3] = 26
			p.Payload = append(p.Payload, 1, 2)
		}, Discards{Authenticated: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.sessions(2, far, spine)
				p := packetOf(tc.of, down)
				tc.change(&p)
				tr.memory.put(portOf(tc.of), p, true)
				if diff := cmp.Diff(tc.want, func() Discards { synctest.Wait(); return tr.Status().Discards }()); diff != "" {
					tr.Error(diff)
				}
				state, in := Init, uint64(1)
				if tc.want != (Discards{}) {
					state, in = Down, 0
				}
				if got := tr.status(tc.of.Name); got.State != state || got.ControlIn != in {
					tr.Errorf("%v after %d packets", got.State, got.ControlIn)
				}
			})
		})
	}
}

// TestDiscardsSayWhy: a session that stays down because its peer's packets are
// discarded says so, until they are not.
func TestDiscardsSayWhy(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.sessions(1, far)
		p := packetOf(far, router(Down, 0))
		for range 3 {
			p.TTL--
			tr.memory.put(portOf(far), p, true)
			synctest.Wait()
		}
		p.TTL = 252
		tr.memory.put(portOf(far), p, true)
		const want = "bfd: packets from 2001:db8::1 are discarded: their TTL is 253 and has to be at least 254"
		if got := tr.status("far").Error; got != want {
			tr.Error(got)
		}
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n")
		s := far
		s.Profile.MinimumTTL = 250
		tr.sessions(0, s)
		tr.memory.put(portOf(far), p, true)
		if got := tr.status("far"); got.Error != "" || got.State != Init {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
	})
}

// TestDemultiplex: first packets by where they come from, others by
// discriminator alone (RFC 5880, 6.3).
func TestDemultiplex(t *testing.T) {
	t.Parallel()
	other := netip.MustParseAddr("192.0.2.3")
	every, local, red := spine, spine, spine
	every.Name, local.Name, red.Name = "every", "local", "red"
	local.Local, red.Device = other, "red"
	multi := Session{Name: "multi", Peer: router4, MultiHop: true}

	for name, tc := range map[string]struct {
		port Port
		to   netip.Addr
		c    control
		want string
	}{
		"to whatever address":          {Port{}, node4, router(Down, 0), "every"},
		"to the session's address":     {Port{}, other, router(Down, 0), "local"},
		"in the VRF":                   {Port{Device: "red"}, node4, router(Down, 0), "red"},
		"in the VRF, same address":     {Port{Device: "red"}, other, router(Down, 0), "red"},
		"over several hops":            {Port{MultiHop: true}, node4, router(Down, 0), "multi"},
		"discriminator before address": {Port{}, other, router(Down, 1), "every"},
		"but not across ports":         {Port{}, other, router(Down, 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.sessions(4, every, local, multi, red)
				p := packetOf(spine, tc.c)
				p.Destination = tc.to
				tr.memory.put(tc.port, p, true)
				synctest.Wait()
				got := ""
				for _, s := range tr.Status().Sessions {
					if s.State != Down {
						got += s.Name
					}
				}
				if got != tc.want {
					tr.Errorf("it went to %q", got)
				}
			})
		})
	}
}

// TestLinkLocal: the peer's zone is the interface its packets have to come from.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.scope = 7
		s := Session{Name: "leaf", Peer: linkLocalRouter}
		tr.sessions(1, s)
		for _, tc := range []struct {
			index int
			want  State
		}{{8, Down}, {7, Init}} {
			p := packetOf(s, router(Down, 0))
			p.Interface = tc.index
			tr.memory.put(portOf(s), p, true)
			if got := tr.status("leaf").State; got != tc.want {
				tr.Errorf("%v on interface %d", got, tc.index)
			}
		}
	})
}

// TestPortTaken: with another daemon on the port, its sessions say so and the
// others live.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(far)
		tr.memory.set(func() { tr.memory.refuseListen = syscall.EADDRINUSE })
		tr.sessions(1, far, spine)
		const want = "bfd: failed to listen on UDP port 3784: address already in use: another BFD daemon runs on this host"
		if got := tr.status("spine").Error; got != want {
			tr.Error(got)
		}
		tr.keepHearing(far, router(Up, 1), 300*ms, 14*time.Second)
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n") // once, at the first of three tries
		if got := tr.status("far"); got.State != Up || got.Error != "" {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
		for _, s := range tr.memory.take() {
			if s.To == toSpine {
				tr.Errorf("sent at %v without being able to hear the answer", s.At)
			}
		}
		tr.memory.set(func() { tr.memory.refuseListen = nil })
		tr.until(15 * time.Second)
		if got := tr.status("spine").Error; got != "" {
			tr.Error(got)
		}
		tr.hear(spine, router(Down, 0))
		if got := tr.status("spine").State; got != Init {
			tr.Error(got)
		}
	})
}

// TestSourcePort: from the range of RFC 5881, distinct, and kept.
func TestSourcePort(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		taken := true
		tr.memory.refuseDial = func(r Route) error {
			if taken && r.SourcePort == 49152 {
				return syscall.EADDRINUSE
			}
			return nil
		}
		tr.dice.queue = []uint32{
			1, 0, 0, 2, 0, 0, // discriminators and keys
			0, 16383, // the first is taken
			16383, 16384 + 5, // the first is ours already
		}
		tr.Set(Config{Sessions: []Session{far, spine}})
		synctest.Wait()
		tr.memory.set(func() { tr.memory.refuseSend = syscall.ENETUNREACH })
		tr.until(2500 * ms)
		var got []uint16
		tr.memory.set(func() {
			for _, r := range tr.memory.routes {
				got = append(got, r.SourcePort)
			}
		})
		want := []uint16{49152, 65535, 49157, 65535, 49157} // tried, far, spine, and again after failing to send
		if diff := cmp.Diff(want, got); diff != "" {
			tr.Error(diff)
		}
	})
}

// TestSendFails: the reason is told, and it ends with the failure.
func TestSendFails(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		tr.memory.set(func() { tr.memory.refuseSend = syscall.ENETUNREACH })
		tr.keepHearing(spine, router(Up, 1), 300*ms, 10*time.Second)
		const want = "bfd: failed to send to 192.0.2.1: network is unreachable"
		got := tr.status("spine")
		if got.Error != want || got.State != Up {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n")
		tr.memory.set(func() { tr.memory.refuseSend = nil })
		tr.hear(spine, router(Up, 1))
		time.Sleep(300 * ms)
		if got := tr.status("spine").Error; got != "" {
			tr.Error(got)
		}
	})
}

// TestDialFails: an address that is not there yet may come.
func TestDialFails(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.refuseDial = func(Route) error { return syscall.EADDRNOTAVAIL }
		tr.sessions(1, spine)
		tr.until(3500 * ms)
		const want = "bfd: failed to open socket to 192.0.2.1: cannot assign requested address"
		if got := tr.status("spine").Error; got != want {
			tr.Error(got)
		}
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n")
		tr.memory.set(func() { tr.memory.refuseDial = nil })
		tr.until(4 * time.Second)
		tr.wantTimes("Down", 4*time.Second)
		if got := tr.status("spine").Error; got != "" {
			tr.Error(got)
		}
	})
}

// TestDeviceReplaced: an interface deleted and made again under its name is
// another one, for the listener too.
func TestDeviceReplaced(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		s := spine
		s.Device = "eth1"
		tr.sessions(1, s)
		var before *memoryListener
		tr.memory.set(func() { before, tr.memory.refuseSend = tr.memory.listeners[portOf(s)], syscall.ENODEV })
		tr.until(2500 * ms)
		tr.memory.set(func() {
			if tr.memory.refuseSend = nil; tr.memory.listeners[portOf(s)] == before {
				tr.Error("still listens on the old one")
			}
		})
		tr.until(3500 * ms)
		tr.hear(s, router(Down, 0))
		if got := tr.status("spine"); got.State != Init || got.Error != "" {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
	})
}

// TestListenerBreaks: and is opened again.
func TestListenerBreaks(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.sessions(1, spine)
		tr.memory.set(func() { tr.memory.listeners[portOf(spine)].fail = errors.New("broken") })
		tr.hear(spine, router(Down, 0))
		if got := tr.status("spine").Error; got != "bfd: failed to listen on UDP port 3784: broken" {
			tr.Error(got)
		}
		tr.until(5 * time.Second)
		tr.hear(spine, router(Down, 0))
		if got := tr.status("spine"); got.State != Init || got.Error != "" {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
	})
}

// TestSetTwice: the same order again does nothing, and the last one wins.
func TestSetTwice(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(spine)
		<-tr.Changed()
		tr.Set(Config{})
		tr.Set(Config{Sessions: []Session{spine}})
		synctest.Wait()
		tr.wantTimes("")
		if got := tr.status("spine").State; got != Up {
			tr.Error(got)
		}
		select {
		case <-tr.Changed():
			tr.Error("changed")
		default:
		}
	})
}

// TestRunOnce: an engine needs a wire and runs once.
func TestRunOnce(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil {
		t.Error("made without a wire")
	}
	inTime(t, func(tr *trial) {
		if err := tr.Engine.Run(t.Context()); err == nil {
			tr.Error("ran twice")
		}
	})
}
