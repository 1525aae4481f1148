package members

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/memberlist"
)

// Member is one live member.
type Member struct {
	// Name is its node's name.
	Name string
	Addr netip.AddrPort
	Card Card
}

// roster is what one memberlist says through its callbacks. They are made under
// memberlist's own lock, so they note and return; and they are the only place
// where a node's address may be read without a race.
type roster struct {
	changed chan struct{}

	mu   sync.Mutex
	live map[string]Member
}

var _ memberlist.EventDelegate = (*roster)(nil)

func newRoster() *roster {
	return &roster{changed: make(chan struct{}, 1), live: make(map[string]Member)}
}

// NotifyJoin implements memberlist.EventDelegate.
func (r *roster) NotifyJoin(n *memberlist.Node) {
	addr, _ := netip.AddrFromSlice(n.Addr)

	r.mu.Lock()
	r.live[n.Name] = Member{
		Name: n.Name,
		Addr: netip.AddrPortFrom(addr.Unmap(), n.Port),
		Card: parseCard(bytes.Clone(n.Meta)),
	}
	r.mu.Unlock()
	signal(r.changed)
}

// NotifyLeave implements memberlist.EventDelegate.
func (r *roster) NotifyLeave(n *memberlist.Node) {
	r.mu.Lock()
	delete(r.live, n.Name)
	r.mu.Unlock()
	signal(r.changed)
}

// NotifyUpdate implements memberlist.EventDelegate.
func (r *roster) NotifyUpdate(n *memberlist.Node) { r.NotifyJoin(n) }

// members returns the live members, sorted by name.
func (r *roster) members() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()

	out := make([]Member, 0, len(r.live))
	for _, m := range r.live {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })

	return out
}

// missing returns the peers at whose address nobody lives.
func (r *roster) missing(peers []netip.AddrPort) []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()

	there := make(map[netip.AddrPort]bool, len(r.live))
	for _, m := range r.live {
		there[m.Addr] = true
	}

	return slices.DeleteFunc(slices.Clone(peers), func(p netip.AddrPort) bool { return there[p] })
}
