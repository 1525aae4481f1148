package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/speaker/announce"
)

// TestReturned: a link that was lost has to be there for a while; one that is new
// has not.
func TestReturned(t *testing.T) {
	t.Parallel()

	const delay = 30 * time.Second
	start := time.Now()
	var r returned
	for _, step := range []struct {
		after time.Duration
		links string
		want  string // those that are recovering
		next  time.Duration
	}{
		{0, "eth0 eth1", "", 0},
		{time.Minute, "eth0", "", 0},
		{time.Minute + time.Second, "eth0 eth1", "eth1", delay},
		{time.Minute + 11*time.Second, "eth0 eth1 eth2", "eth1", delay - 10*time.Second},
		{time.Minute + 20*time.Second, "eth0 eth2", "", 0},
		{time.Minute + 21*time.Second, "eth0 eth1 eth2", "eth1", delay},
		{time.Minute + 23*time.Second, "eth0 eth1 eth2", "eth1", delay - 2*time.Second},
		{time.Minute + 51*time.Second, "eth0 eth1 eth2", "", 0},
		{3 * time.Minute, "", "", 0},
		{3*time.Minute + departedFor, "", "", 0},
		{4*time.Minute + departedFor, "eth0 eth1", "", 0},
	} {
		var links []announce.MemberLink
		for word := range strings.FieldsSeq(step.links) {
			links = append(links, announce.MemberLink{Name: word, IPv4: true, IPv6: true})
		}
		marked, next := r.follow(links, start.Add(step.after), delay)
		var got []string
		for _, l := range marked {
			if l.Recovering {
				got = append(got, l.Name)
			}
		}
		if diff := cmp.Diff(step.want, strings.Join(got, " ")); diff != "" || next != step.next {
			t.Errorf("after %v: again in %v, want %v (-want +got):\n%s", step.after, next, step.next, diff)
		}
	}
	if _, next := r.follow(nil, start.Add(time.Hour), 0); next != 0 {
		t.Errorf("without delay: again in %v", next)
	}
}
