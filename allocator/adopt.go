package allocator

import (
	"cmp"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// Adopt enters what Services hold according to their status, as after a start:
// all holders, before anybody who waits is given anything. It returns how many
// Services it entered; those the ledger knows already stay as they are.
//
// Where two claim one address that they may not share, the one with more
// addresses in its status keeps it, then the first by name, in whatever order
// they are passed. What the loser has left of its own is entered. Whether each
// holds the right addresses is for [Assign] to say.
func (l *Ledger) Adopt(snap *config.Snapshot, services []config.Service) int {
	var holders []*config.Service
	for i := range services {
		svc := &services[i]
		_, known := l.Assignment(svc.Name)
		if svc.LoadBalancer && len(svc.Addresses) > 0 && !known {
			holders = append(holders, svc)
		}
	}
	slices.SortFunc(holders, func(a, b *config.Service) int {
		return cmp.Or(len(b.Addresses)-len(a.Addresses), compareNames(a.Name, b.Name))
	})
	adopted := holders[:0]
	for _, svc := range holders {
		s := newSearch(snap, l, svc)
		c := s.kept()
		if c.pool == nil {
			continue
		}
		if l.Record(*svc, Assignment{Addresses: c.addrs.list(), Pool: c.pool.Name}) == nil {
			adopted = append(adopted, svc)
		}
	}
	for _, svc := range adopted {
		l.remember(svc.Name, told(Assign(snap, l, *svc)))
	}
	return len(adopted)
}

// told returns what a Service that was adopted has already been told by whoever
// assigned its addresses: a restart repeats warnings, not remarks.
func told(o Outcome) []Note {
	return slices.DeleteFunc(slices.Clone(o.Standing), func(n Note) bool { return n.Type == Warning })
}
