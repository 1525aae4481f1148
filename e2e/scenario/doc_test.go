// Package scenario_test holds what must be true of the product as a user
// installs it: the shipped manifests, the shipped programs with their shipped
// rights, on a lab cluster, seen from a client on the segment. Each test says
// which promise of the design it defends.
package scenario_test

import (
	"context"
	"os"
	"testing"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// cluster is the one lab that all tests share; the product is installed on it.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	os.Exit(lab.TestMain(m, lab.Options{}, func(ctx context.Context, l *lab.Lab) error {
		cluster = l
		return l.Install(ctx)
	}))
}
