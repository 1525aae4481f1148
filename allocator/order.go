package allocator

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// automatic finds addresses for a Service that asks for none in particular.
//
// It stays in the pool it is in. Otherwise two groups of pools are asked: first
// those whose serviceAllocation is meant for Services like this one, by
// priority and then by name; then those without a serviceAllocation, by name.
// A pool that is meant for the Service goes before any that is not, even if it
// has only one of two families that PreferDualStack would like.
func (s *search) automatic() (choice, []Refusal) {
	if s.home != nil && (s.home.Suspended || s.admitted(s.home)) {
		if c := s.from(s.home); c.pool != nil {
			return c, nil
		}
	}
	if c := s.first(s.pinned()); c.pool != nil {
		return c, nil
	}
	if c := s.first(s.general); c.pool != nil {
		return c, nil
	}
	return choice{}, s.refusedByAll()
}

// first returns what the first of the pools can give that is able to, for the
// best set of families that any of them is able to.
func (s *search) first(pools iter.Seq[*config.Pool]) choice {
	for _, families := range s.tries {
		if len(families) == 0 {
			break
		}
		for p := range pools {
			if c := s.take(p, families); c.pool != nil {
				return c
			}
		}
	}
	return choice{}
}

// pinned yields the pools whose serviceAllocation admits the Service, in the
// order of their priority and then of their names.
func (s *search) pinned() iter.Seq[*config.Pool] {
	var pools []*config.Pool
	for _, p := range s.snap.Pools {
		if p.Allocation != nil && offered(p) && s.admitted(p) {
			pools = append(pools, p)
		}
	}
	// Snapshot pools are sorted by name, which a stable sort leaves so.
	slices.SortStableFunc(pools, func(a, b *config.Pool) int {
		return cmp.Compare(rank(a.Allocation.Priority), rank(b.Allocation.Priority))
	})
	return slices.Values(pools)
}

// general yields the pools without a serviceAllocation, in the order of their
// names.
func (s *search) general(yield func(*config.Pool) bool) {
	for _, p := range s.snap.Pools {
		if p.Allocation == nil && offered(p) && !yield(p) {
			return
		}
	}
}

// offered reports whether the pool gives to Services that do not ask for it.
func offered(p *config.Pool) bool { return p.AutoAssign && !p.Suspended }

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
