// Package scenario_test holds what must be true of the product as a user
// installs it: the shipped manifests, the shipped programs with their shipped
// rights, on a lab cluster, seen from a client on the segment. Each test says
// which promise of the design it defends.
package scenario_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// shorter returns the time that a test takes among all others, or in full if the
// environment says CLARION_LONG=1, as `make chaos` does.
func shorter(usual, full time.Duration) time.Duration {
	if os.Getenv("CLARION_LONG") != "" {
		return full
	}
	return usual
}

// cluster is the one lab that all tests share; the product is installed on it.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	//nolint:forbidigo // it is the main function of the tests
	os.Exit(lab.TestMain(m, lab.Options{}, func(ctx context.Context, l *lab.Lab) error {
		cluster = l
		if err := l.Install(ctx); err != nil {
			return err
		}
		return hurry(ctx, l)
	}))
}

// hurry lets nodes that were down own addresses again after two seconds instead of half a minute, which every test that takes one
// away would have to wait for.
func hurry(ctx context.Context, l *lab.Lab) error {
	const patch = `[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--failback-delay=2s"}]`
	if _, err := l.Kubectl(ctx, "-n", lab.ProductNamespace, "patch", "daemonset", "speaker", "--type=json", "--patch="+patch); err != nil {
		return err
	}
	return l.WaitProduct(ctx)
}
