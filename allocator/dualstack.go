package allocator

import "github.com/clarion-lb/clarion/config"

// tries returns the sets of families to ask a pool for, the best first.
//
// A Service gets an address for each of its ClusterIPs' families, whatever its
// policy: with a single ClusterIP there is nothing to add. Only PreferDualStack
// is content with less: the primary family if both are not to be had, and the
// secondary if that is not either.
func tries(svc *config.Service) [3][]config.Family {
	f := svc.Families
	if svc.Policy == config.PreferDualStack && len(f) == 2 {
		return [3][]config.Family{f, f[:1], f[1:]}
	}
	return [3][]config.Family{f}
}

// missing returns the family that the Service has and its addresses lack.
func (s *search) missing(have pair) config.Family {
	for _, f := range s.svc.Families {
		if !have.of(f).IsValid() {
			return f
		}
	}
	return 0
}
