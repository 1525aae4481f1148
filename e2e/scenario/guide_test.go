package scenario_test

import (
	"strings"
	"testing"
	"time"
)

// guide is where the manifests of the guide on multiple pools are, verbatim.
const guide = "../../examples/multiple-pools"

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGuide(t *testing.T) {
	t.Log(kubectl(t, "apply", "-f", guide))
	time.Sleep(15 * time.Second)
	t.Log(kubectl(t, "get", "svc,pods,ipaddresspool,servicel2status,configurationstate,leases,events", "-A", "-o", "wide"))
	t.Log(kubectl(t, "describe", "svc", "trading-api"))
	out := kubectl(t, "logs", "-n", "metallb-system", "-l", "app=metallb,component=controller")
	t.Log(out)
	if !strings.Contains(out, "assigned") {
		t.Error("no assigned line")
	}
	t.Log(kubectl(t, "logs", "-n", "metallb-system", "-l", "app=metallb,component=speaker", "--tail=100"))
	o, err := cluster.Client().Exec(t.Context(), "curl", "-sv", "-m2", "http://198.51.100.10:443")
	t.Log(o, err)
	o, err = cluster.Client().Exec(t.Context(), "ip", "neigh")
	t.Log(o, err)
}
