package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/clarion-lb/clarion/internal/members"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// A speaker that was thought dead, and was not, is known by its hardware address
// when it claims what is no longer its own. So that a cluster whose nodes come
// and go does not remember them all, it is for some time only.
const (
	departedFor  = 10 * time.Minute
	departedMost = 1000
)

// departed remembers members that are no more. The zero value remembers none.
type departed struct {
	roster []members.Member // of the last call
	gone   []farewelled     // the last one to go is the last
}

// farewelled is one of them.
type farewelled struct {
	member announce.Member
	at     time.Time
}

// follow compares the roster with the last one, and returns those that have gone
// not long ago, sorted by name.
func (d *departed) follow(roster []members.Member, now time.Time) []announce.Member {
	there := func(name string) bool {
		return slices.ContainsFunc(roster, func(m members.Member) bool { return m.Name == name })
	}
	d.gone = slices.DeleteFunc(d.gone, func(f farewelled) bool { return now.Sub(f.at) >= departedFor || there(f.member.Name) })
	for _, m := range d.roster {
		if !there(m.Name) {
			d.gone = append(d.gone, farewelled{memberOf(m), now})
		}
	}
	d.gone = d.gone[max(0, len(d.gone)-departedMost):]
	d.roster = roster

	out := make([]announce.Member, len(d.gone))
	for i, f := range d.gone {
		out[i] = f.member
	}
	slices.SortFunc(out, func(a, b announce.Member) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
