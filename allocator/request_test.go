package allocator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

// TestRequests has one row for each rule about Services that ask for addresses
// or for a pool, and hold nothing yet.
func TestRequests(t *testing.T) {
	t.Parallel()

	snap := compile(
		pool("auto", "192.0.2.0-192.0.2.3", "2001:db8::/126"),
		noAutoAssign(pool("off", "198.51.100.0/30", "2001:db8:1::/126")),
		pinned(pool("blue", "203.0.113.0/30"), onlyNamespace("blue")),
		avoidBuggy(pool("buggy", "203.0.113.254-203.0.113.255")),
		pool("broken", "203.0.113.128/30", "nonsense"),
	)
	other := service("other", wantAddresses("192.0.2.1"))
	v4, v6 := config.IPv4, config.IPv6
	dual := []option{families(v4, v6), policy(config.RequireDualStack)}

	given := func(addrs, pool, text string) brief {
		return brief{Action: Allocate, Addresses: addrs, Pool: pool, Notes: []string{"IPAllocated: assigned " + text}}
	}
	refused := func(reason Reason, text string) brief {
		return brief{Action: Refuse, Unchanged: true, Reasons: []Reason{reason}, Notes: []string{
			"AllocationFailed: no address for default/svc: " + text,
		}}
	}
	tests := []struct {
		rule string
		svc  []option
		want brief
	}{
		{"a free address", []option{wantAddresses("192.0.2.2")}, given("192.0.2.2", "auto", `192.0.2.2 from pool "auto"`)},
		{"an address of a pool with autoAssign off", []option{wantAddresses("198.51.100.2")}, given("198.51.100.2", "off", `198.51.100.2 from pool "off"`)},
		{"a pool with autoAssign off", []option{wantPool("off")}, given("198.51.100.0", "off", `198.51.100.0 from pool "off"`)},
		{"an address and its pool", []option{wantAddresses("192.0.2.3"), wantPool("auto")}, given("192.0.2.3", "auto", `192.0.2.3 from pool "auto"`)},
		{"two addresses for a dual-stack Service", append(dual, wantAddresses("192.0.2.3", "2001:db8::3")), given("192.0.2.3 2001:db8::3", "auto", `192.0.2.3 and 2001:db8::3 from pool "auto"`)},

		{"an address that is taken: no other instead", []option{wantAddresses("192.0.2.1")}, refused(AddressTaken, "192.0.2.1 is held by default/other: they have no sharing key in common")},
		{"an address in no pool", []option{wantAddresses("10.0.0.1")}, refused(AddressOutsidePools, "no pool contains 10.0.0.1")},
		{"an address and another pool", []option{wantAddresses("192.0.2.3"), wantPool("off")}, refused(PoolMismatch, `192.0.2.3 is in pool "auto", the Service asks for pool "off"`)},
		{"an address of an invalid pool", []option{wantAddresses("203.0.113.129")}, refused(Suspended, `203.0.113.129 is in pool "broken", which is suspended because its object is invalid`)},
		{"an address avoidBuggyIPs withholds", []option{wantAddresses("203.0.113.255")}, refused(AddressWithheld, `avoidBuggyIPs of pool "buggy" withholds 203.0.113.255`)},
		{"an address of a pool for another namespace", []option{wantAddresses("203.0.113.1")}, refused(NotAdmitted, `pool "blue" does not admit namespace default`)},
		{"a pool for another namespace", []option{wantPool("blue")}, refused(NotAdmitted, `pool "blue" does not admit namespace default`)},
		{"a pool there is not", []option{wantPool("nope")}, refused(PoolNotFound, `there is no pool "nope"`)},
		{"an invalid pool", []option{wantPool("broken")}, refused(Suspended, `pool "broken" is suspended because its object is invalid`)},
		{"a pool without the family", []option{wantPool("blue"), func(s *config.Service) { s.Name.Namespace = "blue" }, families(v6)}, brief{
			Action: Refuse, Unchanged: true, Reasons: []Reason{FamilyMissing},
			Notes: []string{`AllocationFailed: no address for blue/svc: pool "blue" has no IPv6 addresses`},
		}},

		{"an address of the other family", []option{wantAddresses("2001:db8::1")}, refused(FamilyMismatch, "the Service has only IPv4 ClusterIPs and asks for 2001:db8::1: it takes one address of each of its families")},
		{"two addresses for a single-stack Service", []option{wantAddresses("192.0.2.2", "2001:db8::2")}, refused(FamilyMismatch, "the Service has only IPv4 ClusterIPs and asks for 192.0.2.2 and 2001:db8::2: it takes one address of each of its families")},
		{"two addresses of one family", []option{wantAddresses("192.0.2.2", "192.0.2.3")}, refused(FamilyMismatch, "the Service has only IPv4 ClusterIPs and asks for 192.0.2.2 and 192.0.2.3: it takes one address of each of its families")},
		{"one address for a dual-stack Service", append(dual, wantAddresses("192.0.2.2")), refused(FamilyMismatch, "the Service has IPv4 and IPv6 ClusterIPs and asks for 192.0.2.2: it takes one address of each of its families")},
		{"two addresses of one family for a dual-stack Service", append(dual, wantAddresses("192.0.2.2", "192.0.2.3")), refused(FamilyMismatch, "the Service has IPv4 and IPv6 ClusterIPs and asks for 192.0.2.2 and 192.0.2.3: it takes one address of each of its families")},
		{"addresses in two pools", append(dual, wantAddresses("192.0.2.2", "2001:db8:1::2")), refused(AddressesApart, "192.0.2.2 and 2001:db8:1::2 are in different pools")},
		{"text that is no address", []option{problem("spec.loadBalancerIP", "x", "is not an IP address")}, refused(RequestUnreadable, `spec.loadBalancerIP: invalid value "x": is not an IP address`)},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			l, first := NewLedger(), other
			settle(t, snap, l, &first)
			svc := service("svc", tt.svc...)
			if diff := cmp.Diff(tt.want, briefly(settle(t, snap, l, &svc))); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if o := Assign(snap, l, svc); len(o.Notes) > 0 || o.Changed {
				t.Errorf("asked again, there is news: %+v", o)
			}
		})
	}
}
