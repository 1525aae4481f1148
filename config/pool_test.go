package config_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// poolOf is an IPAddressPool created at that minute.
func poolOf(name string, minute int, addresses ...string) v1beta1.IPAddressPool {
	return v1beta1.IPAddressPool{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "metallb-system",
			CreationTimestamp: metav1.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC),
		},
		Spec: v1beta1.IPAddressPoolSpec{Addresses: addresses},
	}
}

// summary is a snapshot's pools in a few words each, by name.
func summary(s *config.Snapshot) map[string][]string {
	out := map[string][]string{}
	for _, p := range s.Pools {
		var words []string
		if p.Suspended {
			words = append(words, "suspended")
		}
		for _, r := range p.Ranges {
			words = append(words, r.String())
		}
		for _, ad := range p.L2 {
			words = append(words, "advertised by "+ad.Name)
		}
		for _, ad := range p.BGP {
			words = append(words, "routed by "+ad.Name)
		}
		out[p.Name] = words
	}
	return out
}

func TestOverlappingPoolsHaveOneLoser(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name     string
		pools    []v1beta1.IPAddressPool
		want     map[string][]string
		problems []string
	}{
		{
			name: "neighbours do not overlap",
			pools: []v1beta1.IPAddressPool{
				poolOf("a", 1, "192.0.2.0/25"), poolOf("b", 2, "192.0.2.128/25"),
				poolOf("c", 3, "198.51.100.1-198.51.100.9", "198.51.100.10-198.51.100.10"),
			},
			want: map[string][]string{
				"a": {"192.0.2.0-192.0.2.127"}, "b": {"192.0.2.128-192.0.2.255"},
				"c": {"198.51.100.1-198.51.100.9", "198.51.100.10-198.51.100.10"},
			},
		},
		{
			name:  "the younger loses",
			pools: []v1beta1.IPAddressPool{poolOf("a", 2, "192.0.2.0/24"), poolOf("b", 1, "192.0.2.200/32")},
			want: map[string][]string{
				"a": {"suspended", "192.0.2.0-192.0.2.255"}, "b": {"192.0.2.200-192.0.2.200"},
			},
			problems: []string{
				`IPAddressPool a: spec.addresses[0]: invalid value "192.0.2.0/24": overlaps 192.0.2.200/32 of pool "b", which takes precedence`,
			},
		},
		{
			name:  "of one age, the later name loses",
			pools: []v1beta1.IPAddressPool{poolOf("b", 1, "192.0.2.0/24"), poolOf("a", 1, "192.0.2.7-192.0.2.9")},
			want: map[string][]string{
				"a": {"192.0.2.7-192.0.2.9"}, "b": {"suspended", "192.0.2.0-192.0.2.255"},
			},
			problems: []string{
				`IPAddressPool b: spec.addresses[0]: invalid value "192.0.2.0/24": overlaps 192.0.2.7-192.0.2.9 of pool "a", which takes precedence`,
			},
		},
		{
			name: "one entry of the younger is enough",
			pools: []v1beta1.IPAddressPool{
				poolOf("a", 1, "192.0.2.0/24"),
				poolOf("b", 2, "198.51.100.0/24", "192.0.2.255-192.0.3.4"),
			},
			want: map[string][]string{
				"a": {"192.0.2.0-192.0.2.255"},
				"b": {"suspended", "198.51.100.0-198.51.100.255", "192.0.2.255-192.0.3.4"},
			},
			problems: []string{
				`IPAddressPool b: spec.addresses[1]: invalid value "192.0.2.255-192.0.3.4": overlaps 192.0.2.0/24 of pool "a", which takes precedence`,
			},
		},
		{
			name: "a loser stands in nobody's way",
			pools: []v1beta1.IPAddressPool{
				poolOf("a", 1, "192.0.2.0/24"),
				poolOf("b", 2, "192.0.2.9/32", "198.51.100.0/24"),
				poolOf("c", 3, "198.51.100.0/24"),
			},
			want: map[string][]string{
				"a": {"192.0.2.0-192.0.2.255"},
				"b": {"suspended", "192.0.2.9-192.0.2.9", "198.51.100.0-198.51.100.255"},
				"c": {"198.51.100.0-198.51.100.255"},
			},
			problems: []string{
				`IPAddressPool b: spec.addresses[0]: invalid value "192.0.2.9/32": overlaps 192.0.2.0/24 of pool "a", which takes precedence`,
			},
		},
		{
			name:  "entries of one pool, each that overlaps an earlier one",
			pools: []v1beta1.IPAddressPool{poolOf("a", 1, "192.0.2.0/24", "192.0.2.16/28", "192.0.2.77/32", "198.51.100.0/24")},
			want: map[string][]string{
				"a": {
					"suspended", "192.0.2.0-192.0.2.255", "192.0.2.16-192.0.2.31", "192.0.2.77-192.0.2.77",
					"198.51.100.0-198.51.100.255",
				},
			},
			problems: []string{
				`IPAddressPool a: spec.addresses[1]: invalid value "192.0.2.16/28": overlaps 192.0.2.0/24 of another entry of this pool`,
				`IPAddressPool a: spec.addresses[2]: invalid value "192.0.2.77/32": overlaps 192.0.2.0/24 of another entry of this pool`,
			},
		},
		{
			name:  "IPv6, and no confusion with IPv4",
			pools: []v1beta1.IPAddressPool{poolOf("a", 1, "::/0"), poolOf("b", 2, "0.0.0.0/0"), poolOf("c", 3, "2001:db8::1-2001:db8::2")},
			want: map[string][]string{
				"a": {"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, "b": {"0.0.0.0-255.255.255.255"},
				"c": {"suspended", "2001:db8::1-2001:db8::2"},
			},
			problems: []string{
				`IPAddressPool c: spec.addresses[0]: invalid value "2001:db8::1-2001:db8::2": overlaps ::/0 of pool "a", which takes precedence`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			for i := range 10 { // whatever the order in which the API lists them
				rand.New(rand.NewPCG(0, uint64(i))).Shuffle(len(tt.pools), func(i, j int) {
					tt.pools[i], tt.pools[j] = tt.pools[j], tt.pools[i]
				})
				snap, problems := config.Compile(config.Objects{Pools: tt.pools})
				if diff := cmp.Diff(tt.want, summary(snap)); diff != "" {
					t.Fatalf("pools (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.problems, texts(problems)); diff != "" {
					t.Fatalf("problems (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestPoolDefaults(t *testing.T) {
	t.Parallel()

	no := false
	silent, explicit := poolOf("a", 1, "192.0.2.0/24", "2001:db8::/64"), poolOf("b", 1, "198.51.100.0/24")
	explicit.Spec.AutoAssign = &no
	explicit.Spec.AvoidBuggyIPs = true
	snap, problems := config.Compile(config.Objects{Pools: []v1beta1.IPAddressPool{silent, explicit}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	a, b := snap.Pool("a"), snap.Pool("b")
	if !a.AutoAssign || b.AutoAssign {
		t.Errorf("AutoAssign = %v, %v: want true unless the object says false", a.AutoAssign, b.AutoAssign)
	}
	if !a.Has(config.IPv4) || !a.Has(config.IPv6) || !b.Has(config.IPv4) || b.Has(config.IPv6) {
		t.Error("Has does not tell the families of the entries")
	}
	if snap.Pool("c") != nil {
		t.Error("a pool that does not exist was found")
	}
	for text, want := range map[string]bool{
		"198.51.100.0": true, "198.51.100.255": true, "198.51.100.1": false, "2001:db8::": false, "2001:db8::ff": false,
	} {
		addr := netip.MustParseAddr(text)
		if got := b.Withholds(addr); got != want {
			t.Errorf("Withholds(%s) = %v, want %v", addr, got, want)
		}
		if a.Withholds(addr) {
			t.Errorf("Withholds(%s) = true without avoidBuggyIPs", addr)
		}
	}
}

// TestPoolOf defends P2 and P6: addresses follow the pool that contains them,
// and stay with the one they came from while a mistake is in it.
func TestPoolOf(t *testing.T) {
	t.Parallel()

	snap, _ := config.Compile(config.Objects{Pools: []v1beta1.IPAddressPool{
		poolOf("dual", 1, "192.0.2.10-192.0.2.20", "2001:db8::/126", "192.0.2.40/30"),
		poolOf("other", 1, "198.51.100.0/24"),
		poolOf("typo", 1, "203.0.113.0/24", "203.0.113.0/33"),
		poolOf("younger", 2, "198.51.100.128/25"),
	}})
	tests := []struct {
		name, addrs, from, want string
	}{
		{"nothing held", "", "dual", ""},
		{"first of a range", "192.0.2.10", "", "dual"},
		{"last of a range", "192.0.2.20", "", "dual"},
		{"before the first span", "192.0.2.9", "", ""},
		{"after a range", "192.0.2.21", "", ""},
		{"between two ranges", "192.0.2.39", "", ""},
		{"second range", "192.0.2.43", "", "dual"},
		{"after the last IPv4 span", "203.0.113.1", "", ""},
		{"IPv6", "2001:db8::3", "", "dual"},
		{"after the last span", "2001:db8::4", "", ""},
		{"both families", "192.0.2.10 2001:db8::1", "", "dual"},
		{"one of two outside", "192.0.2.10 2001:db8::4", "", ""},
		{"two pools", "192.0.2.10 198.51.100.1", "", ""},
		{"renamed pool: the addresses tell", "192.0.2.10", "gone", "dual"},
		{"moved to another pool: the addresses tell", "192.0.2.10", "other", "dual"},
		{"outside, and from a pool in force", "192.0.2.99", "dual", ""},
		{"from a pool with a typo", "203.0.113.7", "typo", "typo"},
		{"in a pool with a typo, but not from it", "203.0.113.7", "", ""},
		{"from the entry that became a typo", "203.0.112.7", "typo", "typo"},
		{"from a pool that an older one was made to overlap", "198.51.100.200", "younger", "younger"},
		{"from the older one of these", "198.51.100.200", "other", "other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got := ""
			if p := snap.PoolOf(addrsOf(tt.addrs), tt.from); p != nil {
				got = p.Name
			}
			if got != tt.want {
				t.Errorf("PoolOf(%q, %q) = %q, want %q", tt.addrs, tt.from, got, tt.want)
			}
		})
	}
}

// TestServiceAllocation defends the rule that MetalLB breaks: a restriction
// that nothing meets admits nothing.
func TestServiceAllocation(t *testing.T) {
	t.Parallel()

	const objects = `
kind: Namespace
metadata: {name: shop, labels: {tier: gold}}
---
kind: Namespace
metadata: {name: bank, labels: {tier: gold, region: north}}
---
kind: Namespace
metadata: {name: home}
---
kind: IPAddressPool
metadata: {name: pool}
spec:
  addresses: [192.0.2.0/24]
`
	tests := []struct {
		name, allocation string
		want             []string // of shop, bank, home, each without labels and with app=web
	}{
		{"no block", "", []string{"shop", "shop web", "bank", "bank web", "home", "home web"}},
		{"empty block", "serviceAllocation: {}", []string{"shop", "shop web", "bank", "bank web", "home", "home web"}},
		{"priority only", "serviceAllocation: {priority: 3}", []string{"shop", "shop web", "bank", "bank web", "home", "home web"}},
		{"named namespaces", "serviceAllocation: {namespaces: [shop, home, shop]}", []string{"shop", "shop web", "home", "home web"}},
		{"namespace that does not exist", "serviceAllocation: {namespaces: [moon]}", nil},
		{"selected namespaces", "serviceAllocation: {namespaceSelectors: [{matchLabels: {tier: gold}}]}", []string{"shop", "shop web", "bank", "bank web"}},
		{"any of the selectors", "serviceAllocation: {namespaceSelectors: [{matchLabels: {tier: lead}}, {matchLabels: {region: north}}]}", []string{"bank", "bank web"}},
		{"selector of all", "serviceAllocation: {namespaceSelectors: [{}]}", []string{"shop", "shop web", "bank", "bank web", "home", "home web"}},
		{"selectors given, nothing matched", "serviceAllocation: {namespaceSelectors: [{matchLabels: {tier: lead}}]}", nil},
		{"selectors given, nothing matched, labels right", "serviceAllocation: {namespaceSelectors: [{matchLabels: {tier: lead}}], serviceSelectors: [{matchLabels: {app: web}}]}", nil},
		{"named and selected add up", "serviceAllocation: {namespaces: [home], namespaceSelectors: [{matchLabels: {region: north}}]}", []string{"bank", "bank web", "home", "home web"}},
		{"Service selectors", "serviceAllocation: {serviceSelectors: [{matchLabels: {app: db}}, {matchLabels: {app: web}}]}", []string{"shop web", "bank web", "home web"}},
		{"namespace and Service", "serviceAllocation: {namespaces: [shop], serviceSelectors: [{matchLabels: {app: web}}]}", []string{"shop web"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			snap, problems := config.Compile(objectsOf(t, objects+"  "+tt.allocation+"\n"))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			pool := snap.Pool("pool")
			if (pool.Allocation == nil) != (tt.allocation == "") {
				t.Errorf("Allocation = %v: want one exactly if the object has the block", pool.Allocation)
			}
			var got []string
			for _, ns := range []string{"shop", "bank", "home"} {
				if pool.Admits(ns, nil) {
					got = append(got, ns)
				}
				if pool.Admits(ns, labels.Set{"app": "web"}) {
					got = append(got, ns+" web")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("admitted (-want +got):\n%s", diff)
			}
		})
	}
}
