package main

import (
	"context"
	"slices"
	"time"

	"github.com/clarion-lb/clarion/internal/heartbeat"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/members"
	"github.com/clarion-lb/clarion/speaker"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// tell hands the members over as they change. Until the first round of calls
// is over nobody knows who is alive, and nothing is said.
func (p *peers) tell(ctx context.Context, loop *speaker.Speaker, api *kube.Speaker) error {
	if p.list == nil {
		return nil
	}
	var verdicts <-chan struct{}
	if p.beats != nil {
		verdicts = p.beats.Changed()
	}
	var departed departed
	var turn <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.list.Changed():
		case <-verdicts:
		case <-p.keys.changed():
		case <-turn:
		}
		turn = p.keys.turn(p, api)
		roster := p.list.Roster()
		if roster == nil {
			continue
		}
		now := p.divide(roster)
		now.Gone = append(now.Gone, departed.follow(roster, time.Now())...)
		loop.SetMembers(now)
	}
}

// divide parts those that can own addresses from those that cannot, and tells
// the monitor whom to expect.
func (p *peers) divide(roster []members.Member) announce.Members {
	var down, recovering []string
	if p.beats != nil {
		var others []heartbeat.Peer
		for _, m := range roster {
			if m.Card.Heartbeat && m.Name != p.node {
				others = append(others, heartbeat.Peer{Name: m.Name, Addr: m.Addr})
			}
		}
		p.beats.SetPeers(others)
		down, recovering = p.beats.Down(), p.beats.Recovering()
	}
	now := announce.Members{Known: true}
	for _, m := range roster {
		if slices.Contains(down, m.Name) {
			now.Gone = append(now.Gone, memberOf(m))
		} else {
			living := memberOf(m)
			living.Recovering = slices.Contains(recovering, m.Name)
			now.Nodes = append(now.Nodes, living)
		}
	}
	return now
}
