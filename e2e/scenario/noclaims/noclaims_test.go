// Package noclaims_test holds what must be true of the product on a cluster
// whose API server has no IPAddress objects, as before Kubernetes 1.33.
//
//nolint:paralleltest // all tests share one lab
package noclaims_test

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/lab"
)

var cluster *lab.Lab

func TestMain(m *testing.M) {
	// As far back as these programs go; there that API can still be turned off.
	const version = "--emulated-version=1.33"
	//nolint:forbidigo // it is the main function of the tests
	os.Exit(lab.TestMain(m, lab.Options{
		Nodes: 1,
		Flags: map[string][]string{
			"kube-apiserver": {
				version, "--feature-gates=MultiCIDRServiceAllocator=false",
				"--runtime-config=networking.k8s.io/v1/ipaddresses=false,networking.k8s.io/v1/servicecidrs=false",
			},
			"kube-controller-manager": {version},
			"kube-scheduler":          {version},
		},
	}, func(ctx context.Context, l *lab.Lab) error {
		cluster = l
		return l.Install(ctx)
	}))
}

// serve makes a Service and returns its address.
func serve(t *testing.T, name string) netip.Addr {
	t.Helper()
	if err := cluster.AddWorkload(t.Context(), lab.Workload{Name: name, Of: "nothing"}); err != nil {
		t.Fatal(err)
	}
	return address(t, name)
}

func address(t *testing.T, name string) netip.Addr {
	t.Helper()
	addresses, err := cluster.WaitAddresses(t.Context(), metav1.NamespaceDefault, name)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// TestWithoutClaims defends P1 and P2 where only the Lease keeps controllers
// apart, which they say once.
func TestWithoutClaims(t *testing.T) {
	if out, err := cluster.Kubectl(t.Context(), "get", "ipaddresses"); err == nil {
		t.Fatalf("this API server has IPAddress objects:\n%s", out)
	}
	if err := cluster.AddPool(t.Context(), "pool", "198.51.100.0/30"); err != nil {
		t.Fatal(err)
	}
	before := map[string]netip.Addr{}
	holders := map[netip.Addr]string{}
	for _, name := range []string{"one", "two", "three"} {
		addr := serve(t, name)
		if other, ok := holders[addr]; ok {
			t.Errorf("%s is held by %s and %s", addr, name, other)
		}
		before[name], holders[addr] = addr, name
	}
	logs, err := cluster.Kubectl(t.Context(), "logs", "-n", lab.ProductNamespace, "-l", lab.ControllerPods, "--tail=-1")
	if err != nil {
		t.Fatal(err)
	}
	// Two controllers.
	if got := strings.Count(logs, "addresses are not claimed"); got != 2 {
		t.Errorf("said %d times that addresses are not claimed, want once each:\n%s", got, logs)
	}

	if err := cluster.Nodes()[0].Signal(lab.ControllerPods, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	four := serve(t, "four")
	if other, ok := holders[four]; ok {
		t.Errorf("%s is held by four and %s", four, other)
	}
	for name, want := range before {
		if got := address(t, name); got != want {
			t.Errorf("%s holds %s after the restart, want %s as before", name, got, want)
		}
	}
}
