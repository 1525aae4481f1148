package allocator

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

func TestCapacity(t *testing.T) {
	t.Parallel()

	const most = math.MaxInt64
	tests := []struct {
		name   string
		pool   v1beta1.IPAddressPool
		v4, v6 int64
	}{
		{"the guide's premium pool", pool("p", "198.51.100.10-198.51.100.15"), 6, 0},
		{"both families and several entries", pool("p", "192.0.2.0/24", "198.51.100.0/31", "2001:db8::/120"), 258, 256},
		{"all of IPv4", pool("p", "0.0.0.0/0"), 1 << 32, 0},
		{"avoidBuggyIPs in a /24", avoidBuggy(pool("p", "192.0.2.0/24")), 254, 0},
		{"avoidBuggyIPs in a range", avoidBuggy(pool("p", "192.0.2.254-192.0.3.1")), 2, 0},
		{"avoidBuggyIPs in a range between", avoidBuggy(pool("p", "192.0.2.1-192.0.2.254")), 254, 0},
		{"avoidBuggyIPs in a /32 that ends in 0", avoidBuggy(pool("p", "192.0.2.0/32")), 0, 0},
		{"avoidBuggyIPs in a /32 that ends in 255", avoidBuggy(pool("p", "192.0.2.255/32")), 0, 0},
		{"avoidBuggyIPs at the very start", avoidBuggy(pool("p", "0.0.0.0/24")), 254, 0},
		{"avoidBuggyIPs at the very end", avoidBuggy(pool("p", "255.255.255.0/24")), 254, 0},
		{"avoidBuggyIPs in all of IPv4", avoidBuggy(pool("p", "0.0.0.0/0")), 1<<32 - 1<<25, 0},
		{"avoidBuggyIPs leaves IPv6 alone", avoidBuggy(pool("p", "2001:db8::/120")), 0, 256},
		{"an IPv6 /67", pool("p", "2001:db8::/67"), 0, 1 << 61},
		{"an IPv6 /66", pool("p", "2001:db8::/66"), 0, most},
		{"an IPv6 /64", pool("p", "2001:db8::/64"), 0, most},
		{"all of IPv6", pool("p", "::/0"), 0, most},
		{"a huge entry before others", pool("p", "2001:db8::/64", "2001:db8:1::/120", "192.0.2.0/31"), 2, most},
		{"many large entries", pool("p", "2001:db8::/67", "2001:db8:1::/67", "2001:db8:2::/67", "2001:db8:3::/67", "2001:db8:4::/67"), 0, most},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			snap := compile(tt.pool)
			want := Usage{CapacityIPv4: tt.v4, CapacityIPv6: tt.v6}
			if diff := cmp.Diff(want, NewLedger().Usage(snap.Pools[0])); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUsageFollowsTheLedger counts distinct addresses through the life of a
// pool.
func TestUsageFollowsTheLedger(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.0/30", "2001:db8::/126")), NewLedger()
	one := service("one", sharing("k"))
	both := service("both", families(config.IPv4, config.IPv6), policy(config.RequireDualStack), sharing("k"), ports(tcp443))
	assigned := func(snap *config.Snapshot) [2]int64 {
		u := l.Usage(snap.Pools[0])
		return [2]int64{u.AssignedIPv4, u.AssignedIPv6}
	}

	var got [][2]int64
	settle(t, snap, l, &one)
	got = append(got, assigned(snap))
	settle(t, snap, l, &both) // shares the IPv4 address
	got = append(got, assigned(snap))

	renamed := compile(pool("new", "192.0.2.0/30", "2001:db8::/126"))
	settle(t, renamed, l, &one)
	settle(t, renamed, l, &both)
	got = append(got, assigned(snap), assigned(renamed))
	l.Release(one.Name)
	got = append(got, assigned(renamed))
	l.Release(both.Name)
	got = append(got, assigned(renamed))

	want := [][2]int64{{1, 0}, {1, 1}, {0, 0}, {1, 1}, {1, 1}, {0, 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assigned IPv4 and IPv6 (-want +got):\n%s", diff)
	}
}

func TestAvailableIsNeverNegative(t *testing.T) {
	t.Parallel()

	u := Usage{AssignedIPv4: 3, CapacityIPv4: 2, AssignedIPv6: 1, CapacityIPv6: math.MaxInt64}
	got := []int64{u.Available(config.IPv4), u.Available(config.IPv6)}
	if diff := cmp.Diff([]int64{0, math.MaxInt64 - 1}, got); diff != "" {
		t.Errorf("available IPv4 and IPv6 (-want +got):\n%s", diff)
	}
}

// TestNothingIsAvailableOfASuspendedPool: nobody is promised what nobody gets.
func TestNothingIsAvailableOfASuspendedPool(t *testing.T) {
	t.Parallel()

	u := Usage{CapacityIPv4: 16, AssignedIPv4: 2, CapacityIPv6: 8, Suspended: true}
	if four, six := u.Available(config.IPv4), u.Available(config.IPv6); four != 0 || six != 0 {
		t.Errorf("%d and %d addresses are available, want none", four, six)
	}
}
