package bgp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// lab is an engine among routers that live in memory. It belongs into a synctest
// bubble: time passes only when everybody waits.
type lab struct {
	tb     testing.TB
	engine *Engine
	began  time.Time
	log    *bytes.Buffer
	stop   context.CancelCauseFunc
	ended  chan struct{}

	mu      sync.Mutex
	routers map[netip.AddrPort]*router
}

// newLab starts an engine whose dice always show the longest wait.
func newLab(tb testing.TB, change func(*Options)) *lab {
	tb.Helper()
	l := &lab{
		tb:      tb,
		began:   time.Now(),
		log:     new(bytes.Buffer),
		ended:   make(chan struct{}),
		routers: make(map[netip.AddrPort]*router),
	}
	o := Options{Wire: l, Node: "node-1", Log: slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.String(slog.TimeKey, time.Since(l.began).String())
			}
			return a
		},
	}))}
	if change != nil {
		change(&o)
	}
	engine, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	engine.dice = func() float64 { return 0 }
	l.engine = engine

	ctx, stop := context.WithCancelCause(tb.Context())
	l.stop = stop
	go func() {
		defer close(l.ended)
		if err := engine.Run(ctx); err != nil {
			tb.Error(err)
		}
	}()
	return l
}

// end stops the engine and waits for it.
func (l *lab) end(cause error) {
	l.stop(cause)
	<-l.ended
}

// router returns the router at an address, which is new and polite: in AS 64501,
// it takes all that we can offer.
func (l *lab) router(addr string) *router {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := netip.AddrPortFrom(netip.MustParseAddr(addr), 179)
	r := l.routers[at]
	if r == nil {
		r = &router{lab: l, at: at, path: pathTo(at), open: Open{
			ASN:          64501,
			RouterID:     netip.MustParseAddr("192.0.2.254"),
			HoldTime:     90 * time.Second,
			Families:     Families{IPv4: true, IPv6: true},
			RouteRefresh: true,
			FourOctetAS:  true,
		}}
		l.routers[at] = r
	}
	return r
}

// pathTo is an interface with one address of each kind.
func pathTo(remote netip.AddrPort) Path {
	p := Path{
		Remote:    remote,
		IPv4:      netip.MustParseAddr("192.0.2.11"),
		IPv6:      netip.MustParseAddr("2001:db8::11"),
		LinkLocal: netip.MustParseAddr("fe80::11"),
	}
	switch addr := remote.Addr(); {
	case addr.Is4():
		p.Local = netip.AddrPortFrom(p.IPv4, 40000)
	case addr.IsLinkLocalUnicast():
		p.Local = netip.AddrPortFrom(p.LinkLocal.WithZone(addr.Zone()), 40000)
	default:
		p.Local = netip.AddrPortFrom(p.IPv6, 40000)
	}
	return p
}

// Dial calls a router. Where there is none, nobody answers.
func (l *lab) Dial(ctx context.Context, t Target) (Conn, error) {
	l.mu.Lock()
	r := l.routers[t.Remote]
	l.mu.Unlock()
	if r == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return r.dial(ctx, t)
}

// router is the other end of sessions, and keeps a transcript of all it is told.
type router struct {
	lab  *lab
	at   netip.AddrPort
	path Path

	mu         sync.Mutex
	open       Open  // what it says
	refuse     error // fails attempts to connect
	away       bool  // lets them time out
	silent     bool  // says nothing by itself
	deaf       bool  // takes nothing
	slow       bool  // does not act on a NOTIFICATION
	narrow     bool  // attributes with communities do not fit
	target     Target
	opened     []Open // what it has been told
	transcript []string
	conn       *conn
	routes     map[netip.Prefix]Update // since the session began
	updates    int
	prefixes   int
}

// configure changes the router.
func (r *router) configure(change func(*router)) *router {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
	return r
}

func (r *router) dial(ctx context.Context, t Target) (Conn, error) {
	r.mu.Lock()
	away, refuse := r.away, r.refuse
	r.target = t
	r.note("call")
	r.mu.Unlock()
	if away {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if refuse != nil {
		return nil, refuse
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = make(map[netip.Prefix]Update)
	r.conn = &conn{router: r, inbox: make(chan heard, 100_000), closed: make(chan struct{})}
	return r.conn, nil
}

// note adds a line to the transcript.
func (r *router) note(line string) {
	r.transcript = append(r.transcript, fmt.Sprintf("%v %s", time.Since(r.lab.began), line))
}

// told returns the transcript since the last time it was asked for, once
// everybody waits.
func (r *router) told() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.transcript
	r.transcript = nil
	return lines
}

// has returns the routes that the router has, with their communities only.
func (r *router) has() Routes {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Route
	for p, u := range r.routes {
		route := Route{Prefix: p}
		if u.Attributes != nil {
			route.Attributes = &Attributes{Communities: u.Attributes.Communities}
		}
		out = append(out, route)
	}
	return Routes{}.Edit(out, nil)
}

// says makes the router say something, or break the connection.
func (r *router) says(m Message, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		r.conn.inbox <- heard{m, err}
	}
}

// closes ends the connection without a word.
func (r *router) closes() { r.says(nil, io.EOF) }

// conn is a connection as the engine sees it.
type conn struct {
	router *router
	inbox  chan heard
	once   sync.Once
	closed chan struct{}
}

func (c *conn) Path() Path { return c.router.path }

func (c *conn) Receive() (Message, error) {
	select {
	case h := <-c.inbox:
		return h.message, h.err
	case <-c.closed:
		return nil, net.ErrClosed
	}
}

func (c *conn) Send(m Message) (int, error) {
	r := c.router
	r.mu.Lock()
	defer r.mu.Unlock()
	if u, ok := m.(Update); ok && r.narrow && u.Attributes != nil && len(u.Attributes.Communities) > 0 {
		return 0, syscall.EMSGSIZE
	}
	if r.deaf {
		r.mu.Unlock()
		<-c.closed
		r.mu.Lock()
		return 0, net.ErrClosed
	}
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	r.note(describe(m))
	switch m := m.(type) {
	case Open:
		r.opened = append(r.opened, m)
		if !r.silent {
			c.inbox <- heard{message: r.open}
		}
	case Keepalive:
		if !r.silent {
			c.inbox <- heard{message: Keepalive{}}
		}
	case Notification:
		if !r.silent && !r.slow {
			c.inbox <- heard{err: io.EOF}
		}
	case Update:
		for _, p := range m.Announce {
			r.routes[p] = m
		}
		for _, p := range m.Withdraw {
			delete(r.routes, p)
		}
		r.updates++
		r.prefixes += len(m.Announce)
	}
	return 1, nil
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.router.mu.Lock()
		c.router.note("close")
		c.router.mu.Unlock()
	})
	return nil
}

// describe is a message in a line.
func describe(m Message) string {
	switch m := m.(type) {
	case Open:
		return fmt.Sprintf("open AS%d", m.ASN)
	case Keepalive:
		return "keepalive"
	case Notification:
		return "notification " + m.String()
	case EndOfRIB:
		if m.IPv6 {
			return "end of ipv6"
		}
		return "end of ipv4"
	case Update:
		var parts []string
		if n := len(m.Announce); n > 0 {
			parts = append(parts, fmt.Sprintf("+%s via %s", some(m.Announce), m.NextHop))
			if m.LinkLocal.IsValid() {
				parts = append(parts, fmt.Sprintf("and %s", m.LinkLocal))
			}
			if len(m.ASPath) > 0 {
				parts = append(parts, fmt.Sprintf("path %v", m.ASPath))
			}
			if m.HasLocalPref {
				parts = append(parts, fmt.Sprintf("pref %d", m.LocalPref))
			}
			if m.Attributes != nil && len(m.Attributes.Communities) > 0 {
				parts = append(parts, fmt.Sprintf("tags %v", m.Attributes.Communities))
			}
		}
		if len(m.Withdraw) > 0 {
			parts = append(parts, "-"+some(m.Withdraw))
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprintf("%T", m)
}

func some(prefixes []netip.Prefix) string {
	if len(prefixes) > 3 {
		return fmt.Sprintf("%d", len(prefixes))
	}
	var out []string
	for _, p := range prefixes {
		out = append(out, p.String())
	}
	return strings.Join(out, ",")
}

// peer is a peer at an address, in AS 64501, with routes.
func peer(name, addr string, routes ...Route) Peer {
	return Peer{
		Name: name,
		Session: Session{
			Address:  netip.MustParseAddr(addr),
			LocalASN: 64500,
			PeerASN:  64501,
			Families: Families{IPv4: true, IPv6: true},
		},
		Routes: Routes{}.Edit(routes, nil),
	}
}

// with returns the peer with another session.
func (p Peer) with(change func(*Session)) Peer {
	change(&p.Session)
	return p
}

// status returns the status of a peer once everybody waits.
func (l *lab) status(name string) PeerStatus {
	l.tb.Helper()
	synctest.Wait()
	for _, s := range l.engine.Status().Peers {
		if s.Name == name {
			return s
		}
	}
	l.tb.Fatalf("there is no peer %s", name)
	return PeerStatus{}
}

// logged returns the lines of the log at level Info since the last time.
func (l *lab) logged() []string {
	synctest.Wait()
	var out []string
	for line := range strings.Lines(l.log.String()) {
		if after, ok := strings.CutPrefix(line, "time="); ok && strings.Contains(line, "level=INFO") {
			out = append(out, strings.TrimSpace(strings.Replace(after, " level=INFO", "", 1)))
		}
	}
	l.log.Reset()
	return out
}
