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

// parse turns the label selectors of one field into Selectors; a selector
// that cannot be parsed is reported against that field of the object.
func (p *problems) selectors(field string, in []metav1.LabelSelector) Selectors {
	out := make(Selectors, 0, len(in))
	for i := range in {
		sel, err := metav1.LabelSelectorAsSelector(&in[i])
		if err != nil {
			p.add(fmt.Sprintf("%s[%d]", field, i), metav1.FormatLabelSelector(&in[i]), err.Error())
			continue
		}
		out = append(out, sel)
	}
	return out
}
