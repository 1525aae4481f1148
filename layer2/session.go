package layer2

import (
	"fmt"
	"net/netip"
	"time"
)

// session is a port while it is open: its sockets and its reader.
type session struct {
	openedAt    time.Time
	conn        Conn
	heeded      []netip.Addr // what conn was told matters; nil: all
	memberships memberships
	announced   map[netip.Addr]bool

	unwanted chan struct{} // closed when nobody waits to hear of the reader's end
	done     chan struct{} // closed at the reader's end
}

// broken is a session whose reader has ended by itself, and why.
type broken struct {
	port    *port
	session *session
	err     error
}

// open opens the sockets of p and starts their reader.
func (l *loop) open(p *port, now time.Time) (*session, error) {
	if !p.link.MAC.isStation() {
		return nil, fmt.Errorf("layer2: failed to open %v socket on %s: the interface has no hardware address", p.id.Protocol, p.id.Link)
	}
	conn, err := l.engine.wire.Open(p.link, p.id.Protocol)
	if err != nil {
		return nil, fmt.Errorf("layer2: failed to open %v socket on %s: %w", p.id.Protocol, p.id.Link, err)
	}
	s := &session{openedAt: now, conn: conn, announced: map[netip.Addr]bool{}, unwanted: make(chan struct{}), done: make(chan struct{})}
	if p.id.Protocol == NDP {
		groups, err := l.engine.wire.Groups(p.link)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("layer2: failed to open multicast groups on %s: %w", p.id.Link, err)
		}
		s.memberships = memberships{link: p.id.Link, groups: groups, joined: make(map[netip.Addr]bool)}
	}
	r := responder{
		link: p.link, protocol: p.id.Protocol, table: &l.engine.table, stations: &l.engine.stations,
		fit: l.engine.fit, contests: l.contests.heard,
	}
	l.readers.Go(func() {
		defer close(s.done)
		b := broken{port: p, session: s, err: r.serve(conn)}
		select {
		case l.broken <- b:
		case <-s.unwanted:
		}
	})
	return s, nil
}

// heed has s hear of addrs, which it keeps; nil: of everything.
func (s *session) heed(addrs []netip.Addr) error {
	err := s.conn.Heed(addrs)
	if err == nil {
		s.heeded = addrs
	}
	return err
}

// close returns after the reader's end.
func (s *session) close() {
	close(s.unwanted)
	_ = s.conn.Close() // a socket that cannot be closed is one that is gone
	if s.memberships.groups != nil {
		_ = s.memberships.groups.Close()
	}
	<-s.done
}
