package allocator

import (
	"cmp"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// Adopt enters what Services hold according to their status, as after a start:
// all holders, before anybody who waits is given anything. It returns how many
// Services have an assignment by it; those the ledger knows stay as they are.
//
// Where two claim one address that they may not share, the one with more
// addresses in its status keeps it, then the first by name, in whatever order
// they are passed. Whether each holds the right addresses is for [Assign] to
// say. What else a status shows, be it of a Service that is none of ours, is
// nobody's: it is given to no one as long as it is shown.
func (l *Ledger) Adopt(snap *config.Snapshot, services []config.Service) int {
	var holders []*config.Service
	for i := range services {
		svc := &services[i]
		if _, known := l.services[svc.Name]; !known && len(svc.Addresses) > 0 {
			holders = append(holders, svc)
		}
	}
	slices.SortFunc(holders, func(a, b *config.Service) int {
		return cmp.Or(len(b.Addresses)-len(a.Addresses), compareNames(a.Name, b.Name))
	})
	for _, svc := range holders {
		l.claim(snap, *svc)
	}
	n := 0
	for _, svc := range holders {
		a, ok := l.Assignment(svc.Name)
		if l.Record(*svc, a) == nil && ok {
			l.remember(svc.Name, told(Assign(snap, l, *svc)))
			n++
		}
	}
	return n
}

// claim enters the addresses of a status that the Service may keep, and none of
// the others: these come after all claims.
func (l *Ledger) claim(snap *config.Snapshot, svc config.Service) {
	if !svc.LoadBalancer {
		return
	}
	s := newSearch(snap, l, &svc)
	if c := s.kept(); c.pool != nil {
		svc.Addresses = c.addrs.list()
		// Nobody else has what may be kept, so this cannot fail.
		_ = l.Record(svc, Assignment{Addresses: svc.Addresses, Pool: c.pool.Name})
	}
}

// told returns what a Service that was adopted has already been told by whoever
// assigned its addresses: a restart repeats warnings, not remarks.
func told(o Outcome) []Note {
	return slices.DeleteFunc(slices.Clone(o.Standing), func(n Note) bool { return n.Type == Warning })
}
