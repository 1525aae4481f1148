package allocator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// TestFamilies has one row for each line of the rules about IP families, for
// Services that hold nothing yet.
func TestFamilies(t *testing.T) {
	t.Parallel()

	v4, v6 := config.IPv4, config.IPv6
	var (
		dual   = pool("dual", "192.0.2.0/30", "2001:db8::/126")
		only4  = pool("only4", "198.51.100.0/30")
		only6  = pool("only6", "2001:db8:6::/126")
		pools  = func(p ...v1beta1.IPAddressPool) []v1beta1.IPAddressPool { return p }
		got    = func(text string) []string { return []string{"IPAllocated: assigned " + text} }
		single = func(text, missing string) []string {
			return []string{"IPAllocated: assigned " + text, "AdditionalAssignFailed: no second address for default/svc: " + missing}
		}
	)
	tests := []struct {
		rule  string
		pools []v1beta1.IPAddressPool
		svc   []option
		want  brief
	}{
		{
			rule: "one IPv4 ClusterIP, one IPv4 address", pools: pools(dual),
			svc:  []option{families(v4)},
			want: brief{Action: Allocate, Addresses: "192.0.2.0", Pool: "dual", Notes: got(`192.0.2.0 from pool "dual"`)},
		},
		{
			rule: "one IPv6 ClusterIP, one IPv6 address", pools: pools(dual),
			svc:  []option{families(v6)},
			want: brief{Action: Allocate, Addresses: "2001:db8::", Pool: "dual", Notes: got(`2001:db8:: from pool "dual"`)},
		},
		{
			rule: "single ClusterIP, one address even under PreferDualStack", pools: pools(dual),
			svc:  []option{families(v4), policy(config.PreferDualStack)},
			want: brief{Action: Allocate, Addresses: "192.0.2.0", Pool: "dual", Notes: got(`192.0.2.0 from pool "dual"`)},
		},
		{
			rule: "no ClusterIP", pools: pools(dual),
			svc:  []option{families()},
			want: brief{Action: Refuse, Unchanged: true, Reasons: []Reason{NoClusterIP}},
		},
		{
			rule: "RequireDualStack without two ClusterIPs", pools: pools(dual),
			svc: []option{families(v6), policy(config.RequireDualStack)},
			want: brief{Action: Refuse, Unchanged: true, Reasons: []Reason{NotEnoughClusterIPs}, Notes: []string{
				"not enough clusterips: no address for default/svc: ipFamilyPolicy RequireDualStack needs ClusterIPs of both families, there is only IPv6",
			}},
		},
		{
			rule: "RequireDualStack takes both from one pool, IPv4 first", pools: pools(only4, only6, dual),
			svc:  []option{families(v6, v4), policy(config.RequireDualStack)},
			want: brief{Action: Allocate, Addresses: "192.0.2.0 2001:db8::", Pool: "dual", Notes: got(`192.0.2.0 and 2001:db8:: from pool "dual"`)},
		},
		{
			rule: "RequireDualStack does not combine pools", pools: pools(only4, only6),
			svc: []option{families(v4, v6), policy(config.RequireDualStack)},
			want: brief{Action: Refuse, Unchanged: true, Reasons: []Reason{FamilyMissing, FamilyMissing}, Notes: []string{
				`AllocationFailed: no address for default/svc: pool "only4" has no IPv6 addresses; pool "only6" has no IPv4 addresses`,
			}},
		},
		{
			rule: "PreferDualStack: the first pool that has both wins over an earlier one with one", pools: pools(pool("a4", "203.0.113.0/30"), dual),
			svc:  []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{Action: Allocate, Addresses: "192.0.2.0 2001:db8::", Pool: "dual", Notes: got(`192.0.2.0 and 2001:db8:: from pool "dual"`)},
		},
		{
			rule: "PreferDualStack: else the primary family, IPv4", pools: pools(only4, only6),
			svc: []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{
				Action: Allocate, Addresses: "198.51.100.0", Pool: "only4", Reasons: []Reason{FamilyMissing},
				Notes: single(`198.51.100.0 from pool "only4"`, `pool "only4" has no IPv6 addresses`),
			},
		},
		{
			rule: "PreferDualStack: else the primary family, IPv6", pools: pools(only4, only6),
			svc: []option{families(v6, v4), policy(config.PreferDualStack)},
			want: brief{
				Action: Allocate, Addresses: "2001:db8:6::", Pool: "only6", Reasons: []Reason{FamilyMissing},
				Notes: single(`2001:db8:6:: from pool "only6"`, `pool "only6" has no IPv4 addresses`),
			},
		},
		{
			rule: "PreferDualStack: else the secondary family", pools: pools(only6),
			svc: []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{
				Action: Allocate, Addresses: "2001:db8:6::", Pool: "only6", Reasons: []Reason{FamilyMissing},
				Notes: single(`2001:db8:6:: from pool "only6"`, `pool "only6" has no IPv4 addresses`),
			},
		},
		{
			rule: "PreferDualStack: a pool meant for the Service goes before one with both", pools: pools(dual, pinned(only6, onlyNamespace("default"))),
			svc: []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{
				Action: Allocate, Addresses: "2001:db8:6::", Pool: "only6", Reasons: []Reason{FamilyMissing},
				Notes: single(`2001:db8:6:: from pool "only6"`, `pool "only6" has no IPv4 addresses`),
			},
		},
		{
			rule: "two requested addresses come IPv4 first whatever their order", pools: pools(dual),
			svc:  []option{families(v6, v4), policy(config.RequireDualStack), wantAddresses("2001:db8::2", "192.0.2.2")},
			want: brief{Action: Allocate, Addresses: "192.0.2.2 2001:db8::2", Pool: "dual", Notes: got(`192.0.2.2 and 2001:db8::2 from pool "dual"`)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			svc := service("svc", tt.svc...)
			l := NewLedger()
			if diff := cmp.Diff(tt.want, briefly(settle(t, compile(tt.pools...), l, &svc))); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			again := Assign(compile(tt.pools...), l, svc)
			if len(again.Notes) > 0 || again.Changed {
				t.Errorf("asked again, there is news: %+v", again)
			}
		})
	}
}

// TestFamiliesOfHolders has one row for each change of families under a
// Service that holds addresses (P2): what fits stays.
func TestFamiliesOfHolders(t *testing.T) {
	t.Parallel()

	v4, v6 := config.IPv4, config.IPv6
	tests := []struct {
		rule   string
		pools  []v1beta1.IPAddressPool
		before []option // settled first
		after  []option
		want   brief
	}{
		{
			rule:   "PreferDualStack completes from the same pool once there are two ClusterIPs",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v4)},
			after:  []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{Action: Move, Addresses: "192.0.2.0 2001:db8::", Pool: "p", Notes: []string{
				`IPAllocated: assigned 192.0.2.0 and 2001:db8:: from pool "p"`,
			}},
		},
		{
			rule:   "PreferDualStack with a single ClusterIP adds nothing and does not oscillate",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v4)},
			after:  []option{policy(config.PreferDualStack)},
			want:   brief{Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true},
		},
		{
			rule:   "PreferDualStack does not leave its pool for a second address",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30"), pool("q", "198.51.100.0/30", "2001:db8::/126")},
			before: []option{families(v4)},
			after:  []option{families(v4, v6), policy(config.PreferDualStack)},
			want: brief{
				Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true, Reasons: []Reason{FamilyMissing},
				Notes: []string{`AdditionalAssignFailed: no second address for default/svc: pool "p" has no IPv6 addresses`},
			},
		},
		{
			rule:   "RequireDualStack completes from the same pool and keeps the address it has",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v6), wantAddresses("2001:db8::3")},
			after:  []option{wantAddresses(), families(v6, v4), policy(config.RequireDualStack)},
			want: brief{Action: Move, Addresses: "192.0.2.0 2001:db8::3", Pool: "p", Notes: []string{
				`IPAllocated: assigned 192.0.2.0 and 2001:db8::3 from pool "p"`,
			}},
		},
		{
			rule:   "RequireDualStack moves to a pool that has both",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30"), pool("q", "198.51.100.0/30", "2001:db8::/126")},
			before: []option{families(v4)},
			after:  []option{families(v4, v6), policy(config.RequireDualStack)},
			want: brief{Action: Move, Addresses: "198.51.100.0 2001:db8::", Pool: "q", Notes: []string{
				"ClearAssignment: gives up 192.0.2.0: the addresses of a Service come from one pool",
				`IPAllocated: assigned 198.51.100.0 and 2001:db8:: from pool "q" (was 192.0.2.0)`,
			}},
		},
		{
			rule:   "RequireDualStack that no pool can meet keeps what it has",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30")},
			before: []option{families(v4)},
			after:  []option{families(v4, v6), policy(config.RequireDualStack)},
			want: brief{
				Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true, Reasons: []Reason{FamilyMissing},
				Notes: []string{`AllocationFailed: default/svc keeps 192.0.2.0: pool "p" has no IPv6 addresses`},
			},
		},
		{
			rule:   "a ClusterIP less: the address of the other family stays",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v4, v6), policy(config.PreferDualStack), wantAddresses("192.0.2.3", "2001:db8::3")},
			after:  []option{wantAddresses(), families(v4), policy(config.SingleStack)},
			want: brief{Action: Move, Addresses: "192.0.2.3", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 2001:db8::3: the Service has no IPv6 ClusterIP",
			}},
		},
		{
			rule:   "RequireDualStack that loses a ClusterIP is cleared",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v4, v6), policy(config.RequireDualStack)},
			after:  []option{families(v4)},
			want: brief{Action: Release, Reasons: []Reason{NotEnoughClusterIPs}, Notes: []string{
				"not enough clusterips: no address for default/svc: ipFamilyPolicy RequireDualStack needs ClusterIPs of both families, there is only IPv4",
			}},
		},
		{
			rule:   "addresses of a family the Service has no more are replaced",
			pools:  []v1beta1.IPAddressPool{pool("p", "192.0.2.0/30", "2001:db8::/126")},
			before: []option{families(v4)},
			after:  []option{families(v6)},
			want: brief{Action: Move, Addresses: "2001:db8::", Pool: "p", Notes: []string{
				"ClearAssignment: gives up 192.0.2.0: the Service has no IPv4 ClusterIP",
				`IPAllocated: assigned 2001:db8:: from pool "p" (was 192.0.2.0)`,
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(tt.pools...), NewLedger()
			svc := service("svc", tt.before...)
			settle(t, snap, l, &svc)
			svc = with(svc, tt.after...)
			if diff := cmp.Diff(tt.want, briefly(settle(t, snap, l, &svc))); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			for range 3 {
				if o := settle(t, snap, l, &svc); o.Changed || len(o.Notes) > 0 {
					t.Fatalf("asked again, there is news: %+v", o)
				}
			}
		})
	}
}

// TestSecondAddressComesWhenThereIsRoom defends the completion of a
// PreferDualStack Service at a later time, said once each way.
func TestSecondAddressComesWhenThereIsRoom(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.0/30", "2001:db8::/128")), NewLedger()
	first := service("first", families(config.IPv6))
	settle(t, snap, l, &first)
	svc := service("svc", families(config.IPv6, config.IPv4), policy(config.PreferDualStack))

	want := []brief{
		{
			Action: Allocate, Addresses: "192.0.2.0", Pool: "p", Reasons: []Reason{PoolFull},
			Notes: []string{
				`IPAllocated: assigned 192.0.2.0 from pool "p"`,
				`AdditionalAssignFailed: no second address for default/svc: pool "p" has no free IPv6 address (1 of 1 in use)`,
			},
		},
		{Action: Keep, Addresses: "192.0.2.0", Pool: "p", Unchanged: true, Reasons: []Reason{PoolFull}},
		{
			Action: Move, Addresses: "192.0.2.0 2001:db8::", Pool: "p",
			Notes: []string{`IPAllocated: assigned 192.0.2.0 and 2001:db8:: from pool "p"`},
		},
		{Action: Keep, Addresses: "192.0.2.0 2001:db8::", Pool: "p", Unchanged: true},
	}
	var got []brief
	for i := range want {
		if i == 2 {
			l.Release(first.Name)
		}
		got = append(got, briefly(settle(t, snap, l, &svc)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes in order (-want +got):\n%s", diff)
	}
}
