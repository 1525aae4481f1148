package kube

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
)

// shown returns the first address in the status of a Service.
func (s *story) shown() string {
	s.Helper()
	in := s.server.services[s.web].Status.LoadBalancer.Ingress
	if len(in) != 1 {
		s.Fatalf("the status shows %v, want one address", in)
	}
	return in[0].IP
}

// lifted lets a controller do about the claim of an address what is due.
func (s *story) lifted(p *process) time.Duration {
	s.Helper()
	p.free = true
	defer func() { p.free = false }()
	a := modelAddresses()[0]
	p.assigner.heard(s.server.claims.at(a))
	later, err := p.assigner.lift(s.Context(), a)
	if err != nil {
		s.Fatal(err)
	}
	return later
}

// TestQuarantineStory defends P1 and P2: a Service leaves an address that a
// stranger uses, nobody else is given it, and it is free again once the stranger
// has not been heard for long enough, whatever became of the node that heard it.
func TestQuarantineStory(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	first := modelAddresses()[0]
	s.server.edit(s.web, 0)
	s.act(s.one, s.web)
	if got := s.shown(); got != first.String() {
		t.Fatalf("web holds %s, want %s", got, first)
	}
	s.server.dispute(first, true)
	s.act(s.one, s.web)
	if got := s.shown(); got == first.String() {
		t.Fatalf("web holds %s still", got)
	}
	c := s.server.claims.at(first)
	if len(c.Holders) > 0 || c.Stranger == nil {
		t.Fatalf("the claim is %+v, want a stranger alone", c)
	}
	if left := s.lifted(s.one); left <= 0 || left > allocator.QuarantineTime {
		t.Errorf("the quarantine is to be looked at in %v", left)
	}
	view, _ := s.one.assigner.poolView()
	want := []v1beta1.QuarantinedAddress{{Address: first.String(), MAC: c.Stranger.MAC, Node: "node-a"}}
	if diff := cmp.Diff(want, view.quarantined["pool"]); diff != "" {
		t.Errorf("in the status of the pool (-want +got):\n%s", diff)
	}

	// Nobody renews it.
	long := *c.Stranger
	long.Heard = time.Now().Add(-allocator.QuarantineTime)
	c.Stranger = &long
	if _, err := s.server.claims.write(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.lifted(s.one)
	if c := s.server.claims.at(first); c.Version != "" {
		t.Errorf("the claim is %+v, want none", c)
	}
	s.check()
	if got := s.server.leaks(); got != "" {
		t.Error(got)
	}
}

// TestRequestedIsDisputed defends P2 and P6: who asked for an address that a
// stranger uses has it, before the stranger and after.
func TestRequestedIsDisputed(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	first := modelAddresses()[0]
	s.server.dispute(first, true)
	s.server.edit(s.web, 4) // asks for it
	s.act(s.one, s.web)
	c := s.server.claims.at(first)
	if _, ok := c.Of(s.web); s.shown() != first.String() || !ok || c.Stranger == nil {
		t.Errorf("web shows %s, the claim is %+v", s.shown(), c)
	}
	conditions := s.server.services[s.web].Status.Conditions
	if len(conditions) != 1 || conditions[0].Reason != string(allocator.AddressConflict) {
		t.Errorf("the conditions are %+v, want one that tells of the conflict", conditions)
	}
	s.server.dispute(first, false)
	s.lifted(s.one)
	s.act(s.one, s.web)
	if got := s.server.services[s.web].Status.Conditions[0].Reason; got != reasonAssigned {
		t.Errorf("afterwards the condition says %s", got)
	}
}
