package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// Ledger is who holds which address. It knows no pools: they may come, go and
// change under it without a word, and every call costs what it touches.
//
// Whatever it is told, no two Services in it hold one address unless they may
// share it. What a Service gives up stays its own until its status is seen to
// say so, because until then it may still be announced: of two Services that
// show one address in their status, neither got it from here.
//
// A Ledger belongs to one goroutine at a time.
type Ledger struct {
	services map[types.NamespacedName]record
	tenants  map[netip.Addr]*tenancy

	// used, shared and ports index the addresses of tenants: all of them, those
	// of an identity, and those of an identity on which a port is taken.
	used   addressSet
	shared map[identity]*addressSet
	ports  map[use]*addressSet

	learned

	assigned map[string]count
	// served counts the Services with an assignment from a pool.
	served   map[string]int64
	openings uint64
}

// record is what the ledger knows of one Service.
type record struct {
	assignment Assignment
	// holdings are the addresses of the assignment, and those that the status
	// may still show.
	holdings []holding
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
		learned:  newLearned(),
		assigned: make(map[string]count),
		served:   make(map[string]int64),
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

// Openings counts the changes after which a Service with Refusals may fare
// better: an address was freed, or one may be shared that could not be before.
// A caller that sees it move asks again for those Services.
func (l *Ledger) Openings() uint64 { return l.openings }

// Apply enters the outcome of an [Assign] on this ledger and the Service it
// was made for. It fails, and changes nothing, if another Service has taken an
// address of the outcome in between.
func (l *Ledger) Apply(svc config.Service, o Outcome) error {
	if err := l.Record(svc, o.Assignment); err != nil {
		return err
	}
	l.remember(svc.Name, o.Standing)
	return nil
}

// Record enters that a Service is assigned these addresses, all of them from
// one pool, and no others. It fails, and changes nothing, if another Service
// holds one of them and the two may not share it.
func (l *Ledger) Record(svc config.Service, a Assignment) error {
	for _, addr := range a.Addresses {
		if c, ok := l.conflictAt(addr, &svc); ok {
			return fmt.Errorf("allocator: failed to record %s for %s: %s", addr, svc.Name, c)
		}
	}
	old := l.services[svc.Name]
	next := record{assignment: a, holdings: l.holdings(&svc, a), said: old.said}
	for _, h := range old.holdings {
		if !next.has(h) {
			l.leave(svc.Name, h)
		}
	}
	for _, h := range next.holdings {
		if !old.has(h) {
			l.enter(svc.Name, h)
		}
	}
	for _, addr := range a.Addresses {
		l.source(addr, a.Pool)
	}
	l.serve(old.assignment, -1)
	l.serve(a, +1)
	l.keep(svc.Name, next)
	return nil
}

// Release forgets a Service and frees all it holds, for others to take at
// once: it is deleted, and its status with it.
func (l *Ledger) Release(name types.NamespacedName) {
	for _, h := range l.services[name].holdings {
		l.leave(name, h)
	}
	l.serve(l.services[name].assignment, -1)
	delete(l.services, name)
}

// Memo is what the ledger says of one Service at one time.
type Memo struct {
	assignment Assignment
	said       []Note
}

// Memo remembers what a Service holds, for [Ledger.Restore].
func (l *Ledger) Memo(name types.NamespacedName) Memo {
	r := l.services[name]
	return Memo{r.assignment, r.said}
}

// Restore takes back an outcome that was applied and could not be carried out:
// the address turned out to be another's. What the Service held before it holds
// again, if its status shows it and it is not another's as well. What was never
// written it does not hold on to: two Services might wait for each other.
func (l *Ledger) Restore(svc config.Service, m Memo) {
	if !sameAddresses(svc.Addresses, m.assignment.Addresses) || l.Record(svc, m.assignment) != nil {
		// Nothing is in nobody's way, so this cannot fail.
		_ = l.Record(svc, Assignment{})
	}
	l.remember(svc.Name, m.said)
}

// remember keeps what a Service has been told, for [Assign] not to repeat it.
func (l *Ledger) remember(name types.NamespacedName, said []Note) {
	r := l.services[name]
	r.said = said
	l.keep(name, r)
}

// keep enters a record, unless there is nothing in it.
func (l *Ledger) keep(name types.NamespacedName, r record) {
	if len(r.holdings) == 0 && len(r.said) == 0 {
		delete(l.services, name)
		return
	}
	l.services[name] = r
}
