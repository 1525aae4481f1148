package announce

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
)

func offersOf(attributes ...*bgp.Attributes) []*offer {
	var out []*offer
	for i, a := range attributes {
		out = append(out, &offer{BGPAdvertisement: &config.BGPAdvertisement{}, number: i, attributes: a})
	}
	return out
}

// TestUnion: communities of each kind add up, sorted and each once; the first
// local preference holds; and nothing that goes in is changed.
func TestUnion(t *testing.T) {
	t.Parallel()

	target := func(n byte) bgp.ExtendedCommunity { return bgp.ExtendedCommunity{0, 2, 0xfb, 0xf0, 0, 0, 0, n} }
	first := bgp.Attributes{
		LocalPref:           200,
		Communities:         []bgp.Community{3, 5},
		LargeCommunities:    []bgp.LargeCommunity{{Global: 1, Local1: 2, Local2: 3}, {Global: 2}},
		ExtendedCommunities: []bgp.ExtendedCommunity{target(7)},
	}
	second := bgp.Attributes{
		LocalPref:           100,
		Communities:         []bgp.Community{1, 5},
		LargeCommunities:    []bgp.LargeCommunity{{Global: 1, Local1: 2, Local2: 2}, {Global: 1, Local1: 2, Local2: 3}},
		ExtendedCommunities: []bgp.ExtendedCommunity{target(1), target(7)},
	}
	want := &bgp.Attributes{
		LocalPref:           200,
		Communities:         []bgp.Community{1, 3, 5},
		LargeCommunities:    []bgp.LargeCommunity{{Global: 1, Local1: 2, Local2: 2}, {Global: 1, Local1: 2, Local2: 3}, {Global: 2}},
		ExtendedCommunities: []bgp.ExtendedCommunity{target(1), target(7)},
	}
	one, two := first, second
	if diff := cmp.Diff(want, union(offersOf(&one, &two))); diff != "" {
		t.Errorf("union (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]bgp.Attributes{first, second}, []bgp.Attributes{one, two}); diff != "" {
		t.Errorf("what went in was changed (-before +after):\n%s", diff)
	}
}

// TestAttributesAreShared: one pointer for each content, from one snapshot to
// the next, and no memory of contents that have long gone.
func TestAttributesAreShared(t *testing.T) {
	t.Parallel()

	var sets attributeSets
	fresh := func() *bgp.Attributes { return &bgp.Attributes{LocalPref: 7} }
	sets.turn()
	first := sets.shared(fresh())
	if sets.shared(fresh()) != first {
		t.Error("the same content has two pointers")
	}
	if sets.shared(&bgp.Attributes{LocalPref: 8}) == first {
		t.Error("two contents have the same pointer")
	}
	sets.turn()
	if sets.shared(fresh()) != first {
		t.Error("a new snapshot has another pointer for the same content")
	}
	sets.turn()
	sets.turn()
	if sets.shared(fresh()) == first {
		t.Error("a content is kept though two snapshots did not use it")
	}
}
