package members

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"
)

// roster is what one memberlist says through its callbacks. They are made under
// memberlist's own lock, so they note and return; and they are the only place
// where a node's address may be read without a race.
type roster struct {
	changed chan struct{}

	mu   sync.Mutex
	live map[string]netip.AddrPort
}

var _ memberlist.EventDelegate = (*roster)(nil)

func newRoster() *roster {
	return &roster{changed: make(chan struct{}, 1), live: make(map[string]netip.AddrPort)}
}

// NotifyJoin implements memberlist.EventDelegate.
func (r *roster) NotifyJoin(n *memberlist.Node) {
	addr, _ := netip.AddrFromSlice(n.Addr)

	r.mu.Lock()
	r.live[n.Name] = netip.AddrPortFrom(addr.Unmap(), n.Port)
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

// NotifyUpdate implements memberlist.EventDelegate. Metadata is not used.
func (r *roster) NotifyUpdate(*memberlist.Node) {}

// names returns the live members, sorted.
func (r *roster) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Sorted(maps.Keys(r.live))
}

// missing returns the peers at whose address nobody lives.
func (r *roster) missing(peers []netip.AddrPort) []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()

	there := make(map[netip.AddrPort]bool, len(r.live))
	for _, a := range r.live {
		there[a] = true
	}

	return slices.DeleteFunc(slices.Clone(peers), func(p netip.AddrPort) bool { return there[p] })
}
