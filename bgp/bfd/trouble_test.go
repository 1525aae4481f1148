package bfd

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
