package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/clarion-lb/clarion/config"
)

// TestParseEndpoints defends P4: what counts as able to serve.
func TestParseEndpoints(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		yamls []string
		want  config.Endpoints
	}{
		{name: "no slice"},
		{name: "empty slice", yamls: []string{"endpoints: []"}},
		{
			name:  "ready",
			yamls: []string{"endpoints: [{nodeName: n1, conditions: {ready: true}}]"},
			want:  config.Endpoints{Serving: true, Nodes: []string{"n1"}},
		},
		{
			name:  "readiness unknown is ready",
			yamls: []string{"endpoints: [{nodeName: n1}]"},
			want:  config.Endpoints{Serving: true, Nodes: []string{"n1"}},
		},
		{
			name:  "not ready",
			yamls: []string{"endpoints: [{nodeName: n1, conditions: {ready: false}}, {nodeName: n2, conditions: {ready: false, serving: false}}]"},
		},
		{
			name:  "terminating, and serving until the end",
			yamls: []string{"endpoints: [{nodeName: n1, conditions: {ready: false, serving: true, terminating: true}}]"},
			want:  config.Endpoints{Serving: true, Nodes: []string{"n1"}},
		},
		{
			name:  "ready and no longer serving",
			yamls: []string{"endpoints: [{nodeName: n1, conditions: {ready: true, serving: false}}]"},
			want:  config.Endpoints{Serving: true, Nodes: []string{"n1"}},
		},
		{
			name:  "outside of all nodes",
			yamls: []string{"endpoints: [{addresses: [192.0.2.1]}]"},
			want:  config.Endpoints{Serving: true},
		},
		{
			name: "several slices, each node once and in order",
			yamls: []string{
				"endpoints: [{nodeName: n3}, {nodeName: n1}]",
				"endpoints: [{nodeName: n2, conditions: {ready: false}}, {nodeName: n3}]",
			},
			want: config.Endpoints{Serving: true, Nodes: []string{"n1", "n3"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			var slicesOf []*discoveryv1.EndpointSlice
			for _, text := range tt.yamls {
				sl := decode[discoveryv1.EndpointSlice](t, []byte(text))
				slicesOf = append(slicesOf, &sl)
			}
			got := config.ParseEndpoints(slicesOf)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseEndpoints (-want +got):\n%s", diff)
			}
			for _, node := range []string{"n1", "n2", "n3"} {
				want := false
				for _, n := range tt.want.Nodes {
					want = want || n == node
				}
				if got.On(node) != want {
					t.Errorf("On(%s) = %v, want %v", node, !want, want)
				}
			}
			if !got.Equal(tt.want) || got.Equal(config.Endpoints{Serving: true, Nodes: []string{"n9"}}) {
				t.Error("Equal does not tell same from different")
			}
		})
	}
}
