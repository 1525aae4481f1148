package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/clarion-lb/clarion/internal/heartbeat"
	"github.com/clarion-lb/clarion/internal/members"
)

// heartbeatFlags say how soon a dead node is found out.
type heartbeatFlags struct {
	interval, grace, failback time.Duration
	multiplier                int
}

func (h *heartbeatFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&h.interval, "heartbeat-interval", heartbeat.DefaultInterval, "time between the heartbeats of a node, on the port of ml-bindport; 0: none, a dead node is found out by memberlist alone, after five seconds and more")
	f.IntVar(&h.multiplier, "heartbeat-multiplier", heartbeat.DefaultMultiplier, "how many heartbeats in a row have to be missing before a node can be called dead")
	f.DurationVar(&h.grace, "heartbeat-grace", heartbeat.DefaultGrace, "how long a speaker may be silent while its node answers, before its addresses move")
	f.DurationVar(&h.failback, "failback-delay", heartbeat.DefaultFailback, "how long a node, and each interface of it, has to be well before it owns addresses again that others can own; 0: no time at all")
}

// join makes the monitor of p, on the port of the members.
func (h *heartbeatFlags) join(p *peers, o *members.Options) (err error) {
	if h.interval == 0 {
		return nil
	}
	failback := h.failback
	if failback == 0 {
		failback = -1 // at once; to the monitor 0 is its default
	}
	p.beats, err = heartbeat.New(heartbeat.Options{
		Node: p.node, Interval: h.interval, Multiplier: h.multiplier, Grace: h.grace, Failback: failback,
		Send:  func(packet []byte, to netip.AddrPort) { _ = p.list.Send(packet, to) }, // lost is lost
		Probe: heartbeat.TCPProbe(o.BindAddr.Addr()),
		Log:   o.Log,
	})
	if err != nil {
		return fmt.Errorf("--heartbeat-interval, --heartbeat-multiplier, --heartbeat-grace: %w", err)
	}
	o.Card.Heartbeat = true
	o.Aside = func(packet []byte) bool {
		ours := heartbeat.IsBeat(packet)
		if ours {
			p.beats.Receive(packet)
		}
		return ours
	}
	return p.beats.SetKeys([][]byte{o.Key})
}

// fit is whether this node may answer for addresses; nil: always.
func (p *peers) fit() func() bool {
	if p.beats == nil {
		return nil
	}
	return p.beats.Fit
}

// farewell is how long heartbeats tell that this node leaves, before memberlist
// does and closes the port. It is enough for all repetitions.
const farewell = 200 * time.Millisecond

// run keeps the membership until ctx ends, and takes its leave once this node
// yields its addresses: whoever takes over asks first, and must find nobody.
func (p *peers) run(ctx context.Context, yielding <-chan struct{}) error {
	if p.list == nil {
		return nil
	}
	if p.beats == nil {
		return p.list.Run(ctx)
	}
	known, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-yielding:
		case <-time.After(farewell):
		}
		p.beats.Leave()
		time.AfterFunc(farewell, leave)
	})()
	group, known := errgroup.WithContext(known)
	group.Go(func() error { return p.list.Run(known) })
	group.Go(func() error { return p.beats.Run(known) })
	return group.Wait()
}
