package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/internal/members"
)

// TestDeparted: who has gone is remembered for some time, and not beside itself
// when it is back.
func TestDeparted(t *testing.T) {
	t.Parallel()

	start := time.Now()
	roster := func(names ...string) []members.Member {
		var out []members.Member
		for _, n := range names {
			out = append(out, members.Member{Name: n, Card: members.Card{Links: []members.Link{{Name: "eth0", MAC: [6]byte{2, n[0]}}}}})
		}
		return out
	}
	var d departed
	for _, step := range []struct {
		after  time.Duration
		roster []members.Member
		want   string
	}{
		{0, roster("a", "b", "c"), ""},
		{time.Minute, roster("a", "b"), " c"},
		{2 * time.Minute, roster("b"), " a c"},
		{3 * time.Minute, roster("a", "b"), " c"},
		{4 * time.Minute, roster("a"), " b c"},
		{11 * time.Minute, roster("a"), " b"},
		{15 * time.Minute, roster("a"), ""},
	} {
		var got string
		for _, m := range d.follow(step.roster, start.Add(step.after)) {
			got += " " + m.Name
			if m.Links[0].MAC != [6]byte{2, m.Name[0]} {
				t.Errorf("%s is remembered with %v", m.Name, m.Links)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", step.after, diff)
		}
	}
	var many []members.Member
	for i := range departedMost + 10 {
		many = append(many, roster(fmt.Sprint(i))...)
	}
	d.follow(many, start)
	if n := len(d.follow(nil, start)); n != departedMost {
		t.Errorf("%d are remembered, want %d", n, departedMost)
	}
}
