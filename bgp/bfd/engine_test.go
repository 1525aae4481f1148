package bfd

import (
	"net/netip"
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
