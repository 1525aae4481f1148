package config

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// nodes returns those that a list of node selectors admits: an empty list
// admits all, one that matches nothing admits none.
func (p *problems) nodes(s *Snapshot, in []metav1.LabelSelector) NodeSet {
	if len(in) == 0 {
		return s.nodesMatching(Selectors{labels.Everything()})
	}
	return s.nodesMatching(p.selectors("spec.nodeSelectors", in))
}

// nodesMatching returns the nodes that any of the selectors matches.
func (s *Snapshot) nodesMatching(selectors Selectors) NodeSet {
	set := NewNodeSet(len(s.Nodes))
	for i := range s.Nodes {
		if selectors.Match(s.Nodes[i].Labels) {
			set.Add(i)
		}
	}
	return set
}

// poolSelection returns the rule by which an advertisement selects pools: by
// name or by selector, or all when it gives neither. Selectors that match
// nothing select nothing.
func (p *problems) poolSelection(names []string, in []metav1.LabelSelector) func(string, labels.Set) bool {
	selectors := p.selectors("spec.ipAddressPoolSelectors", in)
	return func(name string, set labels.Set) bool {
		if len(names) == 0 && len(in) == 0 {
			return true
		}
		return slices.Contains(names, name) || selectors.Match(set)
	}
}

// poolLabels are the labels of each pool, by its name.
func poolLabels(o Objects) map[string]labels.Set {
	out := make(map[string]labels.Set, len(o.Pools))
	for i := range o.Pools {
		out[o.Pools[i].Name] = o.Pools[i].Labels
	}
	return out
}
