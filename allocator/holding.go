package allocator

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// holding is one address that a Service has, and with whom it shares it.
type holding struct {
	addr     netip.Addr
	identity identity
	ports    []config.Port // none unless the address can be shared
}

func (h holding) equal(o holding) bool {
	return h.addr == o.addr && h.identity == o.identity && slices.Equal(h.ports, o.ports)
}

// has reports whether the record holds exactly that.
func (r record) has(h holding) bool { return slices.ContainsFunc(r.holdings, h.equal) }

// holdings returns what a Service holds once it is assigned a: those addresses,
// and as long as its status does not say the same, what it held before and what
// the status shows that nobody else has. Of a Service that is assigned nothing,
// only what the status shows remains.
func (l *Ledger) holdings(svc *config.Service, a Assignment) []holding {
	old := l.services[svc.Name]
	id := identityOf(svc)
	next := make([]holding, 0, len(a.Addresses))
	for _, addr := range a.Addresses {
		h := holding{addr: addr, identity: id}
		if id.key != "" {
			h.ports = svc.Ports
		}
		next = append(next, h)
	}
	if sameAddresses(svc.Addresses, a.Addresses) {
		return next
	}
	for _, h := range old.holdings {
		shown := slices.Contains(svc.Addresses, h.addr)
		if !slices.Contains(a.Addresses, h.addr) && (shown || len(a.Addresses) > 0) {
			next = append(next, h)
		}
	}
	for _, addr := range svc.Addresses {
		if l.tenants[addr] == nil && !slices.Contains(a.Addresses, addr) {
			next = append(next, holding{addr: addr})
		}
	}
	return next
}

// enter adds a Service to the holders of an address.
func (l *Ledger) enter(name types.NamespacedName, h holding) {
	t := l.tenants[h.addr]
	if t == nil {
		t = &tenancy{identity: h.identity}
		if h.identity.key != "" {
			t.ports = make(map[config.Port]types.NamespacedName)
			setOf(l.shared, h.identity).add(h.addr)
			l.openings++
		}
		l.tenants[h.addr] = t
	}
	if i, found := slices.BinarySearchFunc(t.holders, name, compareNames); !found {
		t.holders = slices.Insert(t.holders, i, name)
	}
	for _, p := range h.ports {
		t.ports[p] = name
		setOf(l.ports, use{h.identity, p}).add(h.addr)
	}
	l.review(h.addr)
}

// leave takes a Service off the holders of an address.
func (l *Ledger) leave(name types.NamespacedName, h holding) {
	t := l.tenants[h.addr]
	if t == nil {
		return // listed twice
	}
	l.openings++
	for _, p := range h.ports {
		delete(t.ports, p)
		dropFrom(l.ports, use{h.identity, p}, h.addr)
	}
	if i, found := slices.BinarySearchFunc(t.holders, name, compareNames); found {
		t.holders = slices.Delete(t.holders, i, i+1)
	}
	if len(t.holders) > 0 {
		l.review(h.addr)
		return
	}
	if h.identity.key != "" {
		dropFrom(l.shared, h.identity, h.addr)
	}
	l.source(h.addr, "")
	delete(l.tenants, h.addr)
	l.review(h.addr)
}

// source notes the pool that an address in use is from, and counts it there.
func (l *Ledger) source(a netip.Addr, pool string) {
	t := l.tenants[a]
	if t.pool == pool {
		return
	}
	l.countIn(t.pool, a, -1)
	l.countIn(pool, a, +1)
	t.pool = pool
}

// countIn adds to the number of addresses in use of a pool, if there is one.
func (l *Ledger) countIn(pool string, a netip.Addr, by int64) {
	if pool == "" {
		return
	}
	n := l.assigned[pool]
	n[slot(config.FamilyOf(a))] += by
	if n == (count{}) {
		delete(l.assigned, pool)
		return
	}
	l.assigned[pool] = n
}

// serve counts a Service in or out of the pool of its assignment.
func (l *Ledger) serve(a Assignment, by int64) {
	if len(a.Addresses) == 0 {
		return
	}
	if l.served[a.Pool] += by; l.served[a.Pool] == 0 {
		delete(l.served, a.Pool)
	}
}

// setOf returns the set at a key, made if there is none.
func setOf[K comparable](sets map[K]*addressSet, key K) *addressSet {
	s := sets[key]
	if s == nil {
		s = &addressSet{}
		sets[key] = s
	}
	return s
}

// dropFrom takes an address out of the set at a key, and an empty set out of
// the map.
func dropFrom[K comparable](sets map[K]*addressSet, key K, a netip.Addr) {
	if s := sets[key]; s != nil {
		s.remove(a)
		if s.empty() {
			delete(sets, key)
		}
	}
}

// sameAddresses compares two lists without repetitions as sets.
func sameAddresses(a, b []netip.Addr) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.Addr) bool { return !slices.Contains(b, x) })
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
