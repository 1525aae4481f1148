package allocator

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// learned is what the ledger knows of claims. Those of Services that hold the
// address here, too, add nothing to what the ledger says anyway. What counts
// are the others: of Services that are not known yet or that vanished without
// us, of other owners, and those that only keep an address.
type learned struct {
	claims map[netip.Addr]Claim
	// of are the addresses whose claim lists a Service, whatever it says of it.
	of map[types.NamespacedName][]netip.Addr
	// unsettled are the addresses whose claim lists somebody who does not hold
	// them here: nobody else is given them.
	unsettled addressSet
	// kept are the claims of addresses that are only kept for somebody.
	kept map[netip.Addr]struct{}
	// disputed are the addresses that strangers use, and strangers how many each
	// of these uses, by hardware address.
	disputed  addressSet
	strangers map[string]int
}

func newLearned() learned {
	return learned{
		claims: make(map[netip.Addr]Claim),
		of:     make(map[types.NamespacedName][]netip.Addr),
		kept:   make(map[netip.Addr]struct{}),

		strangers: make(map[string]int),
	}
}

// Learn takes note of what the claim of an address now says.
func (l *Ledger) Learn(c Claim) {
	if l.disputed.has(c.Address) && c.Stranger == nil {
		l.openings++
	}
	l.unlist(c.Address)
	for _, h := range c.Holders {
		at, _ := slices.BinarySearchFunc(l.of[h.Service], c.Address, netip.Addr.Compare)
		l.of[h.Service] = slices.Insert(l.of[h.Service], at, c.Address)
	}
	if !c.Released.IsZero() {
		l.kept[c.Address] = struct{}{}
	}
	l.dispute(c.Address, c.Stranger)
	l.claims[c.Address] = c
	l.review(c.Address)
}

// Unlearn takes note that the claim of an address is gone.
func (l *Ledger) Unlearn(a netip.Addr) {
	if l.disputed.has(a) {
		l.openings++
	}
	l.unlist(a)
	l.review(a)
}

// Claim returns what was last learned of an address: the zero Claim of it if
// that is nothing.
func (l *Ledger) Claim(a netip.Addr) Claim {
	if c, ok := l.claims[a]; ok {
		return c
	}
	return Claim{Address: a}
}

// Surplus returns the addresses that are claimed for a Service which holds
// none of them here: what a crash left between claim and status, or what it
// has given up.
func (l *Ledger) Surplus(svc types.NamespacedName) []netip.Addr {
	return l.claimedFor(svc, func(a netip.Addr) bool {
		_, entitled := l.claims[a].Of(svc)
		return entitled && !l.holds(svc, a)
	})
}

// KeptFor returns the addresses that are kept for a Service, which has left
// them.
func (l *Ledger) KeptFor(svc types.NamespacedName) []netip.Addr {
	return l.claimedFor(svc, func(a netip.Addr) bool {
		_, kept := l.kept[a]
		return kept
	})
}

func (l *Ledger) claimedFor(svc types.NamespacedName, which func(netip.Addr) bool) []netip.Addr {
	var out []netip.Addr
	for _, a := range l.of[svc] {
		if which(a) {
			out = append(out, a)
		}
	}
	return out
}

// UnlearnForeign forgets the claims of other owners, to find out again.
func (l *Ledger) UnlearnForeign() {
	for a, c := range l.claims {
		if c.Foreign != "" {
			l.Unlearn(a)
		}
	}
}

// unlist takes a claim out of all that is known but the tenancy of its address.
func (l *Ledger) unlist(a netip.Addr) {
	for _, h := range l.claims[a].Holders {
		rest := slices.DeleteFunc(l.of[h.Service], func(x netip.Addr) bool { return x == a })
		if l.of[h.Service] = rest; len(rest) == 0 {
			delete(l.of, h.Service)
		}
	}
	delete(l.kept, a)
	l.dispute(a, nil)
	delete(l.claims, a)
}

// review brings the sets of addresses in line with tenancy and claim of one.
func (l *Ledger) review(a netip.Addr) {
	if _, claimed := l.claims[a]; claimed || l.tenants[a] != nil {
		l.used.add(a)
	} else {
		l.used.remove(a)
	}
	before := l.unsettled.has(a)
	_, unsettled := l.stranger(a, types.NamespacedName{})
	switch {
	case unsettled:
		l.unsettled.add(a)
	case before:
		l.unsettled.remove(a)
		l.openings++
	}
}

// stranger returns who is said to hold an address by its claim alone, apart
// from one Service.
func (l *Ledger) stranger(a netip.Addr, apart types.NamespacedName) (who string, ok bool) {
	c := l.claims[a]
	if c.Foreign != "" {
		// Who shows it since before the claim was found keeps it.
		return c.Foreign, !l.holds(apart, a)
	}
	if !c.Released.IsZero() {
		return "", false
	}
	for _, h := range c.Holders {
		if h.Service != apart && !l.holds(h.Service, a) {
			return h.Service.String(), true
		}
	}
	return "", false
}

func (l *Ledger) holds(svc types.NamespacedName, a netip.Addr) bool {
	t := l.tenants[a]
	if t == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(t.holders, svc, compareNames)
	return found
}

// outrun reports whether another controller has given a Service other addresses
// since it was assigned a: its status shows them and their claims list it. The
// ledger's word is then the older one. What a mere edit put into a status has
// no claim.
func (l *Ledger) outrun(svc *config.Service, a Assignment) bool {
	other := false
	for _, shown := range svc.Addresses {
		if _, entitled := l.claims[shown].Of(svc.Name); !entitled {
			return false
		}
		other = other || !slices.Contains(a.Addresses, shown)
	}
	return other
}

// longestKept returns the address of that family of the pool that has been
// kept the longest for a Service that does not come back; the zero address if
// none is.
func (l *Ledger) longestKept(p *config.Pool, f config.Family) netip.Addr {
	var oldest Claim
	for a := range l.kept {
		c := l.claims[a]
		within := config.FamilyOf(a) == f && l.tenants[a] == nil && p.Contains(a) && !p.Withholds(a) && !l.disputed.has(a)
		if within && (!oldest.Address.IsValid() || elder(c, oldest) < 0) {
			oldest = c
		}
	}
	return oldest.Address
}

// formerly returns an address of that family which is claimed for the Service,
// and not held by it yet: what it was about to be given, or what it held
// before it was deleted.
func (s *search) formerly(p *config.Pool, f config.Family) netip.Addr {
	for _, a := range s.ledger.of[s.svc.Name] {
		if config.FamilyOf(a) != f || s.poolAt(a) != p || p.Withholds(a) || s.ledger.holds(s.svc.Name, a) || s.disputed(p, a) {
			continue
		}
		if _, taken := s.ledger.conflictAt(a, s.svc); !taken {
			return a
		}
	}
	return netip.Addr{}
}

// formerPool returns the pool in which something is claimed for the Service
// that it does not hold yet, or nil.
func (s *search) formerPool() *config.Pool {
	for _, a := range s.ledger.of[s.svc.Name] {
		if p := s.poolAt(a); p != nil && s.formerly(p, config.FamilyOf(a)) == a {
			return p
		}
	}
	return nil
}

// Kept returns the claims of all addresses that are only kept for somebody.
func (l *Ledger) Kept() []Claim {
	out := make([]Claim, 0, len(l.kept))
	for a := range l.kept {
		out = append(out, l.claims[a])
	}
	slices.SortFunc(out, elder)
	return out
}
