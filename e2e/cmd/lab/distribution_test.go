package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDistribution(t *testing.T) {
	t.Parallel()
	hundred := make(distribution, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	var rounded distribution
	for _, d := range []time.Duration{0, time.Nanosecond, time.Millisecond, 1500 * time.Microsecond} {
		rounded.add(d)
	}
	tests := map[string]struct {
		of   distribution
		want string
	}{
		"nothing":     {nil, "    -    -    -     -"},
		"one":         {distribution{7}, "    7    7    7     7"},
		"two":         {distribution{9, 1}, "    1    1    9     9"},
		"ten":         {distribution{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, "    1    5    9    10"},
		"1 to 100":    {hundred, "    1   50   90   100"},
		"times go up": {rounded, "    0    1    2     2"},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.of.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(tt.want) != len(distributionHead) {
			t.Errorf("%s is %d wide, its head is %d", name, len(tt.want), len(distributionHead))
		}
	}
}
