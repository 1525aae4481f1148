package bgp

import "testing"

// TestKeysDiffer: no two attributes that differ are taken for the same, even
// if their communities are the same numbers in another kind.
func TestKeysDiffer(t *testing.T) {
	t.Parallel()

	seen := map[string]int{}
	for i, a := range []Attributes{
		{},
		{LocalPref: 1},
		{Communities: []Community{1}},
		{Communities: []Community{0, 0}},
		{Communities: []Community{0, 0, 1}},
		{LargeCommunities: []LargeCommunity{{}}},
		{LargeCommunities: []LargeCommunity{{Local2: 1}}},
		{LargeCommunities: []LargeCommunity{{Local1: 1}}},
		{LargeCommunities: []LargeCommunity{{Global: 1}}},
		{ExtendedCommunities: []ExtendedCommunity{{}}},
		{ExtendedCommunities: []ExtendedCommunity{{1}}},
		{ExtendedCommunities: []ExtendedCommunity{{}, {}}},
	} {
		key := a.Key()
		if other, taken := seen[key]; taken {
			t.Errorf("attributes %d and %d are taken for the same", i, other)
		}
		seen[key] = i
	}
}
