package announce

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// speakers are the hardware addresses of the other speakers of this cluster, as
// far as they are known: of those that live, and of those that may yet prove to.
type speakers struct {
	all []layer2.MAC // sorted
	// of are those of each node, by its name.
	of map[string][]layer2.MAC
	// sets are those of several nodes, so that addresses share them.
	sets map[string][]layer2.MAC
}

func newSpeakers(members *Members, self string) *speakers {
	s := &speakers{of: map[string][]layer2.MAC{}, sets: map[string][]layer2.MAC{}}
	for _, list := range [][]Member{members.Gone, members.Nodes} {
		for _, m := range list {
			if m.Name == self {
				continue
			}
			var macs []layer2.MAC
			for _, l := range m.Links {
				if l.MAC != (layer2.MAC{}) {
					macs = append(macs, l.MAC)
				}
			}
			s.of[m.Name] = sortedMACs(macs)
		}
	}
	for _, macs := range s.of {
		s.all = append(s.all, macs...)
	}
	s.all = sortedMACs(s.all)
	return s
}

// equal reports whether both know the same of each node.
func (s *speakers) equal(o *speakers) bool {
	return maps.EqualFunc(s.of, o.of, func(a, b []layer2.MAC) bool { return slices.Equal(a, b) })
}

// on returns the hardware addresses of a set of nodes, sorted.
func (s *speakers) on(nodes []config.Node, set config.NodeSet) []layer2.MAC {
	if set.Empty() || len(s.all) == 0 {
		return nil
	}
	key := make([]byte, 0, 64)
	for _, word := range set {
		key = binary.BigEndian.AppendUint64(key, word)
	}
	macs, known := s.sets[string(key)]
	if !known {
		for i := range set.All {
			macs = append(macs, s.of[nodes[i].Name]...)
		}
		macs = sortedMACs(macs)
		s.sets[string(key)] = macs
	}
	return macs
}

func sortedMACs(macs []layer2.MAC) []layer2.MAC {
	slices.SortFunc(macs, func(a, b layer2.MAC) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(macs)
}
