package allocator

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

// disputedBy is the claim of an address that a stranger uses.
func disputedBy(addr, mac string, holders ...Holder) Claim {
	c := claimed(addr, holders...)
	c.Stranger = &Stranger{MAC: mac, Interface: "eth0", Node: "node-a"}
	return c
}

const squatter = "02:00:5e:00:53:01"

// inUse is how a message says who has an address.
const inUse = "in use by host " + squatter + " outside the cluster, seen on eth0 of node node-a"

// TestStrangers defends P2 and P6: whom an address in use by a host outside the
// cluster makes move, whom it does not, and who is told what.
func TestStrangers(t *testing.T) {
	t.Parallel()

	v4, v6 := config.IPv4, config.IPv6
	pair := families(v4, v6)
	for name, tt := range map[string]struct {
		pools  []string
		svc    config.Service
		claims []Claim
		want   brief
	}{
		"a new Service passes it over": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web"),
			[]Claim{disputedBy("192.0.2.1", squatter)},
			brief{Action: Allocate, Addresses: "192.0.2.2", Pool: "a", Notes: []string{`IPAllocated: assigned 192.0.2.2 from pool "a"`}},
		},
		"who has it moves at once": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web", status("a", "192.0.2.1")),
			[]Claim{disputedBy("192.0.2.1", squatter, holder("default/web", ""))},
			brief{Action: Move, Addresses: "192.0.2.2", Pool: "a", Notes: []string{
				"ClearAssignment: gives up 192.0.2.1: it is " + inUse,
				`IPAllocated: assigned 192.0.2.2 from pool "a" (was 192.0.2.1)`,
				`AddressConflict: moved from 192.0.2.1 to 192.0.2.2 of pool "a": 192.0.2.1 is ` + inUse,
			}},
		},
		"who asked for it stays": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web", wantAddresses("192.0.2.1"), status("a", "192.0.2.1")),
			[]Claim{disputedBy("192.0.2.1", squatter, holder("default/web", ""))},
			brief{
				Action: Keep, Addresses: "192.0.2.1", Pool: "a", Unchanged: true, Reasons: []Reason{AddressConflict},
				Notes: []string{"AddressConflict: default/web keeps its address: 192.0.2.1 is " + inUse},
			},
		},
		"who asks for it gets it": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web", wantAddresses("192.0.2.1")),
			[]Claim{disputedBy("192.0.2.1", squatter)},
			brief{
				Action: Allocate, Addresses: "192.0.2.1", Pool: "a", Reasons: []Reason{AddressConflict},
				Notes: []string{
					`IPAllocated: assigned 192.0.2.1 from pool "a"`,
					"AddressConflict: default/web keeps its address: 192.0.2.1 is " + inUse,
				},
			},
		},
		"there is no other": {
			[]string{"192.0.2.1/32"},
			service("web", status("a", "192.0.2.1")),
			[]Claim{disputedBy("192.0.2.1", squatter, holder("default/web", ""))},
			brief{
				Action: Keep, Addresses: "192.0.2.1", Pool: "a", Unchanged: true, Reasons: []Reason{PoolFull},
				Notes: []string{
					`AllocationFailed: default/web keeps 192.0.2.1: pool "a" has no free IPv4 address (1 of 1 in use or in quarantine)`,
					"AddressConflict: default/web keeps its address: 192.0.2.1 is " + inUse,
				},
			},
		},
		"nothing is left for a new Service": {
			[]string{"192.0.2.1/32"},
			service("web"),
			[]Claim{disputedBy("192.0.2.1", squatter)},
			brief{
				Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull},
				Notes: []string{`AllocationFailed: no address for default/web: pool "a" has no free IPv4 address (1 of 1 in use or in quarantine)`},
			},
		},
		"one of two families moves": {
			[]string{"192.0.2.1-192.0.2.3", "2001:db8::1-2001:db8::3"},
			service("web", pair, policy(config.PreferDualStack), status("a", "192.0.2.1", "2001:db8::1")),
			[]Claim{disputedBy("2001:db8::1", squatter, holder("default/web", ""))},
			brief{Action: Move, Addresses: "192.0.2.1 2001:db8::2", Pool: "a", Notes: []string{
				"ClearAssignment: gives up 2001:db8::1: it is " + inUse,
				`IPAllocated: assigned 192.0.2.1 and 2001:db8::2 from pool "a" (was 192.0.2.1 and 2001:db8::1)`,
				`AddressConflict: moved from 2001:db8::1 to 2001:db8::2 of pool "a": 2001:db8::1 is ` + inUse,
			}},
		},
		"of two families the one without another stays": {
			[]string{"192.0.2.1/32", "2001:db8::1-2001:db8::3"},
			service("web", pair, policy(config.PreferDualStack), status("a", "192.0.2.1", "2001:db8::1")),
			[]Claim{disputedBy("192.0.2.1", squatter, holder("default/web", ""))},
			brief{
				Action: Keep, Addresses: "192.0.2.1 2001:db8::1", Pool: "a", Unchanged: true, Reasons: []Reason{AddressConflict},
				Notes: []string{"AddressConflict: default/web keeps its address: 192.0.2.1 is " + inUse},
			},
		},
		"it is not shared": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web", sharing("k"), ports(tcp443)),
			[]Claim{disputedBy("192.0.2.1", squatter, holder("default/other", "k", 80))},
			brief{Action: Allocate, Addresses: "192.0.2.2", Pool: "a", Notes: []string{`IPAllocated: assigned 192.0.2.2 from pool "a"`}},
		},
		"it is not given back to who left it": {
			[]string{"192.0.2.1-192.0.2.3"},
			service("web"),
			[]Claim{func() Claim {
				c := released("192.0.2.1", 0, holder("default/web", ""))
				c.Stranger = disputedBy("192.0.2.1", squatter).Stranger
				return c
			}()},
			brief{Action: Allocate, Addresses: "192.0.2.2", Pool: "a", Notes: []string{`IPAllocated: assigned 192.0.2.2 from pool "a"`}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(pool("a", tt.pools...)), NewLedger()
			for _, c := range tt.claims {
				l.Learn(c)
			}
			l.Adopt(snap, []config.Service{tt.svc})
			if diff := cmp.Diff(tt.want, briefly(Assign(snap, l, tt.svc))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestStrangerEverywhere defends P2: a host that claims every address, as a
// router with proxy ARP does, does not make Services flee through the pool.
func TestStrangerEverywhere(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("a", "192.0.2.0/24")), NewLedger()
	svc := service("web")
	moves := -1
	for range 100 {
		if o := settle(t, snap, l, &svc); o.Action == Keep {
			break
		}
		moves++
		l.Learn(disputedBy(svc.Addresses[0].String(), squatter, holder("default/web", "")))
	}
	if moves != strangerLimit {
		t.Errorf("moved %d times, want %d", moves, strangerLimit)
	}
	if o := Assign(snap, l, svc); len(o.Refusals) == 0 || o.Refusals[0].Reason != AddressConflict {
		t.Errorf("refusals are %v, want the conflict to be said", o.Refusals)
	}
}

// TestConflictsIgnored holds that nobody moves in a pool that does not care.
func TestConflictsIgnored(t *testing.T) {
	t.Parallel()

	p := pool("a", "192.0.2.0/24")
	p.Annotations = map[string]string{config.AnnotationConflictDetection: "off"}
	snap, l := compile(p), NewLedger()
	svc := service("web", status("a", "192.0.2.1"))
	l.Learn(disputedBy("192.0.2.1", squatter, holder("default/web", "")))
	want := brief{Action: Keep, Addresses: "192.0.2.1", Pool: "a", Unchanged: true}
	if diff := cmp.Diff(want, briefly(Assign(snap, l, svc))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestQuarantine defends P7: what strangers use is counted and listed while no
// Service holds it, and waiting Services are asked again when it ends.
func TestQuarantine(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("a", "192.0.2.0-192.0.2.9", "2001:db8::/126")), NewLedger()
	svc := service("web", wantAddresses("192.0.2.1"))
	for _, addr := range []string{"192.0.2.1", "192.0.2.3", "192.0.2.9", "192.0.2.10", "2001:db8::3"} {
		l.Learn(disputedBy(addr, squatter))
	}
	settle(t, snap, l, &svc)
	var got []string
	for _, c := range l.Quarantine(snap.Pools[0]) {
		got = append(got, c.Address.String())
	}
	if diff := cmp.Diff([]string{"192.0.2.3", "192.0.2.9", "2001:db8::3"}, got); diff != "" {
		t.Errorf("in quarantine (-want +got):\n%s", diff)
	}
	u := l.Usage(snap.Pools[0])
	if diff := cmp.Diff("7 3", fmt.Sprint(u.Available(config.IPv4), u.Available(config.IPv6))); diff != "" {
		t.Errorf("available (-want +got):\n%s", diff)
	}

	before := l.Openings()
	again := disputedBy("192.0.2.3", squatter)
	again.Stranger.Heard = time.Unix(1, 0)
	l.Learn(again)
	if l.Openings() != before {
		t.Error("a stranger that is heard again opens nothing")
	}
	l.Unlearn(netip.MustParseAddr("192.0.2.3"))
	l.Learn(claimed("192.0.2.9"))
	if got := l.Openings() - before; got != 2 {
		t.Errorf("%d openings, want one for each that is free again", got)
	}
	if left := again.Quarantined(time.Unix(61, 0)); left != 9*time.Minute {
		t.Errorf("%v of the quarantine are left, want 9m", left)
	}
}
