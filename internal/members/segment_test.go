package members

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// segment is a network in memory, for members in synctest's time. It loses what
// it is told to lose.
type segment struct {
	mu    sync.Mutex
	ports map[netip.AddrPort]*segmentPort
	side  map[netip.AddrPort]string // who reaches whom: those on the same side
}

// newSegment also sees to it that no goroutine outlives Run by more than a
// minute: time stops when the test has ended, and synctest then fails it if
// somebody still waits.
func newSegment(t *testing.T) *segment {
	t.Helper()
	t.Cleanup(func() { time.Sleep(time.Minute) })

	return &segment{ports: make(map[netip.AddrPort]*segmentPort), side: make(map[netip.AddrPort]string)}
}

// move puts an address on a side of a partition; all start on the side "".
func (s *segment) move(side string, addrs ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range addrs {
		s.side[a] = side
	}
}

// route returns the port at an address, and whether the way to it is open.
func (s *segment) route(from, to netip.AddrPort) (port *segmentPort, reachable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.ports[to], s.side[from] == s.side[to]
}

func (s *segment) listen(_ context.Context, addr netip.AddrPort) (memberlist.NodeAwareTransport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ports[addr] != nil {
		return nil, syscall.EADDRINUSE
	}
	p := &segmentPort{
		segment: s,
		addr:    addr,
		packets: make(chan *memberlist.Packet, 256),
		streams: make(chan net.Conn),
		done:    make(chan struct{}),
	}
	s.ports[addr] = p

	return p, nil
}

type segmentPort struct {
	segment *segment
	addr    netip.AddrPort
	packets chan *memberlist.Packet
	streams chan net.Conn
	done    chan struct{}
}

func (p *segmentPort) FinalAdvertiseAddr(string, int) (net.IP, int, error) { //nolint:forbidigo // the library's edge
	return p.addr.Addr().AsSlice(), int(p.addr.Port()), nil
}

func (p *segmentPort) PacketCh() <-chan *memberlist.Packet { return p.packets }

func (p *segmentPort) StreamCh() <-chan net.Conn { return p.streams }

func (p *segmentPort) WriteTo(b []byte, addr string) (time.Time, error) {
	to, reachable := p.segment.route(p.addr, netip.MustParseAddrPort(addr))
	if to != nil && reachable {
		packet := &memberlist.Packet{Buf: bytes.Clone(b), From: net.UDPAddrFromAddrPort(p.addr), Timestamp: time.Now()}
		select {
		case to.packets <- packet:
		default: // lost, as on any wire
		}
	}

	return time.Now(), nil
}

func (p *segmentPort) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return p.WriteTo(b, a.Addr)
}

func (p *segmentPort) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	to, reachable := p.segment.route(p.addr, netip.MustParseAddrPort(addr))
	switch {
	case !reachable:
		select {
		case <-time.After(timeout):
			return nil, os.ErrDeadlineExceeded
		case <-p.done:
			return nil, net.ErrClosed
		}
	case to == nil:
		return nil, syscall.ECONNREFUSED
	}
	near, far := net.Pipe()
	select {
	case to.streams <- far:
		return near, nil
	case <-to.done:
		return nil, syscall.ECONNRESET
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *segmentPort) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return p.DialTimeout(a.Addr, timeout)
}

func (p *segmentPort) Shutdown() error {
	p.segment.mu.Lock()
	defer p.segment.mu.Unlock()
	delete(p.segment.ports, p.addr)
	close(p.done)

	return nil
}

// node is a List that runs on a segment.
type node struct {
	*List
	t    *testing.T
	addr netip.AddrPort
	log  *logBuffer
	stop func()
}

// address is that of node n: the nodes are n1, n2 and so on.
func address(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), DefaultPort)
}

func addresses(ns ...int) []netip.AddrPort {
	all := make([]netip.AddrPort, len(ns))
	for i, n := range ns {
		all[i] = address(n)
	}

	return all
}

// start runs node n until the test ends or calls its stop.
func (s *segment) start(t *testing.T, n int, o Options) *node {
	t.Helper()

	nd := &node{t: t, addr: address(n), log: &logBuffer{}}
	o.Node, o.BindAddr = fmt.Sprintf("n%d", n), nd.addr
	o.Log = slog.New(slog.NewTextHandler(nd.log, nil))
	var err error
	if nd.List, err = New(o); err != nil {
		t.Fatal(err)
	}
	nd.listen = s.listen

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- nd.Run(ctx) }()
	nd.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: Run: %v", o.Node, err)
		}
	})
	t.Cleanup(nd.stop)

	return nd
}

// startAll runs the nodes n1 to nN, which know each other's addresses.
func (s *segment) startAll(t *testing.T, n int, o Options) []*node {
	t.Helper()

	var peers []netip.AddrPort
	for i := range n {
		peers = append(peers, address(i+1))
	}
	nodes := make([]*node, n)
	for i := range nodes {
		nodes[i] = s.start(t, i+1, o)
		nodes[i].SetPeers(peers)
	}
	for _, nd := range nodes {
		nd.await(time.Minute, nodeNames(n)...)
	}

	return nodes
}

// nodeNames are n1 to nN.
func nodeNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i+1)
	}
	slices.Sort(names)

	return names
}

// await waits until the members are these, and returns how long that took.
func (n *node) await(atMost time.Duration, names ...string) time.Duration {
	n.t.Helper()

	start := time.Now()
	timeout := time.After(atMost)
	for !slices.Equal(n.Members(), names) {
		select {
		case <-n.Changed():
		case <-timeout:
			n.t.Fatalf("%s: members after %v are %v, want %v\n%s", n.node, atMost, n.Members(), names, n.log)
		}
	}

	return time.Since(start)
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.buf.String()
}

// lines returns the lines that contain all the words.
func (b *logBuffer) lines(words ...string) []string {
	var found []string
	for line := range strings.Lines(b.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}

	return found
}
