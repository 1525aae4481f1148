package allocator

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// TestApplyRefusesAStaleOutcome defends P1: an outcome that was true when it
// was made cannot give an address away twice.
func TestApplyRefusesAStaleOutcome(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
	a, b := service("a"), service("b")
	forA, forB := Assign(snap, l, a), Assign(snap, l, b)

	if err := l.Apply(a, forA); err != nil {
		t.Errorf("first: %v", err)
	}
	err := l.Apply(b, forB)
	const want = "allocator: failed to record 192.0.2.1 for default/b: held by default/a: they have no sharing key in common"
	if err == nil || err.Error() != want {
		t.Errorf("second: got %v, want %s", err, want)
	}
	if _, ok := l.Assignment(b.Name); ok {
		t.Error("a refused outcome changed the ledger")
	}
	if got := settle(t, snap, l, &b).Assignment.Addresses[0].String(); got != "192.0.2.2" {
		t.Errorf("asked again: got %s, want 192.0.2.2", got)
	}
}

// TestGivenUpAddressWaitsForTheStatus defends P1: what a Service gives up is
// for others only once its status is seen to say so.
func TestGivenUpAddressWaitsForTheStatus(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1/32"), noAutoAssign(pool("q", "198.51.100.1/32"))), NewLedger()
	mover, waiter := service("mover"), service("waiter")
	settle(t, snap, l, &mover)

	mover = with(mover, wantPool("q"))
	o := Assign(snap, l, mover)
	if err := l.Apply(mover, o); err != nil {
		t.Fatal(err)
	}
	want := brief{Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull, AutoAssignOff}, Notes: []string{
		`AllocationFailed: no address for default/waiter: pool "p" has no free IPv4 address (1 of 1 in use); pool "q" has autoAssign off`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &waiter))); diff != "" {
		t.Errorf("before the write (-want +got):\n%s", diff)
	}

	write(&mover, o)
	before := l.Openings()
	settle(t, snap, l, &mover) // the watch brings the written Service
	if l.Openings() == before {
		t.Error("the write is no opening")
	}
	want = brief{Action: Allocate, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
		`IPAllocated: assigned 192.0.2.1 from pool "p"`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &waiter))); diff != "" {
		t.Errorf("after the write (-want +got):\n%s", diff)
	}
}

// TestForeignStatusIsNotGivenToOthers defends P1: an address that another
// controller wrote is nobody else's, even if a pool comes to contain it.
func TestForeignStatusIsNotGivenToOthers(t *testing.T) {
	t.Parallel()

	l := NewLedger()
	foreign, newcomer := service("foreign", status("", "192.0.2.1")), service("newcomer")
	settle(t, compile(), l, &foreign)

	snap := compile(pool("p", "192.0.2.1-192.0.2.2"))
	if got := briefly(settle(t, snap, l, &newcomer)).Addresses; got != "192.0.2.2" {
		t.Errorf("a newcomer gets %s, want 192.0.2.2", got)
	}
	if got := briefly(settle(t, snap, l, &foreign)).Addresses; got != "192.0.2.1" {
		t.Errorf("who shows the address gets %s, want 192.0.2.1", got)
	}
}

func TestHolders(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
	for _, name := range []string{"blue/x", "default/b", "default/a"} {
		svc := service(name, sharing("k"), ports(), wantAddresses("192.0.2.1"))
		if name == "blue/x" {
			svc.Ports = nil
		}
		settle(t, snap, l, &svc)
	}
	want := []types.NamespacedName{nameOf("blue/x"), nameOf("default/a"), nameOf("default/b")}
	if diff := cmp.Diff(want, l.Holders(netip.MustParseAddr("192.0.2.1"))); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	if got := l.Holders(netip.MustParseAddr("192.0.2.2")); got != nil {
		t.Errorf("holders of a free address: %v", got)
	}
}

// TestOpenings defends P10: those who wait are asked again only after a change
// that may help them.
func TestOpenings(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
	svc, keyed := service("svc"), service("keyed", sharing("k"))

	steps := []struct {
		what string
		do   func()
		want bool
	}{
		{"an address is given", func() { settle(t, snap, l, &svc) }, false},
		{"nothing changes", func() { settle(t, snap, l, &svc) }, false},
		{"labels change", func() { svc.Labels = map[string]string{"a": "b"}; settle(t, snap, l, &svc) }, false},
		{"ports of an address that is not shared change", func() { svc.Ports = nil; settle(t, snap, l, &svc) }, false},
		{"an address that may be shared is given", func() { settle(t, snap, l, &keyed) }, true},
		{"its ports change", func() { keyed.Ports = nil; settle(t, snap, l, &keyed) }, true},
		{"its key changes", func() { keyed.SharingKey = "q"; settle(t, snap, l, &keyed) }, true},
		{"an address is freed", func() { l.Release(svc.Name) }, true},
		{"a Service that holds nothing goes", func() { l.Release(svc.Name) }, false},
	}
	for _, s := range steps {
		before := l.Openings()
		s.do()
		if got := l.Openings() != before; got != s.want {
			t.Errorf("%s: an opening is %t, want %t", s.what, got, s.want)
		}
	}
}

// TestRecordBearsNonsense: no argument makes the ledger contradict itself.
func TestRecordBearsNonsense(t *testing.T) {
	t.Parallel()

	l, svc := NewLedger(), service("svc", sharing("k"))
	twice := addresses("192.0.2.1", "192.0.2.1")
	if err := l.Record(svc, Assignment{Addresses: twice, Pool: "p"}); err != nil {
		t.Error(err)
	}
	l.Release(svc.Name)
	l.Release(svc.Name)
	if err := l.Record(svc, Assignment{}); err != nil {
		t.Error(err)
	}
	if diff := audit(l); diff != "" {
		t.Errorf("indexes (-from the records +got):\n%s", diff)
	}
}
