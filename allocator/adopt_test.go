package allocator

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// TestAdopt has one row for each thing a status may say at a start (P1, P2).
func TestAdopt(t *testing.T) {
	t.Parallel()

	p := pool("p", "192.0.2.1-192.0.2.9", "2001:db8::/126")
	tests := []struct {
		what     string
		pools    []v1beta1.IPAddressPool
		services []config.Service
		want     map[string]string // what each Service holds afterwards
	}{
		{
			what: "holders keep what they have, those who wait get nothing yet", pools: list(p),
			services: []config.Service{service("a"), service("b", status("p", "192.0.2.2"))},
			want:     map[string]string{"default/b": "192.0.2.2"},
		},
		{
			what: "of two claims the first by name wins", pools: list(p),
			services: []config.Service{service("b", status("p", "192.0.2.2")), service("a", status("p", "192.0.2.2"))},
			want:     map[string]string{"default/a": "192.0.2.2"},
		},
		{
			what: "of two claims the one with more addresses wins", pools: list(p),
			services: []config.Service{
				service("a", status("p", "192.0.2.2")),
				service("b", status("p", "192.0.2.2", "2001:db8::1"), families(config.IPv4, config.IPv6), policy(config.RequireDualStack)),
			},
			want: map[string]string{"default/b": "192.0.2.2 and 2001:db8::1"},
		},
		{
			what: "the loser keeps what nobody else claims", pools: list(p),
			services: []config.Service{
				service("a", status("p", "192.0.2.2", "2001:db8::1"), families(config.IPv4, config.IPv6)),
				service("b", status("p", "192.0.2.2", "2001:db8::2"), families(config.IPv4, config.IPv6)),
			},
			want: map[string]string{"default/a": "192.0.2.2 and 2001:db8::1", "default/b": "2001:db8::2"},
		},
		{
			what: "claims that may share do", pools: list(p),
			services: []config.Service{
				service("a", status("p", "192.0.2.2"), sharing("k"), ports(tcp80)),
				service("b", status("p", "192.0.2.2"), sharing("k"), ports(tcp443)),
			},
			want: map[string]string{"default/a": "192.0.2.2", "default/b": "192.0.2.2"},
		},
		{
			what: "addresses from a pool that is invalid", pools: list(pool("p", "nonsense")),
			services: []config.Service{service("a", status("p", "192.0.2.2"))},
			want:     map[string]string{"default/a": "192.0.2.2"},
		},
		{
			what: "addresses that rules do not allow any more are held until Assign says better", pools: list(pinned(p, onlyNamespace("blue"))),
			services: []config.Service{service("a", status("p", "192.0.2.2"))},
			want:     map[string]string{"default/a": "192.0.2.2"},
		},
		{
			what: "addresses of no pool are not ours", pools: list(p),
			services: []config.Service{service("a", status("p", "203.0.113.1"))},
			want:     map[string]string{},
		},
		{
			what: "nor is what Services have that are no LoadBalancer of ours", pools: list(p),
			services: []config.Service{service("a", status("p", "192.0.2.2"), notLoadBalancer)},
			want:     map[string]string{},
		},
		{
			what: "nor a family without a ClusterIP", pools: list(p),
			services: []config.Service{service("a", status("p", "192.0.2.2", "2001:db8::1"))},
			want:     map[string]string{"default/a": "192.0.2.2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()

			l := NewLedger()
			n := l.Adopt(compile(tt.pools...), tt.services)
			if n != len(tt.want) {
				t.Errorf("adopted %d Services, want %d", n, len(tt.want))
			}
			got := make(map[string]string)
			for name, r := range l.services {
				if len(r.assignment.Addresses) > 0 {
					got[name.String()] = sentence(r.assignment.Addresses)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ledger (-want +got):\n%s", diff)
			}
		})
	}
}

// TestShownAddressesAreGivenToNobody defends P1: whatever a status shows when
// we start is not given to a newcomer, even if its Service is none of ours.
func TestShownAddressesAreGivenToNobody(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.4")), NewLedger()
	n := l.Adopt(snap, []config.Service{
		service("other-class", notLoadBalancer, status("", "192.0.2.1")),
		service("no-more-a-load-balancer", notLoadBalancer, status("p", "192.0.2.2")),
		service("two-of-a-family", status("p", "192.0.2.3", "192.0.2.4")),
	})
	if n != 1 {
		t.Errorf("adopted %d Services, want 1", n)
	}
	newcomer := service("newcomer")
	want := brief{Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull}, Notes: []string{
		`AllocationFailed: no address for default/newcomer: pool "p" has no free IPv4 address (4 of 4 in use)`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &newcomer))); diff != "" {
		t.Errorf("newcomer (-want +got):\n%s", diff)
	}
	once := service("no-more-a-load-balancer", notLoadBalancer, status("p", "192.0.2.2"))
	settle(t, snap, l, &once) // is emptied, as it is of our making
	want = brief{Action: Allocate, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
		`IPAllocated: assigned 192.0.2.2 from pool "p"`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &newcomer))); diff != "" {
		t.Errorf("newcomer (-want +got):\n%s", diff)
	}
}

// TestRestartIsSilent defends P2 and P10: after a restart every Service keeps
// its addresses, nothing is written and nothing is said.
func TestRestartIsSilent(t *testing.T) {
	t.Parallel()

	snap := compile(pool("p", "192.0.2.0/28"), pool("q", "2001:db8::/64"))
	services := []config.Service{
		service("plain"),
		service("shared-1", sharing("k"), ports(tcp80)),
		service("shared-2", sharing("k"), ports(tcp443)),
		service("asks", wantAddresses("192.0.2.9")),
		service("prefers-both", families(config.IPv4, config.IPv6), policy(config.PreferDualStack)),
		service("six", families(config.IPv6)),
	}
	l := NewLedger()
	for i := range services {
		settle(t, snap, l, &services[i])
	}
	before := slices.Clone(services)

	l = NewLedger()
	if n := l.Adopt(snap, services); n != len(services) {
		t.Errorf("adopted %d of %d Services", n, len(services))
	}
	for i := range services {
		o := settle(t, snap, l, &services[i])
		if o.Action != Keep || o.Changed || len(o.Notes) > 0 {
			t.Errorf("%s: %+v", services[i].Name, o)
		}
	}
	if diff := cmp.Diff(before, services, sameAddr); diff != "" {
		t.Errorf("Services after the restart (-before +after):\n%s", diff)
	}
}

// TestRestartRepeatsWarnings defends P6: what is wrong while nobody was there
// to say it is said after the start.
func TestRestartRepeatsWarnings(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.0/28")), NewLedger()
	svc := service("svc", status("p", "192.0.2.1"), wantPool("gone"))
	l.Adopt(snap, []config.Service{svc})

	want := brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true, Reasons: []Reason{PoolNotFound}, Notes: []string{
		`AllocationFailed: default/svc keeps 192.0.2.1: there is no pool "gone"`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &svc))); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// TestAdoptLearned defends P2: a start, at which claims are learned first, takes
// nothing from those who share, whose claim lists Services that are not known yet.
func TestAdoptLearned(t *testing.T) {
	t.Parallel()

	const addr = "192.0.2.2"
	left := service("left", status("p", addr), sharing("k"), ports(tcp80))
	right := service("right", status("p", addr), sharing("k"), ports(tcp443))
	tests := []struct {
		what     string
		claim    Claim
		services []config.Service
		want     map[string]string
	}{
		{
			what:     "two that share",
			claim:    claimed(addr, NewHolder(&left, "1"), NewHolder(&right, "1")),
			services: []config.Service{right, left},
			want:     map[string]string{"default/left": addr, "default/right": addr},
		},
		{
			what:     "one that shares with another who has not been heard of yet",
			claim:    claimed(addr, NewHolder(&left, "1"), NewHolder(&right, "1")),
			services: []config.Service{left},
			want:     map[string]string{"default/left": addr},
		},
		{
			what:     "one whose address is another's by its claim",
			claim:    claimed(addr, NewHolder(&right, "1")),
			services: []config.Service{service("left", status("p", addr))},
			want:     map[string]string{},
		},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
			l.Learn(test.claim)
			l.Adopt(snap, test.services)
			got := map[string]string{}
			for _, svc := range test.services {
				if a, ok := l.Assignment(svc.Name); ok {
					got[svc.Name.String()] = sentence(a.Addresses)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("held after the start (-want +got):\n%s", diff)
			}
			for _, svc := range test.services {
				if _, holds := test.want[svc.Name.String()]; !holds {
					continue
				}
				if o := Assign(snap, l, svc); o.Action != Keep || o.Changed || len(o.Notes) > 0 {
					t.Errorf("%s: %v, changed %t, notes %v, want it to be left alone", svc.Name, o.Action, o.Changed, o.Notes)
				}
			}
		})
	}
}
