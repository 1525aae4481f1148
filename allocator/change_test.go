package allocator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// change is one thing that happens to a Service that holds addresses, or to
// the pools under it.
type change struct {
	what   string
	pools  []v1beta1.IPAddressPool
	others []config.Service // settled before the Service
	before []option
	// poolsAfter replace the pools if not nil; options edit the Service.
	poolsAfter []v1beta1.IPAddressPool
	after      []option
	want       brief
}

func (c change) run(t *testing.T) {
	t.Helper()

	snap, l := compile(c.pools...), NewLedger()
	for _, o := range c.others {
		settle(t, snap, l, &o)
	}
	svc := service("svc", c.before...)
	settle(t, snap, l, &svc)

	if c.poolsAfter != nil {
		snap = compile(c.poolsAfter...)
	}
	svc = with(svc, c.after...)
	if diff := cmp.Diff(c.want, briefly(settle(t, snap, l, &svc))); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if o := settle(t, snap, l, &svc); o.Changed || len(o.Notes) > 0 {
		t.Errorf("asked again, there is news: %+v", o)
	}
}

// list is never nil: no pools at all are a list of none.
func list(p ...v1beta1.IPAddressPool) []v1beta1.IPAddressPool {
	return append([]v1beta1.IPAddressPool{}, p...)
}

// TestServiceChanges has one row for each change of a Service (P2, P6).
// Unlike in MetalLB, a wish that cannot be met takes no address away.
func TestServiceChanges(t *testing.T) {
	t.Parallel()

	p := pool("p", "192.0.2.1-192.0.2.3")
	q := noAutoAssign(pool("q", "198.51.100.1-198.51.100.2"))
	keeps := func(reason Reason, note string) brief {
		return brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true, Reasons: []Reason{reason}, Notes: []string{note}}
	}
	tests := []change{
		{
			what: "type is no longer LoadBalancer", pools: list(p),
			after: []option{notLoadBalancer},
			want:  brief{Action: Release},
		},
		{
			what: "no ClusterIP any more", pools: list(p),
			after: []option{families()},
			want:  brief{Action: Release, Reasons: []Reason{NoClusterIP}},
		},
		{
			what: "ClusterIPs cannot be read", pools: list(p),
			after: []option{families(), problem("spec.clusterIPs", "x", "is not an IP address")},
			want: keeps(ClusterIPsUnreadable,
				`noclusterIPsIPFamily: default/svc keeps 192.0.2.1: spec.clusterIPs: invalid value "x": is not an IP address`),
		},
		{
			what: "request for an address that is free", pools: list(p, q),
			after: []option{wantAddresses("198.51.100.2")},
			want: brief{Action: Move, Addresses: "198.51.100.2", Pool: "q", Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: the Service asks for 198.51.100.2",
				`IPAllocated: assigned 198.51.100.2 from pool "q" (was 192.0.2.1)`,
			}},
		},
		{
			what: "request for an address outside pools", pools: list(p, q),
			after: []option{wantAddresses("203.0.113.1")},
			want: keeps(AddressOutsidePools,
				"AllocationFailed: default/svc keeps 192.0.2.1: no pool contains 203.0.113.1"),
		},
		{
			what: "request for an address that is taken", pools: list(p, q),
			others: []config.Service{service("other", wantAddresses("192.0.2.2"))},
			after:  []option{wantAddresses("192.0.2.2")},
			want: keeps(AddressTaken,
				"AllocationFailed: default/svc keeps 192.0.2.1: 192.0.2.2 is held by default/other: they have no sharing key in common"),
		},
		{
			what: "request for an address of another family", pools: list(pool("p", "192.0.2.1-192.0.2.3", "2001:db8::/126")),
			after: []option{wantAddresses("2001:db8::1")},
			want: keeps(FamilyMismatch,
				"AllocationFailed: default/svc keeps 192.0.2.1: the Service has only IPv4 ClusterIPs and asks for 2001:db8::1: it takes one address of each of its families"),
		},
		{
			what: "request for an address of a pool that does not admit the Service", pools: list(p, pinned(q, onlyNamespace("blue"))),
			after: []option{wantAddresses("198.51.100.1")},
			want: keeps(NotAdmitted,
				`AllocationFailed: default/svc keeps 192.0.2.1: pool "q" does not admit namespace default`),
		},
		{
			what: "request that cannot be read", pools: list(p),
			after: []option{problem("metadata.annotations[metallb.io/loadBalancerIPs]", "192.0.2", "is not an IP address")},
			want: keeps(RequestUnreadable,
				`LoadBalancerFailed: default/svc keeps 192.0.2.1: metadata.annotations[metallb.io/loadBalancerIPs]: invalid value "192.0.2": is not an IP address`),
		},
		{
			what: "request removed", pools: list(p, q),
			before: []option{wantAddresses("198.51.100.2")}, after: []option{wantAddresses()},
			want: brief{Action: Keep, Addresses: "198.51.100.2", Pool: "q", Unchanged: true},
		},
		{
			what: "pool wish changed", pools: list(p, q),
			before: []option{wantPool("p")}, after: []option{wantPool("q")},
			want: brief{Action: Move, Addresses: "198.51.100.1", Pool: "q", Notes: []string{
				`ClearAssignment: gives up 192.0.2.1: the Service asks for pool "q"`,
				`IPAllocated: assigned 198.51.100.1 from pool "q" (was 192.0.2.1)`,
			}},
		},
		{
			what: "pool wish changed to a pool that is full", pools: list(p, noAutoAssign(pool("q", "198.51.100.1/32"))),
			others: []config.Service{service("other", wantPool("q"))},
			after:  []option{wantPool("q")},
			want: keeps(PoolFull,
				`AllocationFailed: default/svc keeps 192.0.2.1: pool "q" has no free IPv4 address (1 of 1 in use)`),
		},
		{
			what: "pool wish changed to a pool there is not", pools: list(p),
			after: []option{wantPool("z")},
			want:  keeps(PoolNotFound, `AllocationFailed: default/svc keeps 192.0.2.1: there is no pool "z"`),
		},
		{
			what: "pool wish changed to an invalid pool", pools: list(p, pool("z", "198.51.100.1-nonsense")),
			after: []option{wantPool("z")},
			want: keeps(Suspended,
				`AllocationFailed: default/svc keeps 192.0.2.1: pool "z" is suspended because its object is invalid`),
		},
		{
			what: "pool wish removed", pools: list(p, q),
			before: []option{wantPool("q")}, after: []option{wantPool("")},
			want: brief{Action: Keep, Addresses: "198.51.100.1", Pool: "q", Unchanged: true},
		},
		{
			what: "labels that the pool does not admit, with another pool to go to", pools: list(p, pinned(q, onlyLabel("app", "web"))),
			before: []option{label("app", "web"), wantPool("q")}, after: []option{label("app", "other"), wantPool("")},
			want: brief{Action: Move, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
				`ClearAssignment: gives up 198.51.100.1: pool "q" does not admit the labels of the Service`,
				`IPAllocated: assigned 192.0.2.1 from pool "p" (was 198.51.100.1)`,
			}},
		},
		{
			what: "labels that the pool does not admit, with nowhere to go", pools: list(pinned(p, onlyLabel("app", "web"))),
			before: []option{label("app", "web")}, after: []option{label("app", "other")},
			want: keeps(NotAdmitted,
				`AllocationFailed: default/svc keeps 192.0.2.1: pool "p" does not admit the labels of the Service`),
		},
		{
			what: "status was emptied by hand", pools: list(p),
			after: []option{status("")},
			want:  brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p"},
		},
		{
			what: "status was changed by hand", pools: list(p),
			after: []option{status("p", "192.0.2.3")},
			want:  brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p"},
		},
		{
			what: "status lists the same addresses in another order", pools: list(pool("p", "192.0.2.1-192.0.2.3", "2001:db8::/126")),
			before: []option{families(config.IPv4, config.IPv6), policy(config.RequireDualStack)},
			after:  []option{status("p", "2001:db8::", "192.0.2.1")},
			want:   brief{Action: Keep, Addresses: "192.0.2.1 2001:db8::", Pool: "p", Unchanged: true},
		},
		{
			what: "unrelated labels", pools: list(p),
			after: []option{label("app", "other")},
			want:  brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()

			tt.run(t)
		})
	}
}

// TestPoolChanges has one row for each change of pools under a Service that
// holds an address of them (P2, P6).
func TestPoolChanges(t *testing.T) {
	t.Parallel()

	p := pool("p", "192.0.2.0-192.0.2.3")
	q := pool("q", "198.51.100.1-198.51.100.3")
	at := func(a string) option { return wantAddresses(a) }
	wish := wantAddresses() // taken back
	stays := brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true}
	replaced := func(why string) brief {
		return brief{Action: Move, Addresses: "198.51.100.1", Pool: "q", Notes: []string{
			"ClearAssignment: gives up 192.0.2.1: " + why,
			`IPAllocated: assigned 198.51.100.1 from pool "q" (was 192.0.2.1)`,
		}}
	}
	tests := []change{
		{
			what: "pool deleted, another has room", pools: list(p, q), before: []option{at("192.0.2.1")},
			poolsAfter: list(q), after: []option{wish},
			want: replaced("no pool contains it"),
		},
		{
			what: "pool deleted, no other has room", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(noAutoAssign(q)), after: []option{wish},
			want: brief{Action: Release, Reasons: []Reason{AutoAssignOff}, Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: no pool contains it",
				`AllocationFailed: no address for default/svc: pool "q" has autoAssign off`,
			}},
		},
		{
			what: "pool shrunk, the address left it", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("p", "192.0.2.2-192.0.2.3")), after: []option{wish},
			want: brief{Action: Move, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: no pool contains it",
				`IPAllocated: assigned 192.0.2.2 from pool "p" (was 192.0.2.1)`,
			}},
		},
		{
			what: "pool shrunk, the address is still in it", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("p", "192.0.2.1/32")), after: []option{wish},
			want: stays,
		},
		{
			what:  "pool shrunk under one address of two: the other stays",
			pools: list(pool("p", "192.0.2.0-192.0.2.3", "2001:db8::/126")),
			before: []option{
				families(config.IPv4, config.IPv6), policy(config.RequireDualStack), wantAddresses("192.0.2.1", "2001:db8::1"),
			},
			poolsAfter: list(pool("p", "192.0.2.0-192.0.2.3", "2001:db8::2/128")), after: []option{wish},
			want: brief{Action: Move, Addresses: "192.0.2.1 2001:db8::2", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 2001:db8::1: no pool contains it",
				`IPAllocated: assigned 192.0.2.1 and 2001:db8::2 from pool "p" (was 192.0.2.1 and 2001:db8::1)`,
			}},
		},
		{
			what: "pool renamed", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("new", "192.0.2.0-192.0.2.3")), after: []option{wish},
			want: brief{Action: Keep, Addresses: "192.0.2.1", Pool: "new"},
		},
		{
			what: "pool split", pools: list(p), before: []option{at("192.0.2.3")},
			poolsAfter: list(pool("a", "192.0.2.0-192.0.2.1"), pool("b", "192.0.2.2-192.0.2.3")), after: []option{wish},
			want: brief{Action: Keep, Addresses: "192.0.2.3", Pool: "b"},
		},
		{
			what:  "pool split by family under a dual-stack Service that only prefers both",
			pools: list(pool("p", "192.0.2.0-192.0.2.3", "2001:db8::/126")),
			before: []option{
				families(config.IPv6, config.IPv4), policy(config.PreferDualStack), wantAddresses("192.0.2.1", "2001:db8::1"),
			},
			poolsAfter: list(pool("four", "192.0.2.0-192.0.2.3"), pool("six", "2001:db8::/126")), after: []option{wish},
			want: brief{
				Action: Move, Addresses: "2001:db8::1", Pool: "six", Reasons: []Reason{FamilyMissing},
				Notes: []string{
					"ClearAssignment: gives up 192.0.2.1: the addresses of a Service come from one pool",
					`AdditionalAssignFailed: no second address for default/svc: pool "six" has no IPv4 addresses`,
				},
			},
		},
		{
			what: "last pool deleted", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(), after: []option{wish},
			want: brief{Action: Release, Reasons: []Reason{NoPools}, Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: no pool contains it",
				"AllocationFailed: no address for default/svc: there is no IPAddressPool",
			}},
		},
		{
			what: "autoAssign switched off", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(noAutoAssign(p)), after: []option{wish},
			want: stays,
		},
		{
			what: "avoidBuggyIPs switched on over an address that ends in .0", pools: list(p), before: []option{at("192.0.2.0")},
			poolsAfter: list(avoidBuggy(p)), after: []option{wish},
			want: brief{Action: Move, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
				`ClearAssignment: gives up 192.0.2.0: avoidBuggyIPs of pool "p" withholds it`,
				`IPAllocated: assigned 192.0.2.1 from pool "p" (was 192.0.2.0)`,
			}},
		},
		{
			what: "avoidBuggyIPs switched on, with nowhere to go", pools: list(pool("p", "192.0.2.0/32")),
			poolsAfter: list(avoidBuggy(pool("p", "192.0.2.0/32"))),
			want: brief{
				Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true, Reasons: []Reason{AddressWithheld},
				Notes: []string{`AllocationFailed: default/svc keeps 192.0.2.0: avoidBuggyIPs of pool "p" withholds all its IPv4 addresses`},
			},
		},
		{
			what:  "avoidBuggyIPs switched on in a pool that has autoAssign off: its other addresses have to be asked for",
			pools: list(noAutoAssign(p), q), before: []option{at("192.0.2.0")},
			poolsAfter: list(avoidBuggy(noAutoAssign(p)), q), after: []option{wish},
			want: brief{Action: Move, Addresses: "198.51.100.1", Pool: "q", Notes: []string{
				`ClearAssignment: gives up 192.0.2.0: avoidBuggyIPs of pool "p" withholds it`,
				`IPAllocated: assigned 198.51.100.1 from pool "q" (was 192.0.2.0)`,
			}},
		},
		{
			what:  "the same, with nowhere to go",
			pools: list(noAutoAssign(p)), before: []option{at("192.0.2.0")},
			poolsAfter: list(avoidBuggy(noAutoAssign(p))), after: []option{wish},
			want: brief{
				Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true, Reasons: []Reason{AutoAssignOff},
				Notes: []string{`AllocationFailed: default/svc keeps 192.0.2.0: pool "p" has autoAssign off`},
			},
		},
		{
			what: "allocation rules exclude the Service, another pool has room", pools: list(p, q), before: []option{at("192.0.2.1")},
			poolsAfter: list(pinned(p, onlyNamespace("blue")), q), after: []option{wish},
			want: replaced(`pool "p" does not admit namespace default`),
		},
		{
			what: "allocation rules exclude the Service, with nowhere to go", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pinned(p, onlyNamespace("blue"))), after: []option{wish},
			want: brief{
				Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true, Reasons: []Reason{NotAdmitted},
				Notes: []string{`AllocationFailed: default/svc keeps 192.0.2.1: pool "p" does not admit namespace default`},
			},
		},
		{
			what: "pool turned invalid by a bad entry", pools: list(p, q), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("p", "192.0.2.0-nonsense"), q), after: []option{wish},
			want: stays,
		},
		{
			what: "pool turned invalid, and the address was requested", pools: list(p, q), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("p", "192.0.2.0-nonsense"), q),
			want:       stays,
		},
		{
			what: "pool turned invalid, and the pool was requested", pools: list(p, q), before: []option{wantPool("q")},
			poolsAfter: list(p, pool("q", "198.51.100.1-198.51.100.3", "198.51.100.2/32")),
			want:       brief{Action: Keep, Addresses: "198.51.100.1", Pool: "q", Unchanged: true},
		},
		{
			what:  "pool turned invalid by overlapping an older pool that does not admit the Service",
			pools: list(younger(p), pinned(pool("old", "203.0.113.0/30"), onlyNamespace("blue"))), before: []option{at("192.0.2.1")},
			poolsAfter: list(younger(p), pinned(pool("old", "192.0.2.0/24"), onlyNamespace("blue")), q), after: []option{wish},
			want: stays,
		},
		{
			what: "nothing new is taken from an invalid pool", pools: list(pool("p", "192.0.2.1-192.0.2.3", "2001:db8::/126")),
			before:     []option{at("192.0.2.1")},
			poolsAfter: list(pool("p", "192.0.2.1-192.0.2.3", "2001:db8::/126", "nonsense")),
			after:      []option{wish, families(config.IPv4, config.IPv6), policy(config.PreferDualStack)},
			want: brief{
				Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true, Reasons: []Reason{Suspended},
				Notes: []string{`AdditionalAssignFailed: no second address for default/svc: pool "p" is suspended because its object is invalid`},
			},
		},
		{
			what: "an unrelated pool comes first by name", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pool("a", "198.51.100.0/24"), p), after: []option{wish},
			want: stays,
		},
		{
			what: "an unrelated pool is meant for the Service", pools: list(p), before: []option{at("192.0.2.1")},
			poolsAfter: list(pinned(q, onlyNamespace("default")), p), after: []option{wish},
			want: stays,
		},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()

			tt.run(t)
		})
	}
}

// TestForeignStatus has one row for each status that is not of our making, for
// a Service that the ledger does not know (P1, P2).
func TestForeignStatus(t *testing.T) {
	t.Parallel()

	p := pool("p", "192.0.2.1-192.0.2.3")
	full := []config.Service{service("x"), service("y"), service("z")}
	tests := []change{
		{
			what: "outside all pools: replaced", pools: list(p),
			after: []option{status("", "203.0.113.9")},
			want: brief{Action: Move, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 203.0.113.9: no pool contains it",
				`IPAllocated: assigned 192.0.2.1 from pool "p" (was 203.0.113.9)`,
			}},
		},
		{
			what: "outside all pools, and no room: left alone", pools: list(p), others: full,
			after: []option{status("", "203.0.113.9")},
			want: brief{Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull}, Notes: []string{
				`AllocationFailed: no address for default/svc: pool "p" has no free IPv4 address (3 of 3 in use)`,
			}},
		},
		{
			what:  "no pools at all: left alone",
			after: []option{status("", "203.0.113.9")},
			want: brief{Action: Refuse, Unchanged: true, Reasons: []Reason{NoPools}, Notes: []string{
				"AllocationFailed: no address for default/svc: there is no IPAddressPool",
			}},
		},
		{
			what:  "no pools at all, annotated with one that was deleted: cleared",
			after: []option{status("gone", "203.0.113.9")},
			want: brief{Action: Release, Reasons: []Reason{NoPools}, Notes: []string{
				"ClearAssignment: gives up 203.0.113.9: no pool contains it",
				"AllocationFailed: no address for default/svc: there is no IPAddressPool",
			}},
		},
		{
			what: "in a pool, without annotation: kept", pools: list(p),
			after: []option{status("", "192.0.2.3")},
			want:  brief{Action: Keep, Addresses: "192.0.2.3", Pool: "p"},
		},
		{
			what: "held by another: cleared and replaced", pools: list(p), others: full[:1],
			after: []option{status("p", "192.0.2.1")},
			want: brief{Action: Move, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: held by default/x: they have no sharing key in common",
				`IPAllocated: assigned 192.0.2.2 from pool "p" (was 192.0.2.1)`,
			}},
		},
		{
			what: "only the annotation is left: cleaned up", pools: list(p), others: full,
			after: []option{status("p")},
			want: brief{Action: Refuse, Reasons: []Reason{PoolFull}, Notes: []string{
				`AllocationFailed: no address for default/svc: pool "p" has no free IPv4 address (3 of 3 in use)`,
			}},
		},
		{
			what: "an address that cannot be read, beside one that can", pools: list(p),
			after: []option{status("p", "192.0.2.2"), problem("status.loadBalancer.ingress", "x", "is not an IP address")},
			want: brief{Action: Keep, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
				`nolbIPsIPFamily: status.loadBalancer.ingress: invalid value "x": is not an IP address`,
			}},
		},
		{
			what: "two addresses of one family", pools: list(p),
			after: []option{status("p", "192.0.2.2", "192.0.2.3")},
			want: brief{Action: Keep, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
				"nolbIPsIPFamily: status.loadBalancer.ingress has more than one address of a family: 192.0.2.2 and 192.0.2.3",
			}},
		},
		{
			what: "no LoadBalancer, with our annotation", pools: list(p),
			after: []option{notLoadBalancer, status("p", "192.0.2.2")},
			want:  brief{Action: Release},
		},
		{
			what: "no LoadBalancer of ours, with an address of somebody else", pools: list(p),
			after: []option{notLoadBalancer, status("", "203.0.113.9")},
			want:  brief{Action: Ignore, Unchanged: true},
		},
		{
			what: "no LoadBalancer of ours, with a copied annotation", pools: list(p),
			after: []option{notLoadBalancer, status("p", "203.0.113.9")},
			want:  brief{Action: Ignore, Unchanged: true},
		},
	}
	for _, tt := range tests {
		tt.before = []option{notLoadBalancer} // not settled before
		tt.after = append([]option{func(s *config.Service) { s.LoadBalancer = true }}, tt.after...)
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()

			tt.run(t)
		})
	}
}

// TestDeletedServiceFreesItsAddress defends the first row of the reference's
// table: what a deleted Service held is given again at once.
func TestDeletedServiceFreesItsAddress(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1/32")), NewLedger()
	first, second := service("first"), service("second")
	settle(t, snap, l, &first)
	settle(t, snap, l, &second)

	before := l.Openings()
	l.Release(first.Name)
	if l.Openings() == before {
		t.Error("the release of an address is no opening")
	}
	want := brief{Action: Allocate, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
		`IPAllocated: assigned 192.0.2.1 from pool "p"`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &second))); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// TestKeptServiceMovesWhenItsWishCanBeMet defends P2: a wish that could not be
// met is met later, and is said.
func TestKeptServiceMovesWhenItsWishCanBeMet(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.3"), noAutoAssign(pool("q", "198.51.100.1/32"))), NewLedger()
	other := service("other", wantPool("q"))
	settle(t, snap, l, &other)
	svc := service("svc")
	settle(t, snap, l, &svc)
	svc = with(svc, wantPool("q"))
	settle(t, snap, l, &svc)

	l.Release(other.Name)
	want := brief{Action: Move, Addresses: "198.51.100.1", Pool: "q", Notes: []string{
		`ClearAssignment: gives up 192.0.2.1: the Service asks for pool "q"`,
		`IPAllocated: assigned 198.51.100.1 from pool "q" (was 192.0.2.1)`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &svc))); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}
