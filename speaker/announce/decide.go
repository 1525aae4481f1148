package announce

import (
	"maps"
	"slices"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// Decision is all that one node does, and why.
type Decision struct {
	Layer2 layer2.Config
	BGP    bgp.Config
	BFD    bfd.Config
	// Unnumbered are the links on which routers are to be found, sorted by name.
	Unnumbered []Link
	// Verdicts are sorted by Service, address and protocol: one of each protocol
	// for each address. A Service that holds no address has one verdict with the
	// zero address.
	Verdicts []Verdict
}

// Decide judges every Service for one node.
func Decide(snap *config.Snapshot, view View) Decision {
	p := NewPlan(view.Local)
	p.IgnoreExcludeLabel(view.Shared.IgnoreExcludeLabel)
	p.SetSnapshot(snap)
	p.SetMembers(view.Shared.Members)
	for i := range view.Shared.Services {
		p.SetService(&view.Shared.Services[i])
	}
	for a := range view.Shared.New {
		p.SetNew(a, true)
	}
	p.Revise()
	p.LookAhead()
	d := Decision{
		Layer2: p.Layer2(), BGP: p.BGP(), BFD: p.BFD(), Unnumbered: p.Unnumbered(),
		Verdicts: slices.Collect(maps.Values(p.idle)),
	}
	for _, h := range p.held {
		d.Verdicts = append(d.Verdicts, h.last.verdicts...)
	}
	for _, r := range p.routed {
		d.Verdicts = append(d.Verdicts, r.verdicts...)
	}
	slices.SortFunc(d.Verdicts, compareVerdicts)
	return d
}
