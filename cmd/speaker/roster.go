package main

import (
	"context"
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
	standing := func(string) heartbeat.Standing { return heartbeat.Up }
	if p.beats != nil {
		var others []heartbeat.Peer
		for _, m := range roster {
			if m.Card.Heartbeat && m.Name != p.node {
				others = append(others, heartbeat.Peer{Name: m.Name, Addr: m.Addr})
			}
		}
		p.beats.SetPeers(others)
		standing = p.beats.Standing
	}
	now := announce.Members{Known: true}
	for _, m := range roster {
		member := memberOf(m)
		switch standing(m.Name) {
		case heartbeat.Up:
			now.Nodes = append(now.Nodes, member)
		case heartbeat.Recovering:
			member.Recovering = true
			now.Nodes = append(now.Nodes, member)
		case heartbeat.NodeDown, heartbeat.SpeakerDown, heartbeat.Leaving:
			now.Gone = append(now.Gone, member)
		}
	}
	return now
}
