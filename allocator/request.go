package allocator

import (
	"fmt"
	"net/netip"

	"github.com/clarion-lb/clarion/config"
)

// fromWantedPool finds addresses in the pool that the Service names. There is
// no other to fall back on.
func (s *search) fromWantedPool() (choice, Refusal) {
	p := s.snap.Pool(s.svc.WantPool)
	switch {
	case p == nil:
		return choice{}, Refusal{s.svc.WantPool, PoolNotFound, fmt.Sprintf("there is no pool %q", s.svc.WantPool)}
	case !p.Suspended && !s.admitted(p):
		return choice{}, s.notAdmitted(p)
	}
	if c := s.best(p); c.pool != nil {
		return c, Refusal{}
	}
	return choice{}, s.refusal(p, s.svc.Families...)
}

// requested finds the very addresses that the Service names: all of them, and
// nothing instead.
func (s *search) requested() (choice, Refusal) {
	want := pairOf(s.svc.WantAddresses)
	if want == s.held && s.home != nil && s.home.Suspended && s.wantsPool(s.home) {
		if c := s.kept(); c.addrs == want {
			return c, Refusal{}
		}
	}
	if r := s.unsuitable(want); r.Reason != "" {
		return choice{}, r
	}
	p := s.snap.PoolOf(s.svc.WantAddresses, "")
	if p == nil {
		return choice{}, s.outside()
	}
	if r := s.objection(p); r.Reason != "" {
		return choice{}, r
	}
	return choice{addrs: want, pool: p}, Refusal{}
}

// objection says why the pool that contains the requested addresses does
// not give them to the Service.
func (s *search) objection(p *config.Pool) Refusal {
	switch {
	case !s.wantsPool(p):
		return Refusal{p.Name, PoolMismatch, fmt.Sprintf(
			"%s is in %s, the Service asks for pool %q", sentence(s.svc.WantAddresses), quoted(p), s.svc.WantPool)}
	case !s.admitted(p):
		return s.notAdmitted(p)
	}
	for _, a := range s.svc.WantAddresses {
		if p.Withholds(a) {
			return Refusal{p.Name, AddressWithheld, fmt.Sprintf("avoidBuggyIPs of %s withholds %s", quoted(p), a)}
		}
		if c, taken := s.ledger.conflictAt(a, s.svc); taken {
			return Refusal{p.Name, AddressTaken, fmt.Sprintf("%s is %s", a, c)}
		}
	}
	return Refusal{}
}

// wantsPool reports whether the Service asks for that pool, or for none.
func (s *search) wantsPool(p *config.Pool) bool {
	return s.svc.WantPool == "" || s.svc.WantPool == p.Name
}

// unsuitable says why the requested addresses are not one for each family of
// the ClusterIPs.
func (s *search) unsuitable(want pair) Refusal {
	fits := len(s.svc.WantAddresses) == want.len() && want.len() == len(s.svc.Families)
	for _, f := range s.svc.Families {
		fits = fits && want.of(f).IsValid()
	}
	if fits {
		return Refusal{}
	}
	families := "IPv4 and IPv6"
	if len(s.svc.Families) == 1 {
		families = "only " + s.svc.Families[0].String()
	}
	return Refusal{Reason: FamilyMismatch, Detail: fmt.Sprintf(
		"the Service has %s ClusterIPs and asks for %s: it takes one address of each of its families",
		families, sentence(s.svc.WantAddresses))}
}

// outside says why the requested addresses are not in one pool in force.
func (s *search) outside() Refusal {
	for _, a := range s.svc.WantAddresses {
		one := [1]netip.Addr{a}
		if s.snap.PoolOf(one[:], "") != nil {
			continue
		}
		if p := s.suspendedAt(a); p != nil {
			return Refusal{p.Name, Suspended, fmt.Sprintf(
				"%s is in %s, which is suspended because its object is invalid", a, quoted(p))}
		}
		return Refusal{Reason: AddressOutsidePools, Detail: fmt.Sprintf("no pool contains %s", a)}
	}
	return Refusal{Reason: AddressesApart, Detail: fmt.Sprintf(
		"%s are in different pools", sentence(s.svc.WantAddresses))}
}

// suspendedAt returns a suspended pool that lists the address, or nil.
func (s *search) suspendedAt(a netip.Addr) *config.Pool {
	for _, p := range s.snap.Pools {
		if !p.Suspended {
			continue
		}
		for _, r := range p.Ranges {
			if r.Contains(a) {
				return p
			}
		}
	}
	return nil
}
