package main

import (
	"testing"
	"time"
)

// TestRestarted: a node that has booted may not claim to have forwarded all the
// while, and a speaker that is started again on a node that ran must.
func TestRestarted(t *testing.T) {
	t.Parallel()

	for up, want := range map[time.Duration]bool{
		20 * time.Second:    false, // the first speaker of this boot
		210 * time.Second:   false, // routers may still remember the boot before
		6 * time.Minute:     true,
		30 * 24 * time.Hour: true,
	} {
		if got := restarted(up); got != want {
			t.Errorf("restarted(%s) = %t, want %t", up, got, want)
		}
	}
	if up, err := uptime(); err != nil || up <= 0 {
		t.Errorf("uptime() = %s, %v", up, err)
	}
}
