//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clarion-lb/clarion/e2e/router"
)

// TestExampleOfTheReadme holds that examples/bgp, applied as it is, does what the
// README says of it: nodes of the rack tell the router of each Service and of the
// pool as a whole.
func TestExampleOfTheReadme(t *testing.T) {
	const example = "../../examples/bgp"
	config, err := os.ReadFile(example + "/frr.conf")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "\n```\n"+string(config)+"```\n") {
		t.Error("the README shows another configuration of the router than examples/bgp/frr.conf")
	}
	frr, err := router.StartFRR(t.Context(), cluster.Router(), string(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { frr.Stop(context.Background()) })

	rack := all()[:2]
	for _, node := range rack {
		kubectl(t, "label", "node", node, "topology.kubernetes.io/rack=rack-1")
		t.Cleanup(func() {
			if _, err := cluster.Kubectl(context.Background(), "label", "node", node, "topology.kubernetes.io/rack-"); err != nil {
				t.Error(err)
			}
		})
	}
	deployment, _, _ := strings.Cut(workload(3, "{}", "Cluster"), "---")
	apply(t, deployment)
	kubectl(t, "apply", "-f", example)
	t.Cleanup(func() {
		if _, err := cluster.Kubectl(context.Background(), "delete", "-f", example); err != nil {
			t.Error(err)
		}
	})
	waitForNextHops(t, netip.MustParseAddr("203.0.113.32"), rack...)
	until(t, "the router has the pool as one route", func(context.Context) (bool, error) {
		routes, err := cluster.Router().Routes()
		var nodes []string
		for _, gateway := range routes[netip.MustParsePrefix("203.0.113.32/27")].Gateways {
			nodes = append(nodes, nodeAt(gateway))
		}
		slices.Sort(nodes)
		return slices.Equal(nodes, rack), err
	})
	out, err := frr.Vtysh(t.Context(), "show bgp ipv4 unicast")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tor# show bgp ipv4 unicast\n%s", out)
}
