package deploy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGuideVerbatim: the manifests of the guide "How to Define Multiple IP
// Address Pools in MetalLB" stand in examples/multiple-pools byte for byte, each
// in the file that the guide names.
func TestGuideVerbatim(t *testing.T) {
	t.Parallel()

	for name, want := range map[string]string{
		"pool-public.yaml": `# pool-public.yaml
# Public IP pool for internet-facing services
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  # Descriptive name helps operators identify the pool's purpose
  name: public-ips
  # All MetalLB resources live in the metallb-system namespace
  namespace: metallb-system
spec:
  addresses:
    # CIDR block of 16 public IPs
    - 203.0.113.0/28
`,
		"pool-internal.yaml": `# pool-internal.yaml
# Private IP pool for cluster-internal services
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: internal-ips
  namespace: metallb-system
spec:
  addresses:
    # Private range for internal tooling
    - 10.10.50.0/24
`,
		"pool-premium.yaml": `# pool-premium.yaml
# Premium pool - only assigned when a service explicitly requests it
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: premium-ips
  namespace: metallb-system
spec:
  addresses:
    # Only six IPs in this range
    - 198.51.100.10-198.51.100.15
  # Prevent MetalLB from handing these out automatically
  autoAssign: false
`,
		"service-trading.yaml": `# service-trading.yaml
# Service that explicitly requests an IP from the premium pool
apiVersion: v1
kind: Service
metadata:
  name: trading-api
  annotations:
    # Tell MetalLB to allocate from the premium-ips pool
    metallb.universe.tf/address-pool: premium-ips
spec:
  type: LoadBalancer
  selector:
    # Match pods labeled app=trading-api
    app: trading-api
  ports:
    - port: 443
      targetPort: 8443
      protocol: TCP
`,
	} {
		got, err := os.ReadFile(filepath.Join("../examples/multiple-pools", name))
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-guide +file):\n%s", name, diff)
		}
	}
}
