package announce

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/clarion-lb/clarion/bgp"
)

// attributeSets keep one pointer for each content, so that routes that say the
// same share it: they are then compared at a glance, and packed into one message.
// Contents that no snapshot but the last used are forgotten.
type attributeSets struct {
	current, last map[string]*bgp.Attributes
}

// turn begins a new snapshot.
func (s *attributeSets) turn() {
	s.last, s.current = s.current, map[string]*bgp.Attributes{}
}

// shared returns the pointer for what a says.
func (s *attributeSets) shared(a *bgp.Attributes) *bgp.Attributes {
	text := a.Key()
	if known, ok := s.current[text]; ok {
		return known
	}
	if known, ok := s.last[text]; ok {
		a = known
	}
	s.current[text] = a
	return a
}

// union merges what several advertisements, in the order of their names, say of
// one destination to one peer: communities add up, and the first local preference
// holds. Where that would be a choice by chance, it is refused before it gets
// here.
func union(offers []*offer) *bgp.Attributes {
	u := bgp.Attributes{LocalPref: offers[0].attributes.LocalPref}
	for _, o := range offers {
		u.Communities = append(u.Communities, o.attributes.Communities...)
		u.LargeCommunities = append(u.LargeCommunities, o.attributes.LargeCommunities...)
		u.ExtendedCommunities = append(u.ExtendedCommunities, o.attributes.ExtendedCommunities...)
	}
	slices.Sort(u.Communities)
	u.Communities = slices.Compact(u.Communities)
	slices.SortFunc(u.LargeCommunities, compareLarge)
	u.LargeCommunities = slices.Compact(u.LargeCommunities)
	slices.SortFunc(u.ExtendedCommunities, compareExtended)
	u.ExtendedCommunities = slices.Compact(u.ExtendedCommunities)
	return &u
}

func compareLarge(a, b bgp.LargeCommunity) int {
	return cmp.Or(cmp.Compare(a.Global, b.Global), cmp.Compare(a.Local1, b.Local1), cmp.Compare(a.Local2, b.Local2))
}

func compareExtended(a, b bgp.ExtendedCommunity) int { return bytes.Compare(a[:], b[:]) }
