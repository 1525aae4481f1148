package allocator

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// Ledger is who holds which address. It knows no pools: they may come, go and
// change under it without a word, and every call costs what it touches.
//
// Whatever it is told, no two Services in it hold one address unless they may
// share it. A Ledger belongs to one goroutine at a time.
type Ledger struct {
	services map[types.NamespacedName]record
	tenants  map[netip.Addr]*tenancy

	// used, shared and ports index the addresses of tenants: all of them, those
	// of an identity, and those of an identity on which a port is taken.
	used   addressSet
	shared map[identity]*addressSet
	ports  map[use]*addressSet

	assigned map[string]count
	openings uint64
}

// record is what the ledger knows of one Service.
type record struct {
	assignment Assignment
	// identity and ports are those it holds its addresses with.
	identity identity
	ports    []config.Port
	// said is what stood against the Service when it was last told.
	said []Note
}

// count is a number of addresses per family, by slot.
type count [2]int64

// NewLedger returns a ledger in which nobody holds anything.
func NewLedger() *Ledger {
	return &Ledger{
		services: make(map[types.NamespacedName]record),
		tenants:  make(map[netip.Addr]*tenancy),
		shared:   make(map[identity]*addressSet),
		ports:    make(map[use]*addressSet),
		assigned: make(map[string]count),
	}
}

// Assignment returns what a Service holds; ok is false if that is nothing.
func (l *Ledger) Assignment(name types.NamespacedName) (a Assignment, ok bool) {
	r := l.services[name]
	return r.assignment, len(r.assignment.Addresses) > 0
}

// Holders returns the Services that hold an address, sorted by name; several
// share it.
func (l *Ledger) Holders(a netip.Addr) []types.NamespacedName {
	if t := l.tenants[a]; t != nil {
		return slices.Clone(t.holders)
	}
	return nil
}

// Openings counts the changes after which a Service that waits may find an
// address: one was freed, or one may be shared that could not be before. A
// caller that sees it move asks again for those that wait.
func (l *Ledger) Openings() uint64 { return l.openings }

// Apply enters the outcome of an [Assign] on this ledger and the Service it
// was made for. It fails, and changes nothing, if another Service has taken an
// address of the outcome in between.
func (l *Ledger) Apply(svc config.Service, o Outcome) error {
	if o.Action == Ignore {
		return nil
	}
	if err := l.Record(svc, o.Assignment); err != nil {
		return err
	}
	l.remember(svc.Name, o.Standing)
	return nil
}

// remember keeps what a Service has been told, for [Assign] not to repeat it.
func (l *Ledger) remember(name types.NamespacedName, said []Note) {
	r, known := l.services[name]
	if known || len(said) > 0 {
		r.said = said
		l.services[name] = r
	}
}

// Record enters that a Service holds these addresses, all of them from one
// pool, and no others; the zero Assignment releases it. It fails, and changes
// nothing, if another Service holds one of them and the two may not share it.
func (l *Ledger) Record(svc config.Service, a Assignment) error {
	if len(a.Addresses) == 0 {
		l.Release(svc.Name)
		return nil
	}
	for _, addr := range a.Addresses {
		if c, ok := l.conflictAt(addr, &svc); ok {
			return fmt.Errorf("allocator: failed to record %s for %s: %s", addr, svc.Name, c)
		}
	}
	old := l.services[svc.Name]
	r := record{assignment: a, identity: identityOf(&svc), said: old.said}
	if r.identity.key != "" {
		r.ports = svc.Ports
	}
	if !old.assignment.Equal(a) || old.identity != r.identity || !slices.Equal(old.ports, r.ports) {
		l.vacate(svc.Name)
		l.occupy(svc.Name, r)
	}
	l.services[svc.Name] = r
	return nil
}

// Release forgets a Service and frees what it holds, for others to take at
// once. A Service that is deleted is released.
func (l *Ledger) Release(name types.NamespacedName) {
	l.vacate(name)
	delete(l.services, name)
}

// occupy enters a Service that holds nothing as a holder of its addresses.
func (l *Ledger) occupy(name types.NamespacedName, r record) {
	for _, a := range r.assignment.Addresses {
		t := l.tenants[a]
		if t == nil {
			t = &tenancy{identity: r.identity}
			if r.identity.key != "" {
				t.ports = make(map[config.Port]types.NamespacedName)
				setOf(l.shared, r.identity).add(a)
				l.openings++
			}
			l.tenants[a] = t
			l.used.add(a)
			l.countIn(r.assignment.Pool, a, +1)
		} else {
			l.countIn(t.pool, a, -1)
			l.countIn(r.assignment.Pool, a, +1)
		}
		t.pool = r.assignment.Pool
		if i, found := slices.BinarySearchFunc(t.holders, name, compareNames); !found {
			t.holders = slices.Insert(t.holders, i, name)
		}
		for _, p := range r.ports {
			t.ports[p] = name
			setOf(l.ports, use{r.identity, p}).add(a)
		}
	}
}

// vacate takes a Service off its addresses. Its record stays.
func (l *Ledger) vacate(name types.NamespacedName) {
	r := l.services[name]
	for _, a := range r.assignment.Addresses {
		t := l.tenants[a]
		if t == nil {
			continue // listed twice
		}
		l.openings++
		for _, p := range r.ports {
			delete(t.ports, p)
			dropFrom(l.ports, use{r.identity, p}, a)
		}
		if i, found := slices.BinarySearchFunc(t.holders, name, compareNames); found {
			t.holders = slices.Delete(t.holders, i, i+1)
		}
		if len(t.holders) > 0 {
			continue
		}
		if r.identity.key != "" {
			dropFrom(l.shared, r.identity, a)
		}
		delete(l.tenants, a)
		l.used.remove(a)
		l.countIn(t.pool, a, -1)
	}
}

// countIn adds to the number of addresses in use of a pool.
func (l *Ledger) countIn(pool string, a netip.Addr, by int64) {
	n := l.assigned[pool]
	n[slot(config.FamilyOf(a))] += by
	if n == (count{}) {
		delete(l.assigned, pool)
		return
	}
	l.assigned[pool] = n
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

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
