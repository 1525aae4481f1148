package config

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Selectors is a list of label selectors of which one must match.
type Selectors []labels.Selector

// Match reports whether any selector of the list matches.
func (s Selectors) Match(set labels.Set) bool {
	for _, sel := range s {
		if sel.Matches(set) {
			return true
		}
	}
	return false
}

// selectors reads a list of label selectors; see [problems.selector].
func (p *problems) selectors(field string, in []metav1.LabelSelector) Selectors {
	out := make(Selectors, 0, len(in))
	for i := range in {
		out = append(out, p.selector(fmt.Sprintf("%s[%d]", field, i), &in[i]))
	}
	return out
}

// selector reads one label selector. One that cannot be read is reported
// against that field of the object and matches nothing.
func (p *problems) selector(field string, in *metav1.LabelSelector) labels.Selector {
	sel, err := metav1.LabelSelectorAsSelector(in)
	if err != nil {
		p.add(field, "", err.Error()) // the error quotes the offending part
		return labels.Nothing()
	}
	return sel
}
