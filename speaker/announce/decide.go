package announce

import (
	"maps"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// Decision is all that one node does, and why.
type Decision struct {
	Layer2 layer2.Config
	// Verdicts are sorted by Service, address and protocol. A Service that
	// holds no address has one verdict with the zero address.
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
	p.Revise()
	d := Decision{Layer2: p.Layer2(), Verdicts: slices.Collect(maps.Values(p.idle))}
	for _, h := range p.held {
		d.Verdicts = append(d.Verdicts, h.last.verdicts...)
	}
	slices.SortFunc(d.Verdicts, compareVerdicts)
	return d
}
