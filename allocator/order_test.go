package allocator

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// fill settles Services until one is refused, and returns the pools that the
// others got their addresses from, in order and without repetition.
func fill(t *testing.T, snap *config.Snapshot, options ...option) []string {
	t.Helper()

	l := NewLedger()
	var order []string
	for i := 0; ; i++ {
		svc := service(fmt.Sprintf("svc-%d", i), options...)
		o := settle(t, snap, l, &svc)
		if o.Action == Refuse {
			return order
		}
		if n := len(order); n == 0 || order[n-1] != o.Assignment.Pool {
			order = append(order, o.Assignment.Pool)
		}
	}
}

// TestPoolOrder has one row for each rule about which pool is asked first.
func TestPoolOrder(t *testing.T) {
	t.Parallel()

	priority := func(n int) v1beta1.ServiceAllocation { return v1beta1.ServiceAllocation{Priority: n} }
	block := func(i int) string { return fmt.Sprintf("192.0.2.%d-192.0.2.%d", i*10, i*10+1) }
	a, b, c, d := pool("a", block(1)), pool("b", block(2)), pool("c", block(3)), pool("d", block(4))

	tests := []struct {
		rule  string
		pools []v1beta1.IPAddressPool
		svc   []option
		want  []string
	}{
		{
			rule: "by name", pools: list(c, a, b),
			want: []string{"a", "b", "c"},
		},
		{
			rule: "without those that have autoAssign off", pools: list(noAutoAssign(a), b),
			want: []string{"b"},
		},
		{
			rule: "pools meant for the Service first, then the rest", pools: list(a, pinned(b, priority(0)), c),
			want: []string{"b", "a", "c"},
		},
		{
			rule: "by priority, those without one last", pools: list(pinned(a, priority(0)), pinned(b, priority(20)), pinned(c, priority(3)), d),
			want: []string{"c", "b", "a", "d"},
		},
		{
			rule: "equal priorities by name", pools: list(pinned(c, priority(5)), pinned(a, priority(5)), pinned(b, priority(5))),
			want: []string{"a", "b", "c"},
		},
		{
			rule: "no priorities by name", pools: list(pinned(c, priority(0)), pinned(b, priority(0)), pinned(a, priority(0))),
			want: []string{"a", "b", "c"},
		},
		{
			rule: "autoAssign off holds for pools meant for the Service, too", pools: list(noAutoAssign(pinned(a, priority(1))), b),
			want: []string{"b"},
		},
		{
			rule: "pools meant for another namespace never", pools: list(pinned(a, onlyNamespace("blue")), b),
			want: []string{"b"},
		},
		{
			rule: "pools meant for other labels never", pools: list(pinned(a, onlyLabel("app", "web")), pinned(b, onlyLabel("app", "db"))),
			svc:  []option{label("app", "db")},
			want: []string{"b"},
		},
		{
			rule:  "namespace and labels both have to match",
			pools: list(pinned(a, v1beta1.ServiceAllocation{Namespaces: []string{"blue"}, ServiceSelectors: onlyLabel("app", "db").ServiceSelectors}), b),
			svc:   []option{label("app", "db")},
			want:  []string{"b"},
		},
		{
			rule: "namespace selectors that match no namespace match nothing",
			pools: list(pinned(a, v1beta1.ServiceAllocation{
				NamespaceSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"tier": "lead"}}},
				ServiceSelectors:   onlyLabel("app", "db").ServiceSelectors,
			}), b),
			svc:  []option{label("app", "db")},
			want: []string{"b"},
		},
		{
			rule: "namespaces by label",
			pools: list(a, pinned(b, v1beta1.ServiceAllocation{
				NamespaceSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"tier": "gold"}}},
			})),
			svc:  []option{func(s *config.Service) { s.Name.Namespace = "blue" }},
			want: []string{"b", "a"},
		},
		{
			rule: "invalid pools never", pools: list(pool("a", block(1), "nonsense"), b),
			want: []string{"b"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tt.want, fill(t, compile(tt.pools...), tt.svc...)); diff != "" {
				t.Errorf("pools in order (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOrderInPool has one row for each rule about which address of a pool is
// given first.
func TestOrderInPool(t *testing.T) {
	t.Parallel()

	tests := []struct {
		rule string
		pool v1beta1.IPAddressPool
		svc  []option
		want []string
	}{
		{
			rule: "a CIDR from its first address to its last",
			pool: pool("p", "192.0.2.4/30"),
			want: []string{"192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"},
		},
		{
			rule: "a range ascending",
			pool: pool("p", "192.0.2.254-192.0.3.1"),
			want: []string{"192.0.2.254", "192.0.2.255", "192.0.3.0", "192.0.3.1"},
		},
		{
			rule: "entries as listed",
			pool: pool("p", "198.51.100.8/31", "192.0.2.0/31"),
			want: []string{"198.51.100.8", "198.51.100.9", "192.0.2.0", "192.0.2.1"},
		},
		{
			rule: "avoidBuggyIPs skips .0 and .255",
			pool: avoidBuggy(pool("p", "192.0.2.254-192.0.3.1")),
			want: []string{"192.0.2.254", "192.0.3.1"},
		},
		{
			rule: "avoidBuggyIPs leaves IPv6 alone",
			pool: avoidBuggy(pool("p", "2001:db8::fe-2001:db8::100")),
			svc:  []option{families(config.IPv6)},
			want: []string{"2001:db8::fe", "2001:db8::ff", "2001:db8::100"},
		},
		{
			rule: "each family by itself",
			pool: pool("p", "2001:db8::/127", "192.0.2.8/31"),
			svc:  []option{families(config.IPv4, config.IPv6), policy(config.RequireDualStack)},
			want: []string{"192.0.2.8 2001:db8::", "192.0.2.9 2001:db8::1"},
		},
		{
			rule: "the last addresses there are",
			pool: pool("p", "255.255.255.254/31"),
			want: []string{"255.255.255.254", "255.255.255.255"},
		},
		{
			rule: "the last IPv6 addresses there are",
			pool: pool("p", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"),
			svc:  []option{families(config.IPv6)},
			want: []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(tt.pool), NewLedger()
			var got []string
			for i := 0; ; i++ {
				svc := service(fmt.Sprintf("svc-%d", i), tt.svc...)
				o := settle(t, snap, l, &svc)
				if o.Action == Refuse {
					break
				}
				got = append(got, briefly(o).Addresses)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("addresses in order (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFreedAddressesAreReusedLowestFirst defends that there is no quarantine.
func TestFreedAddressesAreReusedLowestFirst(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.0/29")), NewLedger()
	var held []config.Service
	for i := range 8 {
		svc := service(fmt.Sprintf("svc-%d", i))
		settle(t, snap, l, &svc)
		held = append(held, svc)
	}
	for _, i := range []int{6, 1, 3} {
		l.Release(held[i].Name)
	}
	var got []string
	for i := range 3 {
		svc := service(fmt.Sprintf("new-%d", i))
		got = append(got, briefly(settle(t, snap, l, &svc)).Addresses)
	}
	if diff := cmp.Diff([]string{"192.0.2.1", "192.0.2.3", "192.0.2.6"}, got); diff != "" {
		t.Errorf("addresses in order (-want +got):\n%s", diff)
	}
}
