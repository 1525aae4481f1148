//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

const scraper = `---
apiVersion: v1
kind: ServiceAccount
metadata: {name: scraper, namespace: %[1]s}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: clarion-scraper}
rules:
  - nonResourceURLs: [/metrics]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: clarion-scraper}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: clarion-scraper}
subjects:
  - {kind: ServiceAccount, name: scraper, namespace: %[1]s}
`

// TestMetricsAreForScrapers holds that /metrics is served to whom the API server
// lets get that path, and to nobody else.
func TestMetricsAreForScrapers(t *testing.T) {
	ns, addrs := dualWeb(t, 1)
	apply(t, fmt.Sprintf(scraper, ns))
	node := cluster.Node(waitForOwner(t, addrs[0], anyNode))
	scrape := func(ctx context.Context, as string) (string, error) {
		command := []string{"-sk", "-m", "10", "-w", "\n%{http_code}", "https://" + node.Host().Address(false).String() + ":9120/metrics"}
		if as != "" {
			token, err := cluster.Kubectl(ctx, "-n", ns, "create", "token", as)
			if err != nil {
				return "", err
			}
			command = append(command, "-H", "Authorization: Bearer "+strings.TrimSpace(token))
		}
		return cluster.Client().Exec(ctx, "curl", command...)
	}
	for as, want := range map[string]string{"": "Unauthorized\n\n401", "nobody": "Forbidden\n\n403"} {
		if got, err := scrape(t.Context(), as); err != nil || got != want {
			t.Errorf("%q gets %q, %v", as, got, err)
		}
	}
	until(t, "a scraper may read", func(ctx context.Context) (bool, error) { // once the API server has heard of his role
		got, err := scrape(ctx, "scraper")
		return strings.Contains(got, fmt.Sprintf(`metallb_speaker_announced{ip=%q,node=%q,protocol="layer2"`, addrs[0], node.Name())), err
	})
}
