package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

const (
	// rhythm is how often the client probes an address, and how often the segment is asked who has it.
	rhythm = 10 * time.Millisecond
	// calm is how long an address has to have been reached for what happened to it to be over.
	calm = 300 * time.Millisecond
)

// observation watches the wire and the addresses of one Service: its client probes them, and the router asks who has them. Not the
// client, or its own questions would correct what its neighbour cache has wrong.
type observation struct {
	stage   *stage
	addrs   []netip.Addr
	capture *frames.Capture
	probes  []*lab.Probe // as addrs
	asking  sync.WaitGroup
	stop    context.CancelFunc
	failed  []error // of who asks, as addrs
}

// observe begins an observation.
func (s *stage) observe(ctx context.Context, addrs []netip.Addr) (*observation, error) {
	capture, err := frames.Watch(s.lab.Switch())
	if err != nil {
		return nil, err
	}
	asking, stop := context.WithCancel(ctx)
	o := &observation{stage: s, addrs: addrs, capture: capture, stop: stop, failed: make([]error, len(addrs))}
	for i, addr := range addrs {
		o.asking.Go(func() { o.failed[i] = s.asker.AskEvery(asking, addr, rhythm) })
		o.probes = append(o.probes, lab.StartProbe(ctx, rhythm, promptness, lab.Echo(s.lab.Client(), netip.AddrPortFrom(addr, 80))))
	}
	return o, nil
}

// end ends the observation and returns what was seen: frames, and the attempts for each address.
func (o *observation) end() (records []frames.Record, attempts [][]lab.Attempt, err error) {
	o.stop()
	o.asking.Wait()
	for _, probe := range o.probes {
		attempts = append(attempts, probe.Stop())
	}
	records, err = o.capture.Stop()
	return records, attempts, errors.Join(append(o.failed, err)...)
}

// reached reports whether nearly all probes of late have been answered, to all addresses.
func (o *observation) reached() bool {
	since := time.Now().Add(-calm)
	for _, probe := range o.probes {
		answered := 0
		for _, attempt := range probe.Attempts() {
			if attempt.OK && attempt.At.After(since) {
				answered++
			}
		}
		// A busy machine sends less often, and has answers under way.
		if answered < int(calm/rhythm)/2 {
			return false
		}
	}
	return true
}

// claimedSince reports whether every address was claimed since then by a node of which that is true.
func (o *observation) claimedSince(since time.Time, by func(node string) bool) bool {
	records := o.capture.Records()
	for _, addr := range o.addrs {
		if !slices.ContainsFunc(frames.ClaimsFor(records, addr), func(r frames.Record) bool { return r.At.After(since) && by(r.Port) }) {
			return false
		}
	}
	return true
}

// settled returns what tells whether all addresses of the stage are back where they belong: it asks for them, and their owners alone have
// to answer some times in a row.
func (o *observation) settled() over {
	const enough = 3
	seen, right, begun := len(o.capture.Records()), 0, time.Now()
	return func() (bool, error) {
		records := o.capture.Records()
		// A capture may be behind: what is new in it need not be.
		if right++; !o.stage.answeredByOwners(since(records[seen:], begun)) {
			right = 0
		}
		seen = len(records)
		return right >= enough, o.stage.askAll()
	}
}

// wait waits until something is over and the addresses have been reached for a while.
func (o *observation) wait(ctx context.Context, what string, over over) error {
	return o.stage.lab.Until(ctx, what, func(context.Context) (bool, error) {
		done, err := over()
		return done && o.reached(), err
	})
}
