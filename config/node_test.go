package config_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/config"
)

func TestParseNode(t *testing.T) {
	t.Parallel()

	const exclude = "node.kubernetes.io/exclude-from-external-load-balancers"
	tests := []struct {
		name, yaml string
		want       config.Node
	}{
		{"plain", "metadata: {name: n1}", config.Node{Name: "n1"}},
		{
			"cordoned, tainted and not ready plays no part",
			`{metadata: {name: n1}, spec: {unschedulable: true, taints: [{key: a, effect: NoExecute}]}, status: {conditions: [{type: Ready, status: "False"}]}}`,
			config.Node{Name: "n1"},
		},
		{
			"excluded", `metadata: {name: n1, labels: {` + exclude + `: ""}}`,
			config.Node{Name: "n1", Labels: labels.Set{exclude: ""}, Excluded: true},
		},
		{
			"excluded, whatever the value", `metadata: {name: n1, labels: {` + exclude + `: "false"}}`,
			config.Node{Name: "n1", Labels: labels.Set{exclude: "false"}, Excluded: true},
		},
		{
			"network unavailable", `{metadata: {name: n1}, status: {conditions: [{type: Ready, status: "True"}, {type: NetworkUnavailable, status: "True"}]}}`,
			config.Node{Name: "n1", NetworkUnavailable: true},
		},
		{
			"network not unavailable", `{metadata: {name: n1}, status: {conditions: [{type: NetworkUnavailable, status: "False"}]}}`,
			config.Node{Name: "n1"},
		},
		{
			"network unknown", `{metadata: {name: n1}, status: {conditions: [{type: NetworkUnavailable, status: Unknown}]}}`,
			config.Node{Name: "n1"},
		},
		{
			"cordoned and annotated to drain",
			`{metadata: {name: n1, annotations: {metallb.io/drain: ""}}, spec: {unschedulable: true}}`,
			config.Node{Name: "n1", Draining: true},
		},
		{
			"cordoned and tainted to drain",
			`{metadata: {name: n1}, spec: {unschedulable: true, taints: [{key: metallb.io/drain, effect: NoSchedule}]}}`,
			config.Node{Name: "n1", Draining: true},
		},
		{
			"the wish to drain taken back",
			`{metadata: {name: n1, annotations: {metallb.io/drain: "false"}}, spec: {unschedulable: true}}`,
			config.Node{Name: "n1"},
		},
		{
			"the wish to drain without the cordon",
			`{metadata: {name: n1, annotations: {metallb.io/drain: "true"}}, spec: {taints: [{key: metallb.io/drain, effect: NoSchedule}]}}`,
			config.Node{Name: "n1"},
		},
		{
			"about to be deleted by the autoscaler, which need not cordon",
			`{metadata: {name: n1}, spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, value: "1700000000", effect: NoSchedule}]}}`,
			config.Node{Name: "n1", Draining: true},
		},
		{
			"a candidate of the autoscaler only",
			`{metadata: {name: n1}, spec: {taints: [{key: DeletionCandidateOfClusterAutoscaler, effect: PreferNoSchedule}]}}`,
			config.Node{Name: "n1"},
		},
		{
			"the machine shuts down",
			`{metadata: {name: n1}, status: {conditions: [{type: Ready, status: "False", reason: KubeletNotReady, message: "[PLEG is not healthy, node is shutting down]"}]}}`,
			config.Node{Name: "n1", Draining: true},
		},
		{
			"back from a shutdown",
			`{metadata: {name: n1}, status: {conditions: [{type: Ready, status: "True", message: "kubelet is posting ready status"}]}}`,
			config.Node{Name: "n1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			node := decode[corev1.Node](t, []byte(tt.yaml))
			got := config.ParseNode(&node)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseNode (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodeEqual(t *testing.T) {
	t.Parallel()

	base := config.Node{Name: "n1", Labels: labels.Set{"a": "1"}}
	for name, other := range map[string]config.Node{
		"name":    {Name: "n2", Labels: labels.Set{"a": "1"}},
		"labels":  {Name: "n1", Labels: labels.Set{"a": "2"}},
		"exclude": {Name: "n1", Labels: labels.Set{"a": "1"}, Excluded: true},
		"network": {Name: "n1", Labels: labels.Set{"a": "1"}, NetworkUnavailable: true},
		"drain":   {Name: "n1", Labels: labels.Set{"a": "1"}, Draining: true},
	} {
		if base.Equal(other) {
			t.Errorf("nodes that differ in %s are taken for equal", name)
		}
	}
	if !base.Equal(config.Node{Name: "n1", Labels: labels.Set{"a": "1"}}) {
		t.Error("equal nodes are taken for different")
	}
}

func TestNodeSet(t *testing.T) {
	t.Parallel()

	set := func(n int, members ...int) config.NodeSet {
		s := config.NewNodeSet(n)
		for _, i := range members {
			s.Add(i)
		}
		return s
	}
	all := func(s config.NodeSet) []int { return slices.Collect(s.All) }

	a := set(130, 0, 63, 64, 129)
	if diff := cmp.Diff([]int{0, 63, 64, 129}, all(a)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if a.Len() != 4 || a.Empty() || !set(130).Empty() || !config.NodeSet(nil).Empty() {
		t.Error("Len or Empty does not count")
	}
	for i, want := range map[int]bool{-1: false, 0: true, 1: false, 64: true, 128: false, 129: true, 1000: false} {
		if a.Has(i) != want {
			t.Errorf("Has(%d) = %v, want %v", i, !want, want)
		}
	}
	union, common, none, rest := slices.Clone(a), slices.Clone(a), slices.Clone(a), slices.Clone(a)
	union.Union(set(130, 1, 64))
	rest.Subtract(set(130, 1, 64))
	rest.Subtract(nil)
	common.Intersect(set(130, 1, 64))
	none.Intersect(nil)
	if diff := cmp.Diff([]int{0, 1, 63, 64, 129}, all(union)); diff != "" {
		t.Errorf("union (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{64}, all(common)); diff != "" {
		t.Errorf("intersection (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{0, 63, 129}, all(rest)); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
	if !none.Empty() {
		t.Errorf("intersection with nothing = %v", all(none))
	}
	for i := range a.All { // stopping early is allowed
		if i == 63 {
			break
		}
	}
}
