package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// longestMemory is longer than routers keep routes of a speaker that has gone
// without a word: they notice by the hold time, at most 90 s by default, and
// then wait for the restart time, 120 s.
const longestMemory = 5 * time.Minute

// restarted reports whether routers may hold routes of a speaker before this
// one whose packets this node has forwarded ever since, which is what the F bit
// of RFC 4724 says. Nothing is written down to know it by: a node that has been
// up for longer than routers remember has forwarded whatever they still know of
// it. One that has just booted has not, whatever they think.
func restarted(up time.Duration) bool { return up > longestMemory }

// uptime is how long ago the node's kernel started.
func uptime() (time.Duration, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("failed to learn when the node booted: %w", err)
	}
	return time.Duration(info.Uptime) * time.Second, nil
}
