package heartbeat

import (
	"cmp"
	"slices"
)

// watchers returns who watches a node: the count candidates that follow it on a
// ring on which all stand in the order of a hash. Every node comes to the same
// result from the same candidates, each watches as many as watch it, and one
// that goes changes only its neighbourhood.
func watchers(node id, candidates []id, count int) []id {
	ring := slices.Clone(candidates)
	slices.SortFunc(ring, func(a, b id) int { return cmp.Or(cmp.Compare(stir(a), stir(b)), cmp.Compare(a, b)) })
	// -1 is around the end, which is the beginning.
	after := max(0, slices.IndexFunc(ring, func(c id) bool { return stir(c) > stir(node) }))
	var out []id
	for i := range ring {
		if c := ring[(after+i)%len(ring)]; c != node && len(out) < count {
			out = append(out, c)
		}
	}
	return out
}

// stir spreads what FNV leaves close together: names that differ in their last
// letter would stand side by side, and those are the nodes of one rack.
func stir(i id) uint64 {
	x := uint64(i)
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
