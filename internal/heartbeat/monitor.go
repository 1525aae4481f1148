package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The defaults. Together they replace a dead node after 0.3 s.
const (
	DefaultInterval   = 50 * time.Millisecond
	DefaultMultiplier = 6
	DefaultGrace      = 3 * time.Second
	DefaultFailback   = 30 * time.Second
	DefaultWatchers   = 2
)

// Options are what a Monitor needs. Node, Send and Probe are required.
type Options struct {
	// Node is this node's name.
	Node string
	// Interval is the time between beats; Multiplier is how many have to be
	// missing before a node can be called dead, at least 3.
	Interval   time.Duration
	Multiplier int
	// Grace is how long a speaker may be silent while the kernel of its node
	// answers.
	Grace time.Duration
	// Failback is how long a node that was down has to be heard without a gap
	// before it is up again; negative for at once.
	Failback time.Duration
	// Watchers is how many nodes watch each node.
	Watchers int

	// Send sends a packet, and may lose it. It does not block.
	Send func(packet []byte, to netip.AddrPort)
	// Probe reports whether the kernel of the node at an address answers before
	// ctx ends, whatever became of the speaker there.
	Probe func(ctx context.Context, addr netip.AddrPort) bool
	// Log gets the verdicts. Nil discards them.
	Log *slog.Logger
}

// Peer is another node that speaks this protocol.
type Peer struct {
	Name string
	Addr netip.AddrPort
}

// Monitor watches the other nodes and this process. Its methods may be called
// from any goroutine.
type Monitor struct {
	options Options
	timing  timing
	log     *slog.Logger
	base    time.Time // what fitUntil counts from

	ran      atomic.Bool
	wake     chan struct{}
	changed  chan struct{}
	received chan []byte
	results  chan probeResult

	// fitUntil is when the fence closes by itself, in time since base.
	fitUntil atomic.Int64

	mu      sync.Mutex
	peers   []Peer
	renewed bool // peers are news
	keys    seals
	leaving bool
	held    map[id]Standing // never written once it is here
	unfit   Unfitness
	counts  Counters
}

// Counters count since the start, for metrics.
type Counters struct {
	// Sent and Received are packets; Rejected those that could not be opened.
	Sent, Received, Rejected uint64
	// NodesDown and SpeakersDown are verdicts this node gave; Stalls how often
	// this process was not running for longer than the detection time.
	NodesDown, SpeakersDown, Stalls uint64
}

type probeResult struct {
	node     id
	answered bool
}

// New returns a monitor that sends nothing before Run.
func New(o Options) (*Monitor, error) {
	switch {
	case o.Node == "":
		return nil, errors.New("heartbeat: failed to configure: the node has no name")
	case o.Send == nil || o.Probe == nil:
		return nil, errors.New("heartbeat: failed to configure: nothing to send or to probe with")
	}
	o.Interval = orDefault(o.Interval, DefaultInterval)
	o.Grace = orDefault(o.Grace, DefaultGrace)
	o.Failback = orDefault(o.Failback, DefaultFailback)
	if o.Multiplier == 0 {
		o.Multiplier = DefaultMultiplier
	}
	if o.Watchers == 0 {
		o.Watchers = DefaultWatchers
	}
	detection := time.Duration(o.Multiplier) * o.Interval
	switch {
	case o.Interval < 10*time.Millisecond || o.Interval > 10*time.Second:
		return nil, fmt.Errorf("heartbeat: failed to configure: interval %v is not between 10ms and 10s", o.Interval)
	case o.Multiplier < 3 || o.Multiplier > 100:
		return nil, fmt.Errorf("heartbeat: failed to configure: multiplier %d is not between 3 and 100", o.Multiplier)
	case o.Grace < detection:
		return nil, fmt.Errorf("heartbeat: failed to configure: grace %v is shorter than the detection time, %v", o.Grace, detection)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Monitor{
		options:  o,
		timing:   timing{interval: o.Interval, detection: detection, grace: o.Grace, failback: o.Failback, watchers: o.Watchers},
		log:      o.Log,
		base:     time.Now(),
		wake:     make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		received: make(chan []byte, 256),
		results:  make(chan probeResult),
		keys:     seals{nil},
		unfit:    Learning,
	}, nil
}

func orDefault(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// SetPeers replaces the other nodes that exist, as the slow plane knows them,
// and that speak this protocol. Before the first call the process is not fit.
func (m *Monitor) SetPeers(peers []Peer) {
	m.mu.Lock()
	same := m.peers != nil && slices.Equal(m.peers, peers)
	m.peers, m.renewed = append(make([]Peer, 0, len(peers)), peers...), m.renewed || !same
	m.mu.Unlock()
	if !same {
		signal(m.wake)
	}
}

// SetKeys sets the keys: the first seals, all of them open. An empty one, or none
// at all, stands for packets that are neither encrypted nor authenticated. To
// change keys, let everybody accept the new one before anybody seals with it.
func (m *Monitor) SetKeys(keys [][]byte) error {
	s, err := newSeals(keys)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.keys = s
	m.mu.Unlock()
	return nil
}

// Receive takes a packet for which IsBeat holds, and keeps it. It does not
// block: what comes faster than it can be read is lost.
func (m *Monitor) Receive(packet []byte) {
	select {
	case m.received <- packet:
	default:
	}
}

// Leave tells everybody at once that this node goes. It returns before they
// know; Run has to go on for a moment.
func (m *Monitor) Leave() {
	m.mu.Lock()
	m.leaving = true
	m.mu.Unlock()
	signal(m.wake)
}

// Standing returns what is held of a node; also of one that is not among the
// peers, or not yet again.
func (m *Monitor) Standing(node string) Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held[idOf(node)]
}

// Down returns how many nodes must own nothing, this one among them if the
// others hold it down.
func (m *Monitor) Down() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	down := 0
	if !m.held[idOf(m.options.Node)].present() {
		down++
	}
	for _, p := range m.peers {
		if p.Name != m.options.Node && !m.held[idOf(p.Name)].present() {
			down++
		}
	}
	return down
}

// Changed receives after the Standing of a node, or Unfit, has changed. Several
// changes may arrive as one.
func (m *Monitor) Changed() <-chan struct{} { return m.changed }

// Fit reports whether this process may answer for addresses now. It takes a few
// nanoseconds and is to be asked before every answer: a process that was just
// resumed is not fit before anything else in it has noticed.
func (m *Monitor) Fit() bool { return int64(time.Since(m.base)) < m.fitUntil.Load() }

// Unfit returns why this process may not answer; empty if it may.
func (m *Monitor) Unfit() Unfitness {
	m.mu.Lock()
	unfit := m.unfit
	m.mu.Unlock()
	if unfit == "" && !m.Fit() {
		return Stalled
	}
	return unfit
}

// Counters returns what was counted since the start.
func (m *Monitor) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

// Run sends and judges until ctx ends, and returns nil. Call it once.
func (m *Monitor) Run(ctx context.Context) error {
	if m.ran.Swap(true) {
		return errors.New("heartbeat: failed to run: a monitor runs once")
	}
	var probes sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		m.fitUntil.Store(math.MinInt64)
		stop()
		probes.Wait()
	}()

	s := newState(m.options.Node, m.timing, time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var out todo
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
			m.take(s, &out)
		case packet := <-m.received:
			m.open(s, packet, &out)
		case r := <-m.results:
			s.probed(r.node, r.answered)
		case <-timer.C:
		}
		// Whatever else has come in is looked at before anybody is judged.
		for range len(m.received) {
			m.open(s, <-m.received, &out)
		}
		now := time.Now()
		s.tick(now, &out)
		m.publish(ctx, s, &out)
		m.send(s, now, out.send)
		for _, p := range out.probe {
			node, addr := p.id, p.addr
			probes.Go(func() { m.probe(ctx, node, addr) })
		}
		timer.Reset(time.Until(s.next(now)))
	}
}

// take hands over what other goroutines have asked for.
func (m *Monitor) take(s *state, out *todo) {
	m.mu.Lock()
	peers, renewed, leaving := m.peers, m.renewed, m.leaving
	m.renewed = false
	m.mu.Unlock()
	if renewed {
		s.setPeers(time.Now(), peers)
	}
	if leaving && s.table[s.self].standing != Leaving {
		s.leave(time.Now(), out)
	}
}

// open reads a packet, and answers it at once if that is asked.
func (m *Monitor) open(s *state, packet []byte, out *todo) {
	m.mu.Lock()
	keys := m.keys
	m.mu.Unlock()
	b, err := keys.open(packet)
	m.mu.Lock()
	if err != nil {
		m.counts.Rejected++
	} else {
		m.counts.Received++
	}
	m.mu.Unlock()
	if err != nil {
		return
	}
	now := time.Now()
	if reply := s.hear(now, &b, out); reply {
		m.send(s, now, []*peer{s.peers[b.from]})
	}
}

func (m *Monitor) send(s *state, now time.Time, to []*peer) {
	if len(to) == 0 {
		return
	}
	m.mu.Lock()
	keys := m.keys
	m.counts.Sent += uint64(len(to))
	m.mu.Unlock()
	for _, p := range to {
		m.options.Send(keys.close(s.beatFor(now, p)), p.addr)
	}
}

// probe asks a node's kernel for a sign of life, twice: one packet may be lost.
func (m *Monitor) probe(ctx context.Context, node id, addr netip.AddrPort) {
	limited, cancel := context.WithTimeout(ctx, 2*m.timing.interval)
	defer cancel()
	var second bool
	var both sync.WaitGroup
	both.Go(func() {
		if second = m.options.Probe(limited, addr); second {
			cancel()
		}
	})
	first := m.options.Probe(limited, addr)
	if first {
		cancel()
	}
	both.Wait()
	select {
	case m.results <- probeResult{node, first || second}:
	case <-ctx.Done():
	}
}

// publish makes what is held visible, and says what is new.
func (m *Monitor) publish(ctx context.Context, s *state, out *todo) {
	switch {
	case s.unfit != "":
		m.fitUntil.Store(math.MinInt64)
	case s.single():
		m.fitUntil.Store(math.MaxInt64)
	default:
		m.fitUntil.Store(int64(s.ticked.Sub(m.base) + s.detection))
	}

	m.mu.Lock()
	if len(out.changed) > 0 {
		m.held = s.held()
	}
	unfit, was := s.unfit, m.unfit
	m.unfit = unfit
	for _, c := range out.changed {
		switch {
		case c.silent == 0:
		case c.is == NodeDown:
			m.counts.NodesDown++
		case c.is == SpeakerDown:
			m.counts.SpeakersDown++
		}
	}
	if s.stalls > m.counts.Stalls {
		m.counts.Stalls = s.stalls
	}
	m.mu.Unlock()

	for _, c := range out.changed {
		m.say(c)
	}
	if unfit != was {
		m.sayFit(ctx, was, unfit)
	}
	if len(out.changed) > 0 || unfit != was {
		signal(m.changed)
	}
}

func (m *Monitor) say(c change) {
	name := c.name
	if name == "" {
		name = m.options.Node
	}
	attrs := []any{slog.String("node", name), slog.String("standing", c.is.String()), slog.String("before", c.was.String())}
	if c.silent > 0 {
		attrs = append(attrs, slog.Duration("silent", c.silent.Round(time.Millisecond)))
	}
	m.log.Info("node has another standing", attrs...)
}

// sayFit says whether this node may answer. That it has to learn first is over in
// a moment, and so frequent on a node that is starved, that only the counter of
// stalls tells of it.
func (m *Monitor) sayFit(ctx context.Context, was, unfit Unfitness) {
	level := slog.LevelInfo
	if unfit == Learning || unfit == "" && was == Learning {
		level = slog.LevelDebug
	}
	if unfit == "" {
		m.log.Log(ctx, level, "this node may answer for addresses")
		return
	}
	m.log.Log(ctx, level, "this node may not answer for addresses", slog.String("reason", string(unfit)))
}

// signal leaves a signal unless there already is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
