package config

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Compile reads all objects and returns the configuration in force, with one
// Problem for every part of an object that is not. Both are sorted, and depend
// on the objects alone: not on the order they come in, nor on what was
// compiled before.
func Compile(o Objects) (*Snapshot, []Problem) {
	s := &Snapshot{}
	for i := range o.Nodes {
		s.Nodes = append(s.Nodes, ParseNode(&o.Nodes[i]))
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })

	found := compilePools(s, o)
	found = append(found, compileL2Advertisements(s, o)...)
	found = append(found, compilePeers(s, o)...)
	found = append(found, compileBGPAdvertisements(s, o)...)
	slices.SortFunc(found, compareProblems)
	return s, found
}

// problems collects what is wrong with one object.
type problems struct {
	kind  string
	meta  *metav1.ObjectMeta
	found []Problem
}

func (p *problems) add(field, value, reason string) {
	p.found = append(p.found, Problem{
		Kind: p.kind, Namespace: p.meta.Namespace, Name: p.meta.Name,
		Field: field, Value: value, Reason: reason,
	})
}

// eldestFirst orders objects by age, then by name: of two objects that
// contradict each other the first in this order stays in force, whoever reads
// them.
func eldestFirst[T any, P interface {
	*T
	metav1.Object
}](objects []T) []P {
	out := make([]P, len(objects))
	for i := range objects {
		out[i] = &objects[i]
	}
	slices.SortFunc(out, func(a, b P) int {
		return cmp.Or(
			a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
	return out
}
