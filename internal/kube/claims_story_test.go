package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// The configurations of modelPools that the stories use.
const (
	threeAddresses = 0
	noPool         = 2
	threeKept      = 3
)

// story is a server, two controllers that both believe they lead, and names.
type story struct {
	*testing.T
	server       *apiServer
	one, other   *process
	web, another types.NamespacedName
}

func newStory(t *testing.T) *story {
	t.Helper()
	server, names := newAPIServer(), modelNames()
	return &story{
		T: t, server: server, web: names[0], another: names[1],
		one: startProcess(server, threeAddresses), other: startProcess(server, threeAddresses),
	}
}

// configure gives a controller other pools.
func (s *story) configure(p *process, pools int) {
	s.Helper()
	p.pools = pools
	if _, err := p.assigner.prepare(s.Context(), true); err != nil {
		s.Fatal(err)
	}
}

// act lets a controller hear of a Service and do all there is to do about it.
func (s *story) act(p *process, name types.NamespacedName) {
	s.Helper()
	for range 3 { // a write brings the Service back
		for _, a := range modelAddresses() {
			p.assigner.heard(s.server.claims.at(a))
		}
		p.hear(name)
		p.start(s.T, name)
		p.finish()
	}
}

// finish lets a controller do what it has begun.
func (p *process) finish() {
	for p.busy {
		p.proceed(nil)
	}
}

// pausedBeforeStatus lets a controller decide about a Service as it has heard
// of it and claim an address, and stops it there.
func (s *story) pausedBeforeStatus(p *process, name types.NamespacedName) {
	s.Helper()
	before := s.server.claims.writes
	p.start(s.T, name)
	for p.busy && s.server.claims.writes == before {
		p.proceed(nil)
	}
	if !p.busy {
		s.Fatalf("%s was done with before it was written", name)
	}
}

func (s *story) check() {
	s.Helper()
	if found := s.server.doubleHolder(); found != "" {
		s.Fatal(found)
	}
}

// TestWakingLeaderWritesNothing defends P1: a controller that was stopped
// between claim and status does not write an address that another controller
// has meanwhile taken back and given to somebody else, even if nothing about
// the Service has changed.
func TestWakingLeaderWritesNothing(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	s.server.edit(s.web, 0)
	s.configure(s.other, noPool)
	s.act(s.other, s.web) // refuses, and says so in the status

	s.one.hear(s.web)
	s.pausedBeforeStatus(s.one, s.web)
	s.act(s.other, s.web) // refuses for the same reason, and lets go of the claim
	if n := len(s.server.claims.claims); n != 0 {
		t.Fatalf("%d claims are left for a Service that is refused", n)
	}

	s.configure(s.other, threeAddresses)
	s.server.edit(s.another, 0)
	s.act(s.other, s.another)
	s.one.finish()
	s.check()
}

// TestLateLeaderDoesNotAgeAClaim defends P1: a controller with an old view of
// a Service does not put its entry in place of a newer one, which another
// controller is about to act on.
func TestLateLeaderDoesNotAgeAClaim(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	s.server.edit(s.web, 0)
	s.configure(s.other, noPool)
	s.act(s.other, s.web) // refuses, and says so in the status
	s.configure(s.other, threeAddresses)
	s.server.edit(s.web, 1)
	s.one.hear(s.web)
	s.pausedBeforeStatus(s.one, s.web)

	s.other.assigner.heard(s.server.claims.at(modelAddresses()[0]))
	s.other.start(t, s.web)
	s.other.finish()
	s.configure(s.other, noPool)
	s.act(s.other, s.web)
	s.configure(s.other, threeAddresses)
	s.server.edit(s.another, 0)
	s.act(s.other, s.another)
	s.one.finish()
	s.check()
}

// TestCrashBetweenClaimAndStatus defends P1 and P2: the next controller
// completes what the one before had claimed.
func TestCrashBetweenClaimAndStatus(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	s.server.edit(s.another, 0)
	s.act(s.one, s.another)
	s.server.edit(s.web, 0)
	s.one.hear(s.web)
	s.pausedBeforeStatus(s.one, s.web)
	s.one.kill()
	s.server.drop(s.another)

	next := startProcess(s.server, threeAddresses)
	s.act(next, s.another)
	s.act(next, s.web)
	if !shows(s.server.services[s.web], modelAddresses()[1]) {
		t.Errorf("web shows %v, want the address that was claimed for it", s.server.services[s.web].Status.LoadBalancer)
	}
	if found := s.server.leaks(); found != "" {
		t.Error(found)
	}
}

// TestComesBack defends P2: a Service recreated under its name gets its address
// back, from a controller that has started in between; one that is needed is
// given up.
func TestComesBack(t *testing.T) {
	t.Parallel()

	s := newStory(t)
	s.configure(s.one, threeKept)
	for _, name := range modelNames()[:3] {
		s.server.edit(name, 0)
		s.act(s.one, name)
	}
	s.server.drop(s.web)
	s.act(s.one, s.web)
	s.server.drop(s.another)
	s.act(s.one, s.another)

	next := startProcess(s.server, threeKept)
	s.server.edit(s.another, 0)
	s.act(next, s.another)
	if !shows(s.server.services[s.another], modelAddresses()[1]) {
		t.Errorf("b shows %v, want what it had", s.server.services[s.another].Status.LoadBalancer)
	}
	last := modelNames()[3]
	s.server.edit(last, 0)
	s.act(next, last)
	if !shows(s.server.services[last], modelAddresses()[0]) {
		t.Errorf("d shows %v, want what was kept for a", s.server.services[last].Status.LoadBalancer)
	}
}

// TestTwoWaitForEachOther holds that two Services which want to share each
// other's address get there, though the claims still tell of former terms.
func TestTwoWaitForEachOther(t *testing.T) {
	t.Parallel()

	// Bits of edit: what the Services ask for, and on which port.
	const (
		first, third     = 4, 4 | 2<<3
		sharing, port81  = 2, 1
		aBefore, bBefore = third | sharing, first
		aAfter, bAfter   = first | sharing | port81, third | sharing
	)
	for name, written := range map[string]bool{"both hold one": true, "both have claimed one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newStory(t)
			for svc, wish := range map[types.NamespacedName]byte{s.web: aBefore, s.another: bBefore} {
				s.server.edit(svc, wish)
				s.one.hear(svc)
				s.pausedBeforeStatus(s.one, svc)
				if written {
					s.one.finish()
				}
				s.one.kill()
			}
			s.server.edit(s.web, aAfter)
			s.server.edit(s.another, bAfter)
			s.one.rest(t)
			s.check()
			for svc, want := range map[types.NamespacedName]int{s.web: 0, s.another: 2} {
				if !shows(s.server.services[svc], modelAddresses()[want]) {
					t.Errorf("%s shows %v, want %s", svc, s.server.services[svc].Status.LoadBalancer, modelAddresses()[want])
				}
			}
			if found := s.server.leaks(); found != "" {
				t.Error(found)
			}
		})
	}
}
