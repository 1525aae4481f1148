package main

import (
	"fmt"
	"slices"
	"time"
)

// distribution is what was measured, one number for each run, in any order.
type distribution []int

// add adds a time, in milliseconds. It is rounded up: what took any time at all took more than none.
func (d *distribution) add(t time.Duration) {
	*d = append(*d, int((t+time.Millisecond-1)/time.Millisecond))
}

// quantile returns the least number that so many percent of all are not above; 0 is the minimum. There has to be one.
func (d distribution) quantile(percent int) int {
	sorted := slices.Sorted(slices.Values(d))
	rank := (len(sorted)*percent + 99) / 100 // the nearest-rank method: no number that was not measured
	return sorted[max(rank-1, 0)]
}

// distributionHead stands above numbers that String returns.
const distributionHead = "  min  med  p90   max"

// String returns minimum, median, ninth decile and maximum, as wide as distributionHead; only dashes if nothing was measured.
func (d distribution) String() string {
	if len(d) == 0 {
		return fmt.Sprintf("%5s%5s%5s%6s", "-", "-", "-", "-")
	}
	return fmt.Sprintf("%5d%5d%5d%6d", d.quantile(0), d.quantile(50), d.quantile(90), d.quantile(100))
}
