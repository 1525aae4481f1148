package allocator

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// search is one Service looking for addresses. It only reads.
type search struct {
	snap   *config.Snapshot
	ledger *Ledger
	svc    *config.Service

	// held is what the Service holds, and listed the same as the ledger lists
	// it; recorded is set if it is the word of the ledger and not only of the
	// status.
	held     pair
	listed   []netip.Addr
	recorded bool
	// own is all that the ledger has for the Service, given up or not.
	own []holding
	// from names the pool that what is held was assigned from; may be stale.
	from string
	// home is the pool of what is held now; nil if no pool contains any of it.
	home *config.Pool
	// tries are the sets of families to ask a pool for, the best first.
	tries [3][]config.Family
}

func newSearch(snap *config.Snapshot, l *Ledger, svc *config.Service) search {
	r := l.services[svc.Name]
	s := search{snap: snap, ledger: l, svc: svc, own: r.holdings, tries: tries(svc)}
	if a := r.assignment; len(a.Addresses) > 0 && !l.outrun(svc, a) {
		s.held, s.listed, s.from, s.recorded = pairOf(a.Addresses), a.Addresses, a.Pool, true
	} else {
		s.held, s.from = pairOf(svc.Addresses), svc.FromPool
	}
	s.home = s.findHome()
	return s
}

// findHome returns the pool of what is held. If the addresses are in two pools
// by now, that is the pool of the Service's primary family.
func (s *search) findHome() *config.Pool {
	for _, f := range s.svc.Families {
		if p := s.poolAt(s.held.of(f)); p != nil {
			return p
		}
	}
	for _, a := range s.held {
		if p := s.poolAt(a); p != nil {
			return p
		}
	}
	return nil
}

// poolAt returns the pool an address belongs to, or nil. What is held from a
// pool that is suspended belongs to it, whatever else contains it; nobody else
// can be given an address of such a pool.
func (s *search) poolAt(a netip.Addr) *config.Pool {
	if !a.IsValid() {
		return nil
	}
	from := ""
	if s.held.has(a) {
		from = s.from
	}
	one := [1]netip.Addr{a}
	return s.snap.PoolOf(one[:], from)
}

// serves reports whether an address of that family can reach the Service. As
// long as no ClusterIP can be read, any might.
func (s *search) serves(f config.Family) bool {
	return len(s.svc.Families) == 0 || slices.Contains(s.svc.Families, f)
}

// find looks for what the Service is to hold. It returns no pool if there is
// nothing, with the refusals that say why; and a pool with refusals if there is
// less than the Service would like.
func (s *search) find() (choice, []Refusal) {
	if r := s.unfit(); r.Reason != "" {
		return choice{}, []Refusal{r}
	}
	var found choice
	var why Refusal
	switch {
	case len(s.svc.WantAddresses) > 0:
		found, why = s.requested()
	case s.svc.WantPool != "":
		found, why = s.fromWantedPool()
	default:
		if found = s.automatic(); found.pool == nil {
			return choice{}, s.refusedByAll()
		}
	}
	found = s.undaunted(found)
	if found.pool != nil && found.addrs.len() < len(s.svc.Families) {
		why = s.refusal(found.pool, s.missing(found.addrs))
	}
	if why.Reason == "" {
		why = s.suffers(found)
	}
	if why.Reason == "" {
		return found, nil
	}
	return found, []Refusal{why}
}

// unfit says why the Service cannot be given anything, wherever from.
func (s *search) unfit() Refusal {
	switch families := len(s.svc.Families); {
	case problemIn(s.svc, partClusterIPs) != nil:
		return Refusal{Reason: ClusterIPsUnreadable, Detail: problemText(problemIn(s.svc, partClusterIPs))}
	case families == 0:
		return Refusal{Reason: NoClusterIP, Detail: "the Service has no ClusterIP"}
	case families < 2 && s.svc.Policy == config.RequireDualStack:
		return Refusal{Reason: NotEnoughClusterIPs, Detail: "ipFamilyPolicy RequireDualStack needs ClusterIPs of both families, there is only " + s.svc.Families[0].String()}
	case problemIn(s.svc, partRequest) != nil:
		return Refusal{Reason: RequestUnreadable, Detail: problemText(problemIn(s.svc, partRequest))}
	}
	return Refusal{}
}

// best returns the best that one pool can give, if anything.
func (s *search) best(p *config.Pool) choice {
	for _, families := range s.tries {
		if c := s.take(p, families); c.pool != nil {
			return c
		}
	}
	return choice{}
}

// take returns one address of each of the families from one pool: the one that
// is held if it may stay, else the lowest there is. All or nothing.
func (s *search) take(p *config.Pool, families []config.Family) choice {
	if len(families) == 0 {
		return choice{}
	}
	c := choice{pool: p}
	for _, f := range families {
		a := s.retained(p, f)
		if !a.IsValid() && !p.Suspended {
			a = s.formerly(p, f)
		}
		if !a.IsValid() && !p.Suspended {
			a = s.lowest(p, f)
		}
		if !a.IsValid() {
			return choice{}
		}
		c.addrs[slot(f)] = a
	}
	return c
}

// retained returns the address of that family which the Service holds from the
// pool and may go on holding; the zero address if there is none.
func (s *search) retained(p *config.Pool, f config.Family) netip.Addr {
	a := s.held.of(f)
	if !a.IsValid() || s.poolAt(a) != p || !s.mayHave(p, a) {
		return netip.Addr{}
	}
	return a
}
