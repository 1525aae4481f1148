package config

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/api/v1beta1"
)

// L2Advertisement says which nodes may answer ARP and NDP for the addresses
// of the pools that list it, and on which interfaces.
type L2Advertisement struct {
	Name string
	// Nodes may announce.
	Nodes NodeSet
	// AllInterfaces is set when the object names none.
	AllInterfaces bool
	// Interfaces are the named ones, sorted.
	Interfaces []string
	// Services must match one of these; empty admits all.
	Services Selectors
	// Preferences add weight to nodes; none leaves the order to the hash.
	Preferences []Preference
}

// Preference adds Weight (1 to 100) to the rank of each of Nodes.
type Preference struct {
	Weight int
	Nodes  NodeSet
}

// Selects reports whether the advertisement covers a Service with those labels.
func (a *L2Advertisement) Selects(set labels.Set) bool {
	return len(a.Services) == 0 || a.Services.Match(set)
}

// compileL2Advertisements attaches each valid advertisement to the pools it
// selects. Advertisements add up, so none can contradict another.
func compileL2Advertisements(s *Snapshot, o Objects) []Problem {
	order := make([]*v1beta1.L2Advertisement, len(o.L2Advertisements))
	for i := range o.L2Advertisements {
		order[i] = &o.L2Advertisements[i]
	}
	slices.SortFunc(order, func(a, b *v1beta1.L2Advertisement) int { return cmp.Compare(a.Name, b.Name) })

	labelsOf := poolLabels(o)

	var found []Problem
	for _, obj := range order {
		ps := problems{kind: "L2Advertisement", meta: &obj.ObjectMeta}
		ad := ps.l2Advertisement(s, obj)
		attach := ps.poolSelection(obj.Spec.IPAddressPools, obj.Spec.IPAddressPoolSelectors)
		found = append(found, ps.found...)
		if len(ps.found) > 0 {
			continue
		}
		for _, pool := range s.Pools {
			if attach(pool.Name, labelsOf[pool.Name]) {
				pool.L2 = append(pool.L2, ad)
			}
		}
	}
	return found
}

func (p *problems) l2Advertisement(s *Snapshot, obj *v1beta1.L2Advertisement) *L2Advertisement {
	ad := &L2Advertisement{
		Name:          obj.Name,
		Nodes:         p.nodes(s, obj.Spec.NodeSelectors),
		AllInterfaces: len(obj.Spec.Interfaces) == 0,
		Interfaces:    slices.Clone(obj.Spec.Interfaces),
		Services:      p.selectors("spec.serviceSelectors", obj.Spec.ServiceSelectors),
	}
	slices.Sort(ad.Interfaces)
	ad.Interfaces = slices.Compact(ad.Interfaces)

	for i := range obj.Spec.PreferredNodeSelectors {
		in := &obj.Spec.PreferredNodeSelectors[i]
		field := fmt.Sprintf("spec.preferredNodeSelectors[%d]", i)
		if in.Weight < 1 || in.Weight > 100 {
			p.add(field+".weight", fmt.Sprint(in.Weight), "must be between 1 and 100")
		}
		pref := Preference{
			Weight: int(in.Weight),
			Nodes:  s.nodesMatching(Selectors{p.selector(field+".preference", &in.Preference)}),
		}
		pref.Nodes.Intersect(ad.Nodes) // a preference makes no node eligible
		ad.Preferences = append(ad.Preferences, pref)
	}
	return ad
}
