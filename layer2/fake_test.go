package layer2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a Wire without a kernel. It records what is sent, and drops or
// refuses as told.
type memory struct {
	mu      sync.Mutex
	start   time.Time
	conns   map[portID]*memoryConn
	members map[string]map[netip.Addr]bool // groups by link
	sent    []sent
	opens   int // tries included
	open    int // sockets and groups that are open now

	refuseOpen  error
	refuseOnly  string // the only link refused to be opened; empty: all
	refuseJoin  error
	refuseHeed  error
	refuseWrite error
}

// sent is one frame sent, in words, at the time since the test's start.
type sent struct {
	At   time.Duration
	Link string
	What string
}

func newMemory() *memory {
	return &memory{
		start:   time.Now(),
		conns:   make(map[portID]*memoryConn),
		members: make(map[string]map[netip.Addr]bool),
	}
}

func (m *memory) Open(link Interface, p Protocol) (Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opens++
	if m.refuseOpen != nil && (m.refuseOnly == "" || m.refuseOnly == link.Name) {
		return nil, m.refuseOpen
	}
	m.open++
	c := &memoryConn{
		memory: m, id: portID{Link: link.Name, Protocol: p},
		frames: make(chan []byte), broken: make(chan error), closed: make(chan struct{}),
	}
	m.conns[c.id] = c
	return c, nil
}

func (m *memory) Groups(link Interface) (Groups, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.members[link.Name] = make(map[netip.Addr]bool)
	return &memoryGroups{memory: m, link: link.Name}, nil
}

// hear delivers a frame to a port and waits until it is dealt with. Of one that is
// about no address heeded, the port never knows.
func (m *memory) hear(link string, p Protocol, frame []byte) {
	if c := m.conn(link, p); c.heeds(frame) {
		c.frames <- frame
	}
	synctest.Wait()
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

// groups are the groups that a link is in once announcements have gone before.
func (m *memory) groups(link string) []netip.Addr {
	time.Sleep(10 * time.Millisecond)
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Keys(m.members[link]), netip.Addr.Compare)
}

// tries is how often something was opened, or refused to be.
func (m *memory) tries() int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opens
}

func (m *memory) stillOpen() int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

func (m *memory) conn(link string, p Protocol) *memoryConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conns[portID{Link: link, Protocol: p}]
}

// set changes m under its lock.
func (m *memory) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

type memoryConn struct {
	memory *memory
	id     portID
	frames chan []byte
	broken chan error
	closed chan struct{}
	heeded map[netip.Addr]bool // under memory's lock; nil: all
}

func (c *memoryConn) Heed(addrs []netip.Addr) error {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuseHeed != nil {
		return m.refuseHeed
	}
	c.heeded = nil
	if addrs != nil {
		c.heeded = make(map[netip.Addr]bool)
	}
	for _, addr := range addrs {
		c.heeded[addr] = true
	}
	return nil
}

// heed returns what a port hears of, sorted; nil: everything.
func (m *memory) heed(link string, p Protocol) []netip.Addr {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Keys(m.conns[portID{Link: link, Protocol: p}].heeded), netip.Addr.Compare)
}

func (c *memoryConn) heeds(frame []byte) (so bool) {
	c.memory.set(func() {
		so = c.heeded == nil
		if p, ok := parseARP(frame); ok {
			so = so || c.heeded[p.SPA] || c.heeded[p.TPA]
		}
		if p, ok := parseNDP(frame); ok {
			so = so || c.heeded[p.Src] || c.heeded[p.Target]
		}
	})
	return so
}

func (c *memoryConn) Read(b []byte) (int, error) {
	select {
	case f := <-c.frames:
		return copy(b, f), nil
	case err := <-c.broken:
		return 0, err
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *memoryConn) Write(b []byte) (int, error) {
	m := c.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuseWrite != nil {
		return 0, m.refuseWrite
	}
	m.sent = append(m.sent, sent{At: time.Since(m.start), Link: c.id.Link, What: inWords(b)})
	return len(b), nil
}

func (c *memoryConn) Close() error {
	c.memory.set(func() { c.memory.open-- })
	close(c.closed)
	return nil
}

// inWords says what a frame of ours says.
func inWords(b []byte) string {
	if p, ok := parseARP(b); ok {
		switch {
		case p.Op == arpRequest && p.SPA == p.TPA && p.Dst == broadcast():
			return fmt.Sprintf("announce %v at %v", p.SPA, p.SHA)
		case p.Op == arpReply && p.SPA == p.TPA && p.SHA == p.THA && p.Dst == broadcast():
			return fmt.Sprintf("announce %v at %v, as reply", p.SPA, p.SHA)
		case p.Op == arpRequest && p.SPA.IsUnspecified():
			return fmt.Sprintf("ask %v", p.TPA)
		case p.Op == arpReply:
			return fmt.Sprintf("tell %v: %v at %v", p.TPA, p.SPA, p.SHA)
		}
	}
	if p, ok := parseNDP(b); ok && p.Type == ndpAdvertise {
		if p.Dst == allNodes().IP {
			return fmt.Sprintf("announce %v at %v", p.Target, p.LinkAddr)
		}
		return fmt.Sprintf("tell %v: %v at %v", p.Dst, p.Target, p.LinkAddr)
	}
	if p, ok := parseNDP(b); ok && p.Type == ndpSolicit && p.Src.IsUnspecified() {
		return fmt.Sprintf("ask %v", p.Target)
	}
	return fmt.Sprintf("% x", b)
}

type memoryGroups struct {
	memory *memory
	link   string
}

func (g *memoryGroups) Join(group netip.Addr) error {
	m := g.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuseJoin != nil {
		return m.refuseJoin
	}
	if m.members[g.link][group] {
		return errors.New("joined twice")
	}
	m.members[g.link][group] = true
	return nil
}

func (g *memoryGroups) Leave(group netip.Addr) error {
	m := g.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.members[g.link], group)
	return nil
}

func (g *memoryGroups) Close() error {
	g.memory.set(func() { g.memory.open--; delete(g.memory.members, g.link) })
	return nil
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
type trial struct {
	*testing.T
	*Engine
	memory *memory
	log    *logbook
	stop   func() // ends Run; at the latest with the trial
}

// inTime runs f with a running engine in fake time, and checks that the engine
// leaves nothing open behind.
func inTime(t *testing.T, f func(tr *trial)) {
	t.Helper()
	inTimeWith(t, Options{Refresh: -1}, f)
}

// inTimeWith is inTime with an engine that is made of o.
func inTimeWith(t *testing.T, o Options, f func(tr *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr := &trial{T: t, memory: newMemory(), log: &logbook{}}
		var err error
		o.Wire = tr.memory
		o.Log = slog.New(slog.NewTextHandler(tr.log, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		}))
		tr.Engine, err = New(o)
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
			if got := tr.memory.stillOpen(); got != 0 {
				t.Errorf("%d sockets left open", got)
			}
		})
		defer tr.stop()
		synctest.Wait()
		f(tr)
	})
}

// wantSent checks what was sent since the last look.
func (tr *trial) wantSent(want ...sent) {
	tr.Helper()
	if diff := cmp.Diff(want, tr.memory.take()); diff != "" {
		tr.Error(diff)
	}
}

// link returns an interface with our MAC that speaks both protocols.
func link(name string, index int) Interface {
	return Interface{Name: name, Index: index, MAC: ours, ARP: true, NDP: true}
}

// onEth0 returns the announcements of addrs there.
func onEth0(addrs ...netip.Addr) []Announcement {
	var out []Announcement
	for _, addr := range addrs {
		out = append(out, Announcement{Addr: addr, Interfaces: []string{"eth0"}})
	}
	return out
}
