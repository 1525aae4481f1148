package metrics

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clarion-lb/clarion/layer2"
)

// TestConflictMetrics: who is in the way of addresses, owned or watched, and how
// many are not answered for.
func TestConflictMetrics(t *testing.T) {
	t.Parallel()

	addr := netip.MustParseAddr
	reg := prometheus.NewRegistry()
	reg.MustRegister(newLayer2(func() layer2.Status {
		return layer2.Status{
			Addresses: []layer2.AddressStatus{
				{Addr: addr("192.0.2.1")},
				{Addr: addr("192.0.2.2"), Conceded: true},
				{Addr: addr("192.0.2.3"), Occupied: true, Conflict: &layer2.Conflict{Times: 3}},
			},
			Watched: []layer2.WatchedStatus{{Addr: addr("192.0.2.4"), Conflict: layer2.Conflict{Times: 2}}},
		}
	}))
	want := `
# HELP metallb_layer2_conceded Owned addresses that this node does not answer for, because a node that ranks before it still does.
# TYPE metallb_layer2_conceded gauge
metallb_layer2_conceded 1
# HELP metallb_layer2_conflicts Times a host outside the cluster claimed an address that this node owns or watches.
# TYPE metallb_layer2_conflicts counter
metallb_layer2_conflicts{ip="192.0.2.3"} 3
metallb_layer2_conflicts{ip="192.0.2.4"} 2
# HELP metallb_layer2_occupied Owned addresses that this node never announced, because a host outside the cluster has them.
# TYPE metallb_layer2_occupied gauge
metallb_layer2_occupied 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"metallb_layer2_conceded", "metallb_layer2_conflicts", "metallb_layer2_occupied"); err != nil {
		t.Error(err)
	}
}

// TestHeartbeatMetrics: without heartbeats a node is fit, and nothing else is
// said.
func TestHeartbeatMetrics(t *testing.T) {
	t.Parallel()

	for want, status := range map[string]func() Heartbeat{
		"metallb_speaker_fit 1\n": nil,
		`metallb_heartbeat_down 1
metallb_heartbeat_received_total 2
metallb_heartbeat_rejected_total 3
metallb_heartbeat_sent_total 1
metallb_heartbeat_stalls_total 6
metallb_heartbeat_verdicts_total{kind="node"} 4
metallb_heartbeat_verdicts_total{kind="speaker"} 5
metallb_speaker_fit 0
`: func() Heartbeat {
			return Heartbeat{Down: 1, Sent: 1, Received: 2, Rejected: 3, NodesDown: 4, SpeakersDown: 5, Stalls: 6}
		},
	} {
		reg := prometheus.NewRegistry()
		reg.MustRegister(newHeartbeat(status))
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, family := range families {
			for _, m := range family.GetMetric() {
				got.WriteString(family.GetName())
				for _, l := range m.GetLabel() {
					fmt.Fprintf(&got, "{%s=%q}", l.GetName(), l.GetValue())
				}
				fmt.Fprintf(&got, " %v\n", m.GetGauge().GetValue()+m.GetCounter().GetValue())
			}
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
