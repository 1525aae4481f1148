package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/config"
)

func TestL2AdvertisementSelectsPools(t *testing.T) {
	t.Parallel()

	const pools = `
kind: IPAddressPool
metadata: {name: dev, labels: {tier: free}}
spec: {addresses: [192.0.2.0/24]}
---
kind: IPAddressPool
metadata: {name: prod, labels: {tier: paid, zone: north}}
spec: {addresses: [198.51.100.0/24]}
---
kind: IPAddressPool
metadata: {name: typo, labels: {tier: paid}}
spec: {addresses: [198.51.100.0/33]}
---
kind: L2Advertisement
metadata: {name: ad}
`
	tests := []struct {
		name, spec string
		want       []string
	}{
		{"no spec", "", []string{"dev", "prod", "typo"}},
		{"empty lists", "spec: {ipAddressPools: [], ipAddressPoolSelectors: []}", []string{"dev", "prod", "typo"}},
		{"by name", "spec: {ipAddressPools: [prod]}", []string{"prod"}},
		{"unknown names are ignored", "spec: {ipAddressPools: [moon, dev]}", []string{"dev"}},
		{"only unknown names select no pool", "spec: {ipAddressPools: [moon]}", nil},
		{"by selector, suspended pools too", "spec: {ipAddressPoolSelectors: [{matchLabels: {tier: paid}}]}", []string{"prod", "typo"}},
		{"any of the selectors", "spec: {ipAddressPoolSelectors: [{matchLabels: {zone: north}}, {matchLabels: {tier: free}}]}", []string{"dev", "prod"}},
		{"selectors that match nothing select no pool", "spec: {ipAddressPoolSelectors: [{matchLabels: {tier: lost}}]}", nil},
		{"names and selectors add up", "spec: {ipAddressPools: [dev], ipAddressPoolSelectors: [{matchLabels: {zone: north}}]}", []string{"dev", "prod"}},
		{"by name and by selector counts once", "spec: {ipAddressPools: [prod, prod], ipAddressPoolSelectors: [{matchLabels: {zone: north}}]}", []string{"prod"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			snap, _ := config.Compile(objectsOf(t, pools+tt.spec))
			var got []string
			for _, p := range snap.Pools {
				for _, ad := range p.L2 {
					if ad.Name != "ad" {
						t.Errorf("pool %s is advertised by %s", p.Name, ad.Name)
					}
					got = append(got, p.Name)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("pools (-want +got):\n%s", diff)
			}
		})
	}
}

// nodeNames are the names of the nodes in a set.
func nodeNames(snap *config.Snapshot, set config.NodeSet) string {
	var names []string
	for i := range set.All {
		names = append(names, snap.Nodes[i].Name)
	}
	return strings.Join(names, " ")
}

func TestL2AdvertisementSelectsNodes(t *testing.T) {
	t.Parallel()

	const objects = `
kind: IPAddressPool
metadata: {name: pool}
spec: {addresses: [192.0.2.0/24]}
---
kind: Node
metadata: {name: n3, labels: {rack: b, disk: fast}}
---
kind: Node
metadata: {name: n1, labels: {rack: a}}
---
kind: Node
metadata: {name: n2, labels: {rack: a, disk: fast}}
---
kind: L2Advertisement
metadata: {name: ad}
`
	type preference struct {
		Weight int
		Nodes  string
	}
	tests := []struct {
		name, spec  string
		nodes       string
		preferences []preference
	}{
		{name: "no selectors: all", nodes: "n1 n2 n3"},
		{name: "one selector", spec: "nodeSelectors: [{matchLabels: {rack: a}}]", nodes: "n1 n2"},
		{
			name:  "any of the selectors",
			spec:  "nodeSelectors: [{matchLabels: {rack: b}}, {matchExpressions: [{key: disk, operator: DoesNotExist}]}]",
			nodes: "n1 n3",
		},
		{name: "the selector of all", spec: "nodeSelectors: [{}]", nodes: "n1 n2 n3"},
		{name: "selectors that match nothing select no node", spec: "nodeSelectors: [{matchLabels: {rack: z}}]", nodes: ""},
		{
			name:        "preferences count for selected nodes only",
			spec:        "nodeSelectors: [{matchLabels: {rack: a}}]\n  preferredNodeSelectors: [{weight: 7, preference: {matchLabels: {disk: fast}}}]",
			nodes:       "n1 n2",
			preferences: []preference{{7, "n2"}},
		},
		{
			name:        "each preference for itself; an empty one is of all",
			spec:        "preferredNodeSelectors: [{weight: 1, preference: {}}, {weight: 100, preference: {matchLabels: {rack: b}}}, {weight: 5, preference: {matchLabels: {rack: z}}}]",
			nodes:       "n1 n2 n3",
			preferences: []preference{{1, "n1 n2 n3"}, {100, "n3"}, {5, ""}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			text := objects
			if tt.spec != "" {
				text += "spec:\n  " + tt.spec
			}
			snap, problems := config.Compile(objectsOf(t, text))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			ad := snap.Pool("pool").L2[0]
			if got := nodeNames(snap, ad.Nodes); got != tt.nodes {
				t.Errorf("nodes = %q, want %q", got, tt.nodes)
			}
			var got []preference
			for _, p := range ad.Preferences {
				got = append(got, preference{p.Weight, nodeNames(snap, p.Nodes)})
			}
			if diff := cmp.Diff(tt.preferences, got); diff != "" {
				t.Errorf("preferences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestL2AdvertisementInterfacesAndServices(t *testing.T) {
	t.Parallel()

	snap, problems := config.Compile(objectsOf(t, `
kind: IPAddressPool
metadata: {name: pool}
spec: {addresses: [192.0.2.0/24]}
---
kind: L2Advertisement
metadata: {name: b-open}
---
kind: L2Advertisement
metadata: {name: a-strict}
spec:
  interfaces: [eth1, eth0, eth1]
  serviceSelectors: [{matchLabels: {app: web}}, {matchLabels: {app: api}}]
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	strict, open := snap.Pool("pool").L2[0], snap.Pool("pool").L2[1]
	if diff := cmp.Diff([]string{"a-strict", "b-open"}, []string{strict.Name, open.Name}); diff != "" {
		t.Errorf("order of advertisements (-want +got):\n%s", diff)
	}
	if strict.AllInterfaces || !open.AllInterfaces {
		t.Errorf("AllInterfaces = %v, %v: want false, true", strict.AllInterfaces, open.AllInterfaces)
	}
	if diff := cmp.Diff([]string{"eth0", "eth1"}, strict.Interfaces); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	for app, want := range map[string]bool{"web": true, "api": true, "db": false} {
		if got := strict.Selects(labels.Set{"app": app}); got != want {
			t.Errorf("Selects(app=%s) = %v, want %v", app, got, want)
		}
	}
	if strict.Selects(nil) || !open.Selects(nil) {
		t.Error("a Service without labels is selected exactly if there are no selectors")
	}
}
