package allocator

import (
	"cmp"
	"math"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// automatic finds addresses for a Service that asks for none in particular.
//
// It stays in the pool it is in, or in which an address is claimed for it; though of a pool with autoAssign off, which is
// for Services that ask, it only gets an address beside one that it keeps.
// Otherwise two groups of pools are asked: first those whose serviceAllocation
// is meant for Services like this one, by priority and then by name; then those
// without a serviceAllocation, by name. A pool that is meant for the Service
// goes before any that is not, even if it has only one of two families that
// PreferDualStack would like.
func (s *search) automatic() choice {
	if s.home != nil && (s.home.Suspended || s.admitted(s.home)) {
		c := s.best(s.home)
		stays := c.addrs.minus(s.held) != c.addrs
		if c.pool != nil && (stays || s.home.AutoAssign) {
			return c
		}
	}
	if p := s.formerPool(); p != nil && offered(p) && s.admitted(p) {
		if c := s.best(p); c.pool != nil {
			return c
		}
	}
	if c := s.first(s.pinned(), offered); c.pool != nil {
		return c
	}
	return s.first(s.snap.Pools, general)
}

// first returns what the first of the open pools can give that is able to, for
// the best set of families that any of them is able to.
func (s *search) first(pools []*config.Pool, open func(*config.Pool) bool) choice {
	for _, families := range s.tries {
		if len(families) == 0 {
			break
		}
		for _, p := range pools {
			if !open(p) {
				continue
			}
			if c := s.take(p, families); c.pool != nil {
				return c
			}
		}
	}
	return choice{}
}

// pinned returns the pools whose serviceAllocation admits the Service, in the
// order of their priority and then of their names.
func (s *search) pinned() []*config.Pool {
	var pools []*config.Pool
	for _, p := range s.snap.Pools {
		if p.Allocation != nil && s.admitted(p) {
			pools = append(pools, p)
		}
	}
	// Pools of a snapshot are sorted by name, and a stable sort leaves them so.
	slices.SortStableFunc(pools, func(a, b *config.Pool) int {
		return cmp.Compare(rank(a.Allocation.Priority), rank(b.Allocation.Priority))
	})
	return pools
}

// offered reports whether the pool gives to Services that do not ask for it.
func offered(p *config.Pool) bool { return p.AutoAssign && !p.Suspended }

// general reports whether it is meant for no Services in particular, too.
func general(p *config.Pool) bool { return p.Allocation == nil && offered(p) }

// rank orders priorities: 1 first, 0 (unset) last.
func rank(priority int) int {
	if priority == 0 {
		return math.MaxInt
	}
	return priority
}

// admitted reports whether the pool's serviceAllocation lets the Service in.
func (s *search) admitted(p *config.Pool) bool {
	return p.Admits(s.svc.Name.Namespace, s.svc.Labels)
}
