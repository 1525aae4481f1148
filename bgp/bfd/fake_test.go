package bfd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

var (
	router4 = netip.MustParseAddr("192.0.2.1")
	node4   = netip.MustParseAddr("192.0.2.2")
	router6 = netip.MustParseAddr("2001:db8::1")
	node6   = netip.MustParseAddr("2001:db8::2")

	linkLocalRouter = netip.MustParseAddr("fe80::1%eth0")
)

// sent is one packet sent, in words, at the time since the test's start.
type sent struct {
	At   time.Duration
	To   string
	What string
}

// memory is a Wire in memory. Its packets go nowhere but into a record, unless
// relay is set.
type memory struct {
	start time.Time

	mu        sync.Mutex
	listeners map[Port]*memoryListener
	echoes    map[netip.Addr]*memoryListener // by peer
	routes    []Route                        // dialed, in order
	open      int
	sent      []sent
	relay     func(r Route, payload []byte)

	scope        int
	refuseListen error
	refuseEcho   error
	refuseDial   func(Route) error
	refuseSend   error
	stall        time.Duration // of every Send
}

func newMemory() *memory {
	return &memory{
		start:     time.Now(),
		listeners: make(map[Port]*memoryListener),
		echoes:    make(map[netip.Addr]*memoryListener),
	}
}

func (m *memory) Listen(p Port) (Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuseListen != nil {
		return nil, m.refuseListen
	}
	l := m.newListener()
	m.listeners[p] = l
	return l, nil
}

func (m *memory) newListener() *memoryListener {
	m.open++
	return &memoryListener{memory: m, bell: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (m *memory) Dial(r Route) (Sender, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = append(m.routes, r)
	if m.refuseDial != nil {
		if err := m.refuseDial(r); err != nil {
			return nil, err
		}
	}
	m.open++
	return &memorySender{memory: m, route: r}, nil
}

func (m *memory) Echo(r EchoRoute) (Listener, Sender, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuseEcho != nil {
		return nil, nil, m.refuseEcho
	}
	l := m.newListener()
	m.echoes[r.Peer] = l
	m.open++
	return l, &memorySender{memory: m, echo: r}, nil
}

// put makes a packet wait at a port, and rings unless the reader is to stay
// unaware of it.
func (m *memory) put(to Port, p Packet, ring bool) {
	m.mu.Lock()
	l := m.listeners[to]
	m.mu.Unlock()
	if l != nil {
		l.put(p, ring)
	}
}

func (m *memory) echoTo(peer netip.Addr) *memoryListener {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.echoes[peer]
}

// take returns what was sent since the last take.
func (m *memory) take() []sent {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.sent
	m.sent = nil
	return out
}

// set changes m under its lock.
func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

type memoryListener struct {
	memory *memory
	bell   chan struct{}
	closed chan struct{}

	mu    sync.Mutex
	queue []Packet
	fail  error
}

func (l *memoryListener) put(p Packet, ring bool) {
	p.Payload = slices.Clone(p.Payload)
	l.mu.Lock()
	l.queue = append(l.queue, p)
	l.mu.Unlock()
	if ring {
		signal(l.bell)
	}
}

func (l *memoryListener) Receive(p *Packet) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return false, l.fail
	}
	if len(l.queue) == 0 {
		return false, nil
	}
	*p = l.queue[0]
	l.queue = l.queue[1:]
	return true, nil
}

func (l *memoryListener) Wait() error {
	select {
	case <-l.bell:
		return nil
	case <-l.closed:
		return net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.memory.set(func() { l.memory.open-- })
	close(l.closed)
	return nil
}

type memorySender struct {
	memory *memory
	route  Route
	echo   EchoRoute
}

func (s *memorySender) Send(b []byte) error {
	m := s.memory
	m.mu.Lock()
	stall, refuse := m.stall, m.refuseSend
	m.stall = 0
	m.mu.Unlock()
	if stall > 0 {
		time.Sleep(stall)
	}
	if refuse != nil {
		return refuse
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := time.Since(m.start)
	if s.echo.Peer.IsValid() {
		m.sent = append(m.sent, sent{at, s.echo.Peer.String(), fmt.Sprintf("echo %d", binary.BigEndian.Uint32(b[4:]))})
		return nil
	}
	m.sent = append(m.sent, sent{at, s.route.Peer.String(), inWords(b)})
	if m.relay != nil {
		m.relay(s.route, slices.Clone(b))
	}
	return nil
}

func (s *memorySender) Scope() int { return s.memory.scope }

func (s *memorySender) Close() error {
	s.memory.set(func() { s.memory.open-- })
	return nil
}

// inWords says what a control packet says.
func inWords(b []byte) string {
	c, why := parseControl(b)
	if why != keep {
		return fmt.Sprintf("% x", b)
	}
	var flags string
	for _, f := range []struct {
		set  bool
		name string
	}{{c.poll, " P"}, {c.final, " F"}, {c.independent, " C"}, {c.auth, " A"}, {c.demand, " D"}} {
		if f.set {
			flags += f.name
		}
	}
	var diag string
	if c.diag != NoDiagnostic {
		diag = " (" + c.diag.String() + ")"
	}
	var echo string
	if c.requiredEchoRx != 0 {
		echo = fmt.Sprintf(" echo %v", c.requiredEchoRx)
	}
	return fmt.Sprintf("%v%s %d->%d tx %v rx %v%s x%d%s", c.state, flags, c.mine, c.yours, c.desiredTx, c.requiredRx, echo, c.multiplier, diag)
}

// loaded are dice that give what is queued, and then always the same.
type loaded struct {
	queue []uint32
	then  uint32
}

func (d *loaded) Uint32() uint32 {
	if len(d.queue) == 0 {
		return d.then
	}
	v := d.queue[0]
	d.queue = d.queue[1:]
	return v
}

// lockedDice are dice for several goroutines.
type lockedDice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (d *lockedDice) n(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

// logbook collects log lines without their time.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logbook) take() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// trial is a test with an engine that runs on a memory inside a synctest bubble.
// Its sessions get the discriminators 1, 2, 3 and so on.
type trial struct {
	*testing.T
	*Engine
	memory *memory
	dice   *loaded
	log    *logbook
	count  int    // of sessions started
	stop   func() // ends Run; at the latest with the trial
}

// inTime runs f with a running engine in fake time, and checks that the engine
// leaves nothing open behind.
func inTime(t *testing.T, f func(tr *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t)
		defer tr.stop()
		f(tr)
	})
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	tr := &trial{T: t, memory: newMemory(), dice: new(loaded), log: &logbook{}}
	var err error
	tr.Engine, err = New(Options{Wire: tr.memory, Dice: tr.dice, Log: slog.New(slog.NewTextHandler(tr.log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- tr.Engine.Run(ctx) }()
	tr.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		tr.memory.set(func() {
			if tr.memory.open != 0 {
				t.Errorf("%d sockets left open", tr.memory.open)
			}
		})
	})
	synctest.Wait()
	return tr
}

// sessions orders the sessions, of which the last fresh ones are new.
func (tr *trial) sessions(fresh int, sessions ...Session) {
	for range fresh {
		tr.count++
		tr.dice.queue = append(tr.dice.queue, uint32(tr.count), 0, uint32(tr.count))
	}
	for i := range fresh {
		tr.dice.queue = append(tr.dice.queue, uint32(tr.count-fresh+i+1)) // source ports
	}
	tr.Set(Config{Sessions: sessions})
	synctest.Wait()
}

// hear delivers a packet of the session's peer.
func (tr *trial) hear(s Session, c control) {
	tr.memory.put(portOf(s), packetOf(s, c), true)
	synctest.Wait()
}

func portOf(s Session) Port {
	return Port{MultiHop: s.MultiHop, IPv6: s.Peer.Is6(), Device: s.Device}
}

// packetOf is a packet as the session's peer sends it.
func packetOf(s Session, c control) Packet {
	local := s.Local
	if !local.IsValid() {
		local = node4
		if s.Peer.Is6() {
			local = node6
		}
	}
	return Packet{Source: s.Peer.WithZone(""), Destination: local, Interface: 2, TTL: 255, Payload: c.append(nil)}
}

// router is what a peer with discriminator 9 says, with every interval 300 ms.
func router(state State, yours uint32) control {
	return control{state: state, multiplier: 3, mine: 9, yours: yours, desiredTx: 300 * ms, requiredRx: 300 * ms}
}

// but returns c with a change.
func (c control) but(f func(c *control)) control {
	f(&c)
	return c
}

func polling(c *control) { c.poll = true }
func final(c *control)   { c.final = true }

// bringUp brings a fresh session with discriminator 1 up, with the Poll Sequence
// that follows ended, at the instant 0.
func (tr *trial) bringUp(s Session) {
	tr.Helper()
	tr.sessions(1, s)
	tr.hear(s, router(Down, 0))
	tr.hear(s, router(Up, 1))
	tr.hear(s, router(Up, 1).but(final))
	if got := tr.status(s.Name).State; got != Up {
		tr.Fatalf("the session is %v", got)
	}
	tr.memory.take()
	tr.log.take()
}

// keepHearing lets the peer say c every period until the time since start is end.
func (tr *trial) keepHearing(s Session, c control, period, end time.Duration) {
	for {
		time.Sleep(period)
		if time.Since(tr.memory.start) > end {
			return
		}
		tr.hear(s, c)
	}
}

// until sleeps until the time since start is at.
func (tr *trial) until(at time.Duration) {
	time.Sleep(at - time.Since(tr.memory.start))
	synctest.Wait()
}

func (tr *trial) status(name string) SessionStatus {
	tr.Helper()
	synctest.Wait()
	for _, s := range tr.Status().Sessions {
		if s.Name == name {
			return s
		}
	}
	tr.Fatalf("no session %s", name)
	return SessionStatus{}
}

// wantSent checks what was sent since the last look.
func (tr *trial) wantSent(want ...sent) {
	tr.Helper()
	if diff := cmp.Diff(want, tr.memory.take()); diff != "" {
		tr.Error(diff)
	}
}

// wantTimes checks when packets were sent since the last look, and that all of
// them said what.
func (tr *trial) wantTimes(what string, want ...time.Duration) {
	tr.Helper()
	var got []time.Duration
	for _, s := range tr.memory.take() {
		if !strings.Contains(s.What, what) {
			tr.Errorf("at %v it said %s, not %s", s.At, s.What, what)
		}
		got = append(got, s.At)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tr.Error(diff)
	}
}

func (tr *trial) wantLog(want string) {
	tr.Helper()
	if diff := cmp.Diff(want, tr.log.take()); diff != "" {
		tr.Error(diff)
	}
}
