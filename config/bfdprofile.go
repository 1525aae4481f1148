package config

import (
	"fmt"
	"time"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

// compileBFDProfiles reads the profiles and returns the valid ones by name,
// with their defaults filled in.
func compileBFDProfiles(o Objects) (map[string]*bfd.Profile, []Problem) {
	out := make(map[string]*bfd.Profile, len(o.BFDProfiles))
	var found []Problem
	for i := range o.BFDProfiles {
		obj := &o.BFDProfiles[i]
		ps := problems{kind: "BFDProfile", meta: &obj.ObjectMeta}
		spec := &obj.Spec
		profile := bfd.Profile{
			ReceiveInterval:  ps.interval("spec.receiveInterval", spec.ReceiveInterval),
			TransmitInterval: ps.interval("spec.transmitInterval", spec.TransmitInterval),
			EchoInterval:     ps.interval("spec.echoInterval", spec.EchoInterval),
			DetectMultiplier: uint8(ps.within("spec.detectMultiplier", spec.DetectMultiplier, 2, 255)),
			MinimumTTL:       uint8(ps.within("spec.minimumTtl", spec.MinimumTTL, 1, 254)),
			Echo:             spec.EchoMode != nil && *spec.EchoMode,
			Passive:          spec.PassiveMode != nil && *spec.PassiveMode,
		}.WithDefaults()
		if found = append(found, ps.found...); len(ps.found) == 0 {
			out[obj.Name] = &profile
		}
	}
	return out, found
}

// interval reads a number of milliseconds.
func (p *problems) interval(field string, value *uint32) time.Duration {
	return time.Duration(p.within(field, value, 10, 60000)) * time.Millisecond
}

// within reads a number between two limits; one that is not set is 0.
func (p *problems) within(field string, value *uint32, least, most uint32) uint32 {
	if value == nil {
		return 0
	}
	if *value < least || *value > most {
		p.add(field, fmt.Sprint(*value), fmt.Sprintf("must be between %d and %d", least, most))
		return 0
	}
	return *value
}
