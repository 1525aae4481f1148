//nolint:paralleltest // all tests share one lab
package lab_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/lab"
)

func TestProbeFindsOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		probe := lab.StartProbe(t.Context(), 100*time.Millisecond, 250*time.Millisecond, func(ctx context.Context) error {
			switch passed := time.Since(start); {
			case passed >= time.Second && passed < 2*time.Second: // refused
				return errors.New("refused")
			case passed >= 3*time.Second && passed < 3500*time.Millisecond: // lost
				<-ctx.Done()
				return ctx.Err()
			default:
				time.Sleep(10 * time.Millisecond)
				return nil
			}
		})
		time.Sleep(5*time.Second - time.Millisecond)
		attempts := probe.Stop()
		if len(attempts) != 50 {
			t.Errorf("%d attempts, want 50", len(attempts))
		}
		var got []string
		for _, o := range lab.Outages(attempts) {
			got = append(got, fmt.Sprintf("%s to %s, %d missed", o.From.Sub(start), o.To.Sub(start), o.Missed))
		}
		want := []string{"900ms to 2s, 10 missed", "2.9s to 3.5s, 5 missed"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outages (-want +got):\n%s", diff)
		}
	})
}
