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
		return l.Install(ctx)
	}))
}
