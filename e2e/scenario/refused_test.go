//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestBadInputIsRefusedAtApply holds that a mistake is told where it is made,
// with object, field and value: P6.
func TestBadInputIsRefusedAtApply(t *testing.T) {
	pool := func(entry string) string {
		return fmt.Sprintf(`
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bad-pool, namespace: metallb-system}
spec: {addresses: [%s]}
`, entry)
	}
	tests := []struct {
		name, manifest string
		want           []string
	}{
		{"prefix too long", pool(`"10.0.0.0/33"`), []string{"bad-pool", "spec.addresses", "10.0.0.0/33"}},
		{"range reversed", pool(`"10.0.0.9-10.0.0.1"`), []string{"bad-pool", "spec.addresses", "10.0.0.9-10.0.0.1"}},
		{"range of two families", pool(`"10.0.0.1-fc00::1"`), []string{"bad-pool", "spec.addresses", "10.0.0.1-fc00::1"}},
		{"no addresses", pool(``), []string{"bad-pool", "spec.addresses"}},
		{"peer port 0", `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: bad-peer, namespace: metallb-system}
spec: {myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1, peerPort: 0}
`, []string{"bad-peer", "spec.peerPort", "0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := feed(t.Context(), test.manifest, "apply")
			if err == nil {
				t.Fatal("applied without complaint")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the complaint does not name %q: %v", want, err)
				}
			}
		})
	}
}
