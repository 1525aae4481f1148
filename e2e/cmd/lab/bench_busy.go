package main

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
)

// keepBusy starts two endless loops for each processor and returns what ends them.
func keepBusy(ctx context.Context) (end func()) {
	ctx, end = context.WithCancel(ctx)
	for range 2 * runtime.NumCPU() {
		loop := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := loop.Start(); err == nil {
			go func() { _ = loop.Wait() }() // it ends by being killed
		}
	}
	return end
}

// idle watches while nothing happens, and prints what happened all the same.
func (s *stage) idle(ctx context.Context, show *table, length time.Duration) error {
	const look = 10 * time.Second
	begin, moved := time.Now(), 0
	for time.Since(begin) < length {
		show.progress("%s: nothing happens, %s of %s", show.title, time.Since(begin).Round(time.Second), length)
		capture, err := frames.Watch(s.lab.Switch())
		if err != nil {
			return err
		}
		for end := time.Now().Add(min(look, length-time.Since(begin))); time.Now().Before(end) && ctx.Err() == nil; {
			if err := s.askAll(); err != nil {
				return err
			}
			time.Sleep(100 * time.Millisecond)
		}
		records, err := capture.Stop()
		if err != nil {
			return err
		}
		moved += len(stolen(records, s.owners, ""))
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	verdicts, err := s.verdicts(ctx, begin)
	if err != nil {
		return err
	}
	show.clear()
	if err := show.printf("\n%s: in %s in which nothing happened, %d addresses changed hands, and speakers held a node to be anything but up %d times\n",
		show.title, length, moved, len(verdicts)); err != nil {
		return err
	}
	for _, line := range verdicts[:min(len(verdicts), 10)] {
		show.note("%s", line)
	}
	return nil
}

// verdicts returns what the speakers have logged since then about the standing of nodes.
func (s *stage) verdicts(ctx context.Context, since time.Time) ([]string, error) {
	out, err := s.logs(ctx, since)
	if err != nil {
		return nil, err
	}
	var verdicts []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "node has another standing") {
			verdicts = append(verdicts, strings.TrimSpace(line))
		}
	}
	return verdicts, nil
}
