// Package scenario_test holds what must be true of the product as a user
// installs it: the shipped manifests, the shipped programs with their shipped
// rights, on a lab cluster, seen from a client on the segment. Each test says
// which promise of the design it defends.
package scenario_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// cluster is the one lab that all tests share; the product is installed on it.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	os.Exit(lab.TestMain(m, lab.Options{}, func(l *lab.Lab) {
		cluster = l
		if err := install(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}))
}

// install is what the README tells a user to do.
func install(ctx context.Context) error {
	if _, err := cluster.Kubectl(ctx, "apply", "-k", "../../deploy"); err != nil {
		return err
	}
	for _, workload := range []string{"deployment/controller", "daemonset/speaker"} {
		if _, err := cluster.Kubectl(ctx, "-n", "metallb-system", "rollout", "status", workload, "--timeout=120s"); err != nil {
			return err
		}
	}
	return nil
}
