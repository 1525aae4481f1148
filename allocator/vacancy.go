package allocator

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/clarion-lb/clarion/config"
)

// lowest returns the first address of that family which the pool can give to
// the Service: in the order of the pool's entries, ascending within each, the
// first that is free, that the Service itself has given up, or that it may
// share; else the one that has been kept the longest for a Service that left.
// The zero address means none.
func (s *search) lowest(p *config.Pool, f config.Family) netip.Addr {
	skip := withheld(p, f)
	for _, r := range p.Ranges {
		if config.FamilyOf(r.From()) != f {
			continue
		}
		free := s.ledger.used.lowestOutside(r, skip)
		for _, h := range s.own {
			if r.Contains(h.addr) && (!free.IsValid() || h.addr.Less(free)) && s.mayHave(p, h.addr) {
				free = h.addr
			}
		}
		if free.IsValid() {
			r = netipx.IPRangeFrom(r.From(), free)
		}
		if shared := s.ledger.lowestShared(r, skip, s.svc); shared.IsValid() {
			return shared
		}
		if free.IsValid() {
			return free
		}
	}
	return s.ledger.longestKept(p, f)
}

// mayHave reports whether nothing speaks against an address of the pool that
// the Service holds already.
func (s *search) mayHave(p *config.Pool, a netip.Addr) bool {
	_, taken := s.ledger.conflictAt(a, s.svc)
	return !taken && (p.Suspended || !p.Withholds(a) && !s.spoilt(p, a))
}

// lowestShared returns the lowest address of the range that others hold and
// the Service may share; the zero address if there is none.
func (l *Ledger) lowestShared(r netipx.IPRange, skip octets, svc *config.Service) netip.Addr {
	id := identityOf(svc)
	shared := l.shared[id]
	if shared == nil {
		return netip.Addr{}
	}
	var few [8]*addressSet
	busy := append(few[:0], &l.unsettled, &l.disputed)
	for _, p := range svc.Ports {
		busy = append(busy, l.ports[use{id, p}])
	}
	return shared.lowestInside(r, skip, busy)
}

// withheld is the last octets that avoidBuggyIPs keeps back. The pages of an
// addressSet end where a /24 does, so they are the same two on every page.
func withheld(p *config.Pool, f config.Family) octets {
	var skip octets
	if p.AvoidBuggyIPs && f == config.IPv4 {
		skip.add(0)
		skip.add(255)
	}
	return skip
}
