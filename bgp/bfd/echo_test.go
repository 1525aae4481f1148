package bfd

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// echoing is a session with echo, and reflecting what its peer says that returns
// echo packets not more often than every 20 ms.
var echoing = Session{Name: "spine", Peer: router4, Profile: Profile{Echo: true, DetectMultiplier: 3}}

func reflecting(c *control) { c.requiredEchoRx = 20 * ms }

// comeBack delivers the echo packet with a number, as the peer returns it.
func (tr *trial) comeBack(number byte) {
	tr.memory.echoTo(router4).put(Packet{TTL: 254, Payload: []byte{0, 0, 0, 1, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 1}}, true)
	synctest.Wait()
}

// TestEcho is the life of the Echo function, packet by packet.
func TestEcho(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		c := router(Up, 1).but(reflecting).but(func(c *control) { c.desiredTx = time.Second })
		tr.hear(echoing, c)
		tr.until(50 * ms)
		// Ours is the slower interval. Nothing is concluded from silence yet.
		tr.wantSent(sent{0, toSpine, "echo 1"}, sent{50 * ms, toSpine, "echo 2"})
		tr.until(1000 * ms)
		tr.memory.take()
		if got := tr.status("spine"); got.State != Up || got.EchoActive {
			tr.Errorf("%v, active %v", got.State, got.EchoActive)
		}

		// The first that returns makes it count, and slows the control packets that
		// we want to hear (RFC 5880, 6.8.3).
		tr.hear(echoing, c)
		tr.comeBack(21)
		tr.until(1200 * ms)
		tr.wantSent(
			sent{1050 * ms, toSpine, "echo 22"}, sent{1100 * ms, toSpine, "echo 23"},
			// The multiplier is ours: 3 x 50 ms after the last that returned.
			sent{1150 * ms, toSpine, "Down 1->9 tx 1s rx 300ms echo 50ms x3 (echo function failed)"},
		)
		got := tr.status("spine")
		if got.State != Down || got.Failures != 1 || got.LastFailure != "echo function failed" || got.EchoActive {
			tr.Errorf("%v, %d failures, %q, active %v", got.State, got.Failures, got.LastFailure, got.EchoActive)
		}
		if got.EchoOut != 23 || got.EchoIn != 1 {
			tr.Errorf("%d out, %d in", got.EchoOut, got.EchoIn)
		}
		tr.hear(echoing, c.but(func(c *control) { c.state = Down }))
		tr.until(1300 * ms)
		tr.wantSent(sent{1200 * ms, toSpine, "Init 1->9 tx 1s rx 300ms echo 50ms x3"})
	})
}

// TestEchoSlowsControl: while echo detects, control packets are announced to come
// once per second, and as before when it ends.
func TestEchoSlowsControl(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		tr.hear(echoing, router(Up, 1).but(reflecting))
		tr.comeBack(1)
		if got := tr.status("spine"); !got.EchoActive || got.DetectionTime != 3*time.Second {
			tr.Errorf("active %v, detection time %v", got.EchoActive, got.DetectionTime)
		}
		slow := "Up P 1->9 tx 300ms rx 1s echo 50ms x3"
		for i := byte(2); i <= 7; i++ {
			time.Sleep(50 * ms)
			tr.comeBack(i)
		}
		var control []sent
		for _, s := range tr.memory.take() {
			if s.What[:4] != "echo" {
				control = append(control, s)
			}
		}
		if len(control) != 1 || control[0] != (sent{300 * ms, toSpine, slow}) {
			tr.Error(control)
		}
		tr.hear(echoing, router(Up, 1).but(reflecting).but(final))

		// The peer withdraws its offer: echo ceases at once (RFC 5880, 6.8.6).
		tr.hear(echoing, router(Up, 1))
		tr.memory.take()
		tr.until(650 * ms)
		tr.wantSent(sent{600 * ms, toSpine, "Up P 1->9 tx 300ms rx 300ms echo 50ms x3"})
		if got := tr.status("spine"); got.EchoActive || got.DetectionTime != 3*time.Second || got.State != Up {
			tr.Errorf("%v, active %v, detection time %v", got.State, got.EchoActive, got.DetectionTime)
		}
		tr.hear(echoing, router(Up, 1).but(final))
		if got := tr.status("spine").DetectionTime; got != 900*ms {
			tr.Errorf("detection time %v", got)
		}
	})
}

// TestEchoIsOurs: only what was sent, and only once.
func TestEchoIsOurs(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		tr.hear(echoing, router(Up, 1).but(reflecting))
		tr.until(60 * ms) // two sent
		ours := []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}
		for name, change := range map[string]func(b []byte) []byte{
			"another discriminator": func(b []byte) []byte { b[3] = 2; return b },
			"another key":           func(b []byte) []byte { b[15] = 2; return b },
			"not sent yet":          func(b []byte) []byte { b[7] = 3; return b },
			"short":                 func(b []byte) []byte { return b[:15] },
			"long":                  func(b []byte) []byte { return append(b, 0) },
		} {
			b := change(append([]byte(nil), ours...))
			tr.memory.echoTo(router4).put(Packet{TTL: 254, Payload: b}, true)
			if got := tr.status("spine"); got.EchoIn != 0 {
				tr.Errorf("accepted: %s", name)
			}
		}
		for _, number := range []byte{2, 2, 1} { // a duplicate, and one that was overtaken
			tr.comeBack(number)
		}
		if got := tr.status("spine"); got.EchoIn != 1 {
			tr.Errorf("accepted %d", got.EchoIn)
		}
	})
}

// TestEchoAbsentReader: also here, what was waiting at the deadline counts.
func TestEchoAbsentReader(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		tr.hear(echoing, router(Up, 1).but(reflecting))
		tr.comeBack(1)
		tr.until(120 * ms)
		tr.memory.echoTo(router4).put(Packet{Payload: []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}}, false)
		tr.until(150 * ms)
		if got := tr.status("spine"); got.State != Up || got.EchoIn != 2 {
			tr.Errorf("%v, %d in", got.State, got.EchoIn)
		}
		tr.until(300 * ms)
		if got := tr.status("spine"); got.State != Down {
			tr.Error(got.State)
		}
	})
}

// TestReflect: a peer's echo packet that is addressed to us goes back as it is,
// and nobody else's does.
func TestReflect(t *testing.T) {
	t.Parallel()
	port := Port{Echo: true}
	for name, tc := range map[string]struct {
		session Session
		change  func(p *Packet)
		want    string
	}{
		"the peer's":       {echoing, func(*Packet) {}, "70 65 65 72"},
		"coming back":      {echoing, func(p *Packet) { p.TTL = 254 }, ""},
		"a stranger's":     {echoing, func(p *Packet) { p.Source = router6 }, ""},
		"without our will": {spine, func(*Packet) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.bringUp(tc.session)
				p := Packet{Source: router4, Destination: node4, TTL: 255, Payload: []byte("peer")}
				tc.change(&p)
				tr.memory.put(port, p, true)
				tr.memory.put(port, p, true)
				var want []sent
				if tc.want != "" {
					want = []sent{{0, toSpine, tc.want}, {0, toSpine, tc.want}}
				}
				tr.wantSent(want...)
				tr.sessions(0, spine) // without echo, its sockets are closed
				tr.memory.set(func() {
					if tr.memory.open != 2 {
						t.Errorf("%d sockets open", tr.memory.open)
					}
				})
			})
		})
	}
}

// TestEchoNotSent: what this process did not send is not missed.
func TestEchoNotSent(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		tr.hear(echoing, router(Up, 1).but(reflecting))
		tr.comeBack(1)
		tr.memory.set(func() { tr.memory.stall = 105 * ms }) // from 50 ms until 5 ms after the deadline
		tr.until(304 * ms)
		if got := tr.status("spine"); got.State != Up {
			tr.Error("blamed for our own absence")
		}
		tr.until(305 * ms) // 150 ms after our return
		if got := tr.status("spine"); got.State != Down {
			tr.Errorf("%v although the path is gone", got.State)
		}
	})
}

// TestNoEcho: not where it cannot work, and no invitation either.
func TestNoEcho(t *testing.T) {
	t.Parallel()
	multi, linkLocal := echoing, echoing
	multi.MultiHop = true
	linkLocal.Peer = linkLocalRouter
	for name, s := range map[string]Session{"over several hops": multi, "between link-local addresses": linkLocal, "not asked for": spine} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.bringUp(s)
				tr.hear(s, router(Up, 1).but(reflecting))
				tr.until(650 * ms)
				tr.wantTimes("Up 1->9 tx 300ms rx 300ms x3", 300*ms, 600*ms)
			})
		})
	}
}

// TestEchoRefused: without the capability there is no echo, but a session, which
// says so as long as it matters; and an echo socket that breaks is opened again.
func TestEchoRefused(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.refuseEcho = syscall.EPERM
		tr.bringUp(echoing)
		c := router(Up, 1).but(reflecting).but(func(c *control) { c.desiredTx = time.Minute })
		tr.hear(echoing, c)
		tr.until(12 * time.Second)
		const want = "bfd: failed to open echo socket to 192.0.2.1: operation not permitted"
		if got := tr.status("spine"); got.State != Up || got.Error != want {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n")
		tr.memory.set(func() { tr.memory.refuseEcho = nil })
		tr.until(15 * time.Second) // five seconds after the third try
		first := tr.memory.echoTo(router4)
		if first == nil || tr.status("spine").Error != "" {
			t.Fatalf("not tried again: %q", tr.status("spine").Error)
		}
		first.mu.Lock()
		first.fail = syscall.ENXIO
		first.mu.Unlock()
		tr.comeBack(1)
		if got := tr.status("spine").Error; got != "bfd: failed to hear echo packets from 192.0.2.1: no such device or address" {
			tr.Error(got)
		}
		tr.until(20 * time.Second)
		if tr.memory.echoTo(router4) == first {
			tr.Error("not opened again")
		}
		tr.sessions(0, spine)
		if got := tr.status("spine").Error; got != "" {
			tr.Error(got)
		}
	})
}

// TestEchoFollowsThePeer: an echo path belongs to an interface and an address.
func TestEchoFollowsThePeer(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.bringUp(echoing)
		c := router(Up, 1).but(reflecting)
		tr.hear(echoing, c)
		before := tr.memory.echoTo(router4)
		p := packetOf(echoing, c)
		p.Interface = 5
		tr.memory.put(portOf(echoing), p, true)
		synctest.Wait()
		if tr.memory.echoTo(router4) == before {
			tr.Error("still on the old interface")
		}
	})
}
