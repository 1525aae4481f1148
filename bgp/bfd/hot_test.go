package bfd

import (
	"testing"
	"time"
)

// newUpLoop returns a loop without its goroutine, and a session of it that is up.
func newUpLoop(tb testing.TB) (*loop, *session) {
	tb.Helper()
	e, err := New(Options{Wire: newMemory(), Dice: &loaded{queue: []uint32{1, 0, 1, 0}}})
	if err != nil {
		tb.Fatal(err)
	}
	l, now := newLoop(e), time.Now()
	l.apply(Config{Sessions: []Session{spine}}, now)
	tb.Cleanup(func() {
		l.apply(Config{}, now)
		for len(l.farewells) > 0 {
			now = now.Add(farewellPause)
			l.turn(now)
		}
	})
	s := l.sessions[0]
	for _, c := range []control{router(Down, 0), router(Up, 1), router(Up, 1).but(final)} {
		p := packetOf(spine, c)
		if why := l.receive(s.port(), &p, now); why != keep {
			tb.Fatalf("discarded: %v", why)
		}
	}
	l.turn(now)
	if s.state != Up {
		tb.Fatalf("the session is %v", s.state)
	}
	return l, s
}

// TestHotPathsDoNotAllocate: neither a packet received nor one sent leaves
// garbage.
//
//nolint:paralleltest // it counts the allocations of the whole process
func TestHotPathsDoNotAllocate(t *testing.T) {
	l, s := newUpLoop(t)
	p, now := packetOf(spine, router(Up, 1)), s.since
	port := s.port()
	if got := testing.AllocsPerRun(1000, func() {
		now = now.Add(ms)
		l.receive(port, &p, now)
		l.turn(now)
	}); got != 0 {
		t.Errorf("%v allocations to receive", got)
	}
	s.line.sender = quietSender{}
	if got := testing.AllocsPerRun(1000, func() {
		s.urgent = true
		l.turn(now)
	}); got != 0 {
		t.Errorf("%v allocations to send", got)
	}
}

// quietSender keeps no record.
type quietSender struct{}

func (quietSender) Send([]byte) error { return nil }
func (quietSender) Scope() int        { return 0 }
func (quietSender) Close() error      { return nil }

// BenchmarkReceive is the way of a packet from its arrival to the end of what
// follows from it, without the kernel.
func BenchmarkReceive(b *testing.B) {
	l, s := newUpLoop(b)
	p, now := packetOf(spine, router(Up, 1)), s.since
	port := s.port()
	s.line.sender = quietSender{}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if why := l.receive(port, &p, now); why != keep {
			b.Fatal(why)
		}
		l.turn(now)
	}
}

// BenchmarkTransmit is the way of a packet from its deadline to the kernel.
func BenchmarkTransmit(b *testing.B) {
	l, s := newUpLoop(b)
	s.line.sender = quietSender{}
	b.ReportAllocs()
	for b.Loop() {
		s.urgent = true
		l.turn(s.since)
	}
}
