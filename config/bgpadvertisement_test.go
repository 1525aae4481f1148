package config_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/config"
)

func TestBGPAdvertisementSelects(t *testing.T) {
	t.Parallel()

	snap, problems := config.Compile(objectsOf(t, threeNodes+`
kind: IPAddressPool
metadata: {name: dev, labels: {tier: free}}
spec: {addresses: [192.0.2.0/24]}
---
kind: IPAddressPool
metadata: {name: prod, labels: {tier: paid}}
spec: {addresses: [198.51.100.0/24]}
---
kind: BGPAdvertisement
metadata: {name: z-all}
---
kind: BGPAdvertisement
metadata: {name: by-both}
spec: {ipAddressPools: [prod, moon], ipAddressPoolSelectors: [{matchLabels: {tier: paid}}], nodeSelectors: [{matchLabels: {rack: a}}]}
---
kind: BGPAdvertisement
metadata: {name: none}
spec: {ipAddressPoolSelectors: [{matchLabels: {tier: lost}}]}
---
kind: BGPAdvertisement
metadata: {name: picky}
spec: {ipAddressPools: [dev], peers: [tor-2, tor-1, tor-2], serviceSelectors: [{matchLabels: {app: web}}, {matchLabels: {app: api}}], localPref: 200}
`))
	if len(problems) > 0 {
		t.Fatal(texts(problems))
	}
	got := map[string]string{}
	for _, p := range snap.Pools {
		for _, ad := range p.BGP {
			got[p.Name] += fmt.Sprintf("%s on %s, preference %d; ", ad.Name, nodeNames(snap, ad.Nodes), ad.Attributes.LocalPref)
		}
	}
	want := map[string]string{
		"dev":  "picky on n1 n2 n3, preference 200; z-all on n1 n2 n3, preference 100; ",
		"prod": "by-both on n1 n2, preference 100; z-all on n1 n2 n3, preference 100; ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("advertisements (-want +got):\n%s", diff)
	}

	picky, all := snap.Pool("dev").BGP[0], snap.Pool("dev").BGP[1]
	if diff := cmp.Diff([]string{"tor-1", "tor-2"}, picky.Peers); diff != "" || picky.AllPeers {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	for peer, want := range map[string]bool{"tor-1": true, "tor-2": true, "tor-3": false} {
		if picky.Covers(peer) != want || !all.Covers(peer) {
			t.Errorf("%s: covered = %t and %t, want %t and true", peer, picky.Covers(peer), all.Covers(peer), want)
		}
	}
	for app, want := range map[string]bool{"web": true, "api": true, "db": false} {
		if set := (labels.Set{"app": app}); picky.Selects(set) != want || !all.Selects(set) {
			t.Errorf("app %s: selected = %t and %t, want %t and true", app, picky.Selects(set), all.Selects(set), want)
		}
	}
}

func TestBGPAdvertisementPrefix(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ spec, addr, want string }{
		{"{}", "192.0.2.77", "192.0.2.77/32"},
		{"{}", "2001:db8::77", "2001:db8::77/128"},
		{"{aggregationLength: 26, aggregationLengthV6: 64}", "192.0.2.77", "192.0.2.64/26"},
		{"{aggregationLength: 26, aggregationLengthV6: 64}", "2001:db8::77", "2001:db8::/64"},
		{"{aggregationLength: 32, aggregationLengthV6: 128, serviceSelectors: [{}]}", "192.0.2.77", "192.0.2.77/32"},
		{"{aggregationLength: 26, serviceSelectors: []}", "192.0.2.77", "192.0.2.64/26"},
	} {
		snap, problems := config.Compile(objectsOf(t, `
kind: IPAddressPool
metadata: {name: pool}
spec: {addresses: [192.0.2.0/24, '2001:db8::/64']}
---
kind: BGPAdvertisement
metadata: {name: ad}
spec: `+tt.spec))
		if len(problems) > 0 {
			t.Errorf("%s: %q", tt.spec, texts(problems))
			continue
		}
		if got := snap.Pool("pool").BGP[0].Prefix(netip.MustParseAddr(tt.addr)); got.String() != tt.want {
			t.Errorf("%s: %s is advertised as %s, want %s", tt.spec, tt.addr, got, tt.want)
		}
	}
}

// TestAggregatesStayInThePool defends P6: an aggregate that reaches beyond one
// pool is not used there, and is in the others.
func TestAggregatesStayInThePool(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ addresses, lengths, problem string }{
		{"192.0.2.0/24", "aggregationLength: 24", ""},
		{"192.0.2.0/24", "aggregationLength: 25", ""},
		{"192.0.2.0/24", "aggregationLength: 23", "spec.aggregationLength: invalid value \"23\": reaches beyond 192.0.2.0/24 of pool \"it\": must be at least 24"},
		{"192.0.2.0-192.0.2.255", "aggregationLength: 24", ""},
		{"192.0.2.2-192.0.2.254", "aggregationLength: 26", ""},
		{"192.0.2.2-192.0.2.254", "aggregationLength: 25", "spec.aggregationLength: invalid value \"25\": reaches beyond 192.0.2.2-192.0.2.254 of pool \"it\": must be at least 26"},
		{"192.0.2.1/32", "aggregationLength: 24", "spec.aggregationLength: invalid value \"24\": reaches beyond 192.0.2.1/32 of pool \"it\": must be at least 32"},
		{"192.0.2.0/25, 192.0.2.128/28, 192.0.2.192/27", "aggregationLength: 26", "spec.aggregationLength: invalid value \"26\": reaches beyond 192.0.2.128/28 of pool \"it\": must be at least 28"},
		{"192.0.2.0/24", "aggregationLengthV6: 0", ""},
		{"'2001:db8::/64'", "aggregationLength: 1, aggregationLengthV6: 64", ""},
		{"'2001:db8::/64'", "aggregationLengthV6: 48", "spec.aggregationLengthV6: invalid value \"48\": reaches beyond 2001:db8::/64 of pool \"it\": must be at least 64"},
		{
			"192.0.2.0/25, '2001:db8::/64'", "aggregationLength: 24, aggregationLengthV6: 48",
			"spec.aggregationLength: invalid value \"24\": reaches beyond 192.0.2.0/25 of pool \"it\": must be at least 25\n" +
				"BGPAdvertisement ad: spec.aggregationLengthV6: invalid value \"48\": reaches beyond 2001:db8::/64 of pool \"it\": must be at least 64",
		},
	} {
		t.Run(tt.addresses+" "+tt.lengths, func(t *testing.T) {
			t.Parallel()

			snap, problems := config.Compile(objectsOf(t, `
kind: IPAddressPool
metadata: {name: it}
spec: {addresses: [`+tt.addresses+`]}
---
kind: IPAddressPool
metadata: {name: large}
spec: {addresses: [10.0.0.0/8, 'fd00::/8']}
---
kind: BGPAdvertisement
metadata: {name: other}
---
kind: BGPAdvertisement
metadata: {name: ad}
spec: {ipAddressPools: [it], `+tt.lengths+`}
`))
			want := ""
			if tt.problem != "" {
				want = "BGPAdvertisement ad: " + tt.problem
			}
			if diff := cmp.Diff(want, strings.Join(texts(problems), "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if got := len(snap.Pool("it").BGP); (got == 2) != (want == "") {
				t.Errorf("%d advertisements are in force", got)
			}
		})
	}
}

// TestContradictingPreferences defends P6: the younger of two that contradict
// each other is out of force, for the pool where they do.
func TestContradictingPreferences(t *testing.T) {
	t.Parallel()

	const (
		ipv4, dual = "192.0.2.0/24", "192.0.2.0/24, '2001:db8::/64'"
		ipv6       = "'2001:db8::/64'"
	)
	for _, tt := range []struct {
		name, addresses, old, young string
		conflict                    bool
	}{
		{"another preference", ipv4, "localPref: 200", "localPref: 300", true},
		{"a preference and none", ipv4, "localPref: 200", "", true},
		{"the same", ipv4, "localPref: 200", "localPref: 200", false},
		{"what is the default anyway", ipv4, "", "localPref: 100", false},
		{"other lengths", ipv4, "localPref: 200", "localPref: 300, aggregationLength: 24", false},
		{"other lengths of another family", ipv4, "localPref: 200", "localPref: 300, aggregationLengthV6: 64", true},
		{"other lengths in IPv6", ipv6, "localPref: 200", "localPref: 300, aggregationLengthV6: 64", false},
		{"other lengths for one of two families", dual, "localPref: 200", "localPref: 300, aggregationLengthV6: 64", true},
		{"other lengths for both", dual, "localPref: 200", "localPref: 300, aggregationLength: 24, aggregationLengthV6: 64", false},
		{"other peers", ipv4, "localPref: 200, peers: [tor-1, tor-2]", "localPref: 300, peers: [tor-3]", false},
		{"a peer in common", ipv4, "localPref: 200, peers: [tor-1, tor-2]", "localPref: 300, peers: [tor-2, tor-3]", true},
		{"all peers", ipv4, "localPref: 200", "localPref: 300, peers: [tor-3]", true},
		{"other nodes", ipv4, "localPref: 200, nodeSelectors: [{matchLabels: {rack: a}}]", "localPref: 300, nodeSelectors: [{matchLabels: {rack: b}}]", false},
		{"a node in common", ipv4, "localPref: 200, nodeSelectors: [{matchLabels: {rack: a}}]", "localPref: 300, nodeSelectors: [{matchLabels: {disk: fast}}]", true},
		{"no node", ipv4, "localPref: 200", "localPref: 300, nodeSelectors: [{matchLabels: {rack: z}}]", false},
		{"selected Services are another matter", ipv4, "localPref: 200", "localPref: 300, serviceSelectors: [{}]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			const ad = "kind: BGPAdvertisement\nmetadata: {name: %s, creationTimestamp: '2026-01-01T00:0%d:00Z'}\nspec: {ipAddressPools: [pool, %s], %s}\n---\n"
			text := threeNodes + "kind: IPAddressPool\nmetadata: {name: pool}\nspec: {addresses: [" + tt.addresses + "]}\n---\n" +
				"kind: IPAddressPool\nmetadata: {name: other}\nspec: {addresses: [198.51.100.0/24]}\n---\n" +
				fmt.Sprintf(ad, "a-young", 2, "other", tt.young) + fmt.Sprintf(ad, "b-old", 1, "moon", tt.old)
			snap, problems := config.Compile(objectsOf(t, text))

			var got []string
			for _, pool := range snap.Pools {
				for _, ad := range pool.BGP {
					got = append(got, pool.Name+" by "+ad.Name)
				}
			}
			want := []string{"other by a-young", "pool by a-young", "pool by b-old"}
			if tt.conflict {
				want = []string{"other by a-young", "pool by b-old"}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("advertisements (-want +got):\n%s", diff)
			}
			if (len(problems) > 0) != tt.conflict {
				t.Errorf("problems = %q", texts(problems))
			}
			for _, p := range problems {
				if p.Name != "a-young" || p.Field != "spec.localPref" {
					t.Errorf("unexpected problem: %s", p)
				}
			}

			// The controller knows no nodes: none is in common.
			if _, problems := config.Compile(objectsOf(t, text[len(threeNodes):])); len(problems) > 0 {
				t.Errorf("without nodes: %q", texts(problems))
			}
		})
	}
}
