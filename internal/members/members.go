package members

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/memberlist"
)

// DefaultPort is memberlist's port, TCP and UDP.
const DefaultPort = 7946

// Options configures a List. Node and BindAddr are required.
type Options struct {
	// Node is this member's name, the Kubernetes node name.
	Node string
	// BindAddr is where this member listens, TCP and UDP, and the address by
	// which the others know it; so it may not be 0.0.0.0 or ::. Port 0 stands
	// for DefaultPort.
	BindAddr netip.AddrPort
	// Key is the content of the key file. Default: none, which is plaintext.
	Key []byte
	// WAN chooses memberlist's slower defaults for wide-area networks.
	WAN bool
	// Tuning replaces the defaults, LAN or WAN. Default: none.
	Tuning *Tuning
	// Card is what this member says of itself; SetCard changes it.
	Card Card
	// Aside takes the packets that are not memberlist's, and reports whether one
	// was not. It must not block, and may keep the packet. Default: all are.
	Aside func(packet []byte) bool
	// Log receives who joined, who left and who cannot be reached. Default: none.
	Log *slog.Logger
}

// List is this node's view of the members.
type List struct {
	node   string
	bind   netip.AddrPort
	wan    bool
	tuning *Tuning
	aside  func([]byte) bool
	log    *slog.Logger
	listen func(context.Context, netip.AddrPort) (memberlist.NodeAwareTransport, error)

	ran     atomic.Bool
	wake    chan struct{}
	changed chan struct{}

	mu    sync.Mutex
	want  wanted
	names []string
	all   []Member
	port  memberlist.NodeAwareTransport // nil: closed
}

// wanted is what other goroutines have asked for.
type wanted struct {
	keys  keyset
	peers []netip.AddrPort // nil before the first SetPeers
	card  Card
}

// full returns the card with what the List itself has to say.
func (w wanted) full() Card {
	c := w.card
	c.Keys = w.keys.marks

	return c
}

// New returns a List that listens, and knows anybody, only once it runs.
func New(o Options) (*List, error) {
	switch {
	case o.Node == "":
		return nil, errors.New("members: failed to configure: the node has no name")
	case !o.BindAddr.IsValid() || o.BindAddr.Addr().IsUnspecified():
		return nil, fmt.Errorf("members: failed to configure: bind address %v is not one that other nodes can reach", o.BindAddr)
	}
	if o.Tuning != nil {
		if err := o.Tuning.validate(); err != nil {
			return nil, fmt.Errorf("members: failed to configure: %w", err)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	return &List{
		node:    o.Node,
		bind:    normal(o.BindAddr, DefaultPort),
		wan:     o.WAN,
		tuning:  o.Tuning,
		aside:   o.Aside,
		log:     o.Log,
		listen:  listen,
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		want:    wanted{keys: newKeyset(o.Key), card: o.Card},
	}, nil
}

// SetPeers names the addresses at which members are to be found: all of them,
// this node's own may be among them. Those that are not members yet, or no
// longer, are called until they are. Port 0 stands for this node's own port.
// SetPeers never blocks; the last call wins.
func (l *List) SetPeers(peers []netip.AddrPort) {
	own := make([]netip.AddrPort, 0, len(peers))
	for _, p := range peers {
		if p = normal(p, l.bind.Port()); p.IsValid() && p != l.bind {
			own = append(own, p)
		}
	}
	slices.SortFunc(own, netip.AddrPort.Compare)
	own = slices.Compact(own)

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.want.peers == nil || !slices.Equal(l.want.peers, own) {
		l.want.peers = own
		signal(l.wake)
	}
}

// SetKey sets the key that encrypts and those that are accepted besides it,
// each as the bytes of a key file. An empty one stands for plaintext. The
// package comment shows how to change keys without a split. SetKey never
// blocks; the last call wins.
func (l *List) SetKey(primary []byte, others ...[]byte) {
	keys := newKeyset(primary, others...)

	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.want.keys.equal(keys) {
		l.want.keys = keys
		signal(l.wake)
	}
}

// SetCard sets what this member says of itself. It never blocks; the last call
// wins.
func (l *List) SetCard(c Card) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.want.card.Equal(c) {
		l.want.card = c
		signal(l.wake)
	}
}

// Roster returns the live members with what they say of themselves, this one
// among them, sorted by name. It is nil as long as Members is. The slice is
// shared: callers must not modify it.
func (l *List) Roster() []Member {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.all
}

// Members returns the sorted names of the live members, this node among them.
// It is nil until the view is complete: until the peers are known, and each of
// them has become a member, or has been called in vain, or has not answered
// within two seconds after another did. A peer that is there and has another key
// is waited for, ten minutes at most. The slice is shared: callers must not
// modify it.
func (l *List) Members() []string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.names
}

// Changed receives after every change of what Members or Roster returns. Changes that
// the receiver has not yet picked up are one signal.
func (l *List) Changed() <-chan struct{} {
	return l.changed
}

func (l *List) wanted() wanted {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.want
}

// publish makes these the members, and reports whether their names are new.
func (l *List) publish(all []Member) bool {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	l.mu.Lock()
	old, before := l.names, l.all
	l.names, l.all = names, all
	l.mu.Unlock()

	same := func(a, b Member) bool { return a.Name == b.Name && a.Addr == b.Addr && a.Card.Equal(b.Card) }
	if old != nil && slices.Equal(old, names) {
		if !slices.EqualFunc(before, all, same) {
			signal(l.changed)
		}
		return false
	}
	for _, n := range names {
		if !slices.Contains(old, n) && n != l.node {
			l.log.Info("member joined", slog.String("node", n))
		}
	}
	for _, n := range old {
		if !slices.Contains(names, n) {
			l.log.Info("member left", slog.String("node", n))
		}
	}
	signal(l.changed)

	return true
}

// normal is how addresses are compared: IPv4 as such, and with a port.
func normal(a netip.AddrPort, port uint16) netip.AddrPort {
	if a.Port() != 0 {
		port = a.Port()
	}

	return netip.AddrPortFrom(a.Addr().Unmap(), port)
}

// signal leaves a signal unless there already is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
