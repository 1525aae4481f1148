package bfd

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// pair are two engines that talk to each other. What one sends, fate may change
// before the other hears it.
func pair(t *testing.T, fate func(deliver func(payload []byte, after time.Duration), payload []byte)) (a, b *trial) {
	t.Helper()
	a, b = newTrial(t), newTrial(t)
	connect := func(from, to *trial, p Packet) {
		from.memory.set(func() {
			from.memory.relay = func(r Route, payload []byte) {
				deliver := func(payload []byte, after time.Duration) {
					p := p
					p.Payload = payload
					time.AfterFunc(after, func() { to.memory.put(r.Port, p, true) })
				}
				fate(deliver, payload)
			}
		})
	}
	connect(a, b, Packet{Source: node4, Destination: router4, TTL: 255})
	connect(b, a, Packet{Source: router4, Destination: node4, TTL: 255})
	b.count = 100
	return a, b
}

// TestPair: two engines agree on intervals, and on leaving.
func TestPair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, func(deliver func([]byte, time.Duration), payload []byte) { deliver(payload, ms) })
		defer a.stop()
		defer b.stop()
		ours, theirs := spine, Session{Name: "node", Peer: node4, Profile: Profile{
			TransmitInterval: 50 * ms, ReceiveInterval: 500 * ms, DetectMultiplier: 5,
		}}
		ours.Profile = Profile{TransmitInterval: 100 * ms, ReceiveInterval: 200 * ms}
		a.sessions(1, ours)
		b.sessions(1, theirs)
		check := func(tr *trial, name string, tx, rx, detection time.Duration) {
			t.Helper()
			got := tr.status(name)
			if got.State != Up || got.Failures != 0 || got.TransmitInterval != tx || got.ReceiveInterval != rx || got.DetectionTime != detection {
				t.Errorf("%s: %v, %d failures, %v, %v, %v", name, got.State, got.Failures, got.TransmitInterval, got.ReceiveInterval, got.DetectionTime)
			}
		}
		time.Sleep(5 * time.Second)
		check(a, "spine", 500*ms, 200*ms, 1000*ms)
		check(b, "node", 200*ms, 500*ms, 1500*ms)

		// Changed profiles are negotiated. Nothing flaps, and all of it holds.
		ours.Profile = Profile{TransmitInterval: 2 * time.Second, ReceiveInterval: 50 * ms, DetectMultiplier: 4}
		a.sessions(0, ours)
		time.Sleep(20 * time.Second)
		check(a, "spine", 2*time.Second, 50*ms, 250*ms)
		check(b, "node", 50*ms, 2*time.Second, 8*time.Second)
		theirs.Profile = Profile{TransmitInterval: time.Second, ReceiveInterval: time.Second}
		b.sessions(0, theirs)
		ours.Profile = Profile{TransmitInterval: 20 * ms, ReceiveInterval: 20 * ms, DetectMultiplier: 2}
		a.sessions(0, ours)
		time.Sleep(20 * time.Second)
		check(a, "spine", time.Second, time.Second, 3*time.Second)
		check(b, "node", time.Second, time.Second, 2*time.Second)

		a.stop()
		if got := b.status("node"); got.State != Down || got.RemoteState != AdminDown || got.Failures != 0 {
			t.Errorf("%v, peer %v, %d failures", got.State, got.RemoteState, got.Failures)
		}
	})
}

// TestBadNetwork: packets that are lost, doubled, overtaken or damaged do not keep
// a session from coming up, nor take it down while some arrive in time.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Both engines' goroutines throw.
				var dice lockedDice
				dice.rand = rand.New(rand.NewPCG(seed, 0))
				a, b := pair(t, func(deliver func([]byte, time.Duration), payload []byte) {
					deliver(payload[:dice.n(len(payload))], 0) // cut off
					damaged := append([]byte(nil), payload...)
					damaged[dice.n(4)] ^= 1 << dice.n(8) // in a byte that is checked, or harmless
					if _, why := parseControl(damaged); why != keep {
						deliver(damaged, 0)
					}
					for range 1 + dice.n(2) {
						if dice.n(100) >= 20 {
							deliver(payload, time.Duration(dice.n(60))*ms)
						}
					}
				})
				defer a.stop()
				defer b.stop()
				p := Profile{TransmitInterval: 50 * ms, ReceiveInterval: 50 * ms, DetectMultiplier: 20}
				ours, theirs := spine, Session{Name: "node", Peer: node4, Profile: p}
				ours.Profile = p
				a.sessions(1, ours)
				b.sessions(1, theirs)
				time.Sleep(30 * time.Second)
				before := a.status("spine").Failures + b.status("node").Failures
				time.Sleep(time.Minute)
				for _, got := range []SessionStatus{a.status("spine"), b.status("node")} {
					if got.State != Up || got.DetectionTime != time.Second {
						t.Errorf("%s: %v, detection time %v", got.Name, got.State, got.DetectionTime)
					}
				}
				if after := a.status("spine").Failures + b.status("node").Failures; after != before {
					t.Errorf("%d failures", after-before)
				}
			})
		})
	}
}
