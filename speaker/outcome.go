package speaker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// outcome is what came of the decisions at layer 2, where that is something
// else: an address that is this node's by the facts may be somebody else's on
// the wire. What is reported is what happens. What is decided stays as it is:
// status never feeds a decision.
type outcome struct {
	ordered layer2.Config
	silent  map[netip.Addr]silence // as of the last report
}

// silence is why an address is not answered for.
type silence struct {
	reason announce.Reason
	detail string
	// proving is set while the segment is asked whether a new address is free,
	// which is a matter of 300 ms: whether it is announced is not known yet, and
	// nothing is said.
	proving bool
}

// silences reads the engine's word on each address.
func silences(status layer2.Status) map[netip.Addr]silence {
	out := map[netip.Addr]silence{}
	for i := range status.Addresses {
		switch a := &status.Addresses[i]; {
		case a.Proving:
			out[a.Addr] = silence{proving: true}
		case a.Conceded:
			out[a.Addr] = silence{reason: announce.Conceded, detail: "a speaker that ranks before this node still answers"}
		case a.Occupied && a.Conflict != nil:
			out[a.Addr] = silence{reason: announce.AddressConflict, detail: fmt.Sprintf("host %s on %s had it first", a.Conflict.MAC, a.Conflict.Interface)}
		case a.Occupied:
			out[a.Addr] = silence{reason: announce.AddressConflict, detail: "a host outside the cluster had it first"}
		}
	}
	return out
}

// expect returns silent with the addresses that are ordered for the first time now,
// as new: the engine's word on them is yet to come. Those in it that are not new
// any more are left out, should that word have been missed.
func (o *outcome) expect(order layer2.Config, revision announce.Revision, silent map[netip.Addr]silence) map[netip.Addr]silence {
	before := o.ordered
	o.ordered = order
	out := maps.Clone(silent)
	maps.DeleteFunc(out, func(addr netip.Addr, s silence) bool {
		a := order.Announcement(addr)
		return s.proving && (a == nil || !a.New)
	})
	for i := range revision.Changed {
		addr := revision.Changed[i].Addr
		if a := order.Announcement(addr); a != nil && a.New && before.Announcement(addr) == nil {
			if out == nil {
				out = map[netip.Addr]silence{}
			}
			out[addr] = silence{proving: true}
		}
	}
	return out
}

// unproved reports whether the engine's word on an address is yet to come.
func unproved(silent map[netip.Addr]silence) bool {
	for _, s := range silent {
		if s.proving {
			return true
		}
	}
	return false
}

// of returns a verdict as it is in the face of that, without a reason if there is
// nothing to be said yet; the zero silence changes nothing.
func (s silence) of(v announce.Verdict) announce.Verdict {
	if (s.reason != "" || s.proving) && v.Protocol == announce.Layer2 && v.Announced() {
		v.Reason, v.Detail, v.Interfaces, v.Selected = s.reason, s.detail, nil, nil
	}
	return v
}

// report returns a revision as it is to be reported, given what the engine says
// now. Addresses of which it said something else before are in it, whether they
// were judged again or not.
func (o *outcome) report(plan *announce.Plan, revision announce.Revision, now map[netip.Addr]silence) announce.Revision {
	before := o.silent
	o.silent = now
	if len(before)+len(now) == 0 {
		return revision
	}
	judged := map[announce.Key]bool{}
	for i := range revision.Changed {
		c := &revision.Changed[i]
		judged[c.Key] = true
		c.Before = before[c.Addr].of(announce.Verdict{Key: c.Key, Reason: c.Before}).Reason
		c.Verdict = now[c.Addr].of(c.Verdict)
	}
	for i := range revision.Gone {
		revision.Gone[i] = before[revision.Gone[i].Addr].of(revision.Gone[i])
	}
	for addr := range union(before, now) {
		if before[addr] == now[addr] {
			continue
		}
		for _, v := range plan.Layer2Verdicts(addr) {
			if v.Announced() && !judged[v.Key] {
				revision.Changed = append(revision.Changed, announce.Change{Verdict: now[addr].of(v), Before: before[addr].of(v).Reason})
			}
		}
	}
	revision.Changed = slices.DeleteFunc(revision.Changed, func(c announce.Change) bool { return c.Reason == "" })
	revision.Gone = slices.DeleteFunc(revision.Gone, func(v announce.Verdict) bool { return v.Reason == "" })
	revision.Sort()
	return revision
}

func union(a, b map[netip.Addr]silence) map[netip.Addr]silence {
	all := maps.Clone(a)
	if all == nil {
		return b
	}
	maps.Copy(all, b)
	return all
}
