package speaker

import (
	"net/netip"
	"time"

	"github.com/clarion-lb/clarion/speaker/announce"
)

const (
	// newFor is how long an address is new after it had an owner for the first
	// time: enough for that one to find out whether it is free. Whoever takes over
	// later has no doubt, and loses no time.
	newFor = 10 * time.Second
	// lookAheadEvery is the least time between two looks at whole pools.
	lookAheadEvery = 30 * time.Second
)

// chores are what the loop does for the plan because it knows the time. Of the
// facts it reads those that all nodes see alike: an address is new for all of
// them.
type chores struct {
	running bool // after the first revision
	// unowned are new addresses that nobody owned yet, such as those of Services
	// without endpoints; aging those that had an owner, the first one first.
	unowned map[netip.Addr]struct{}
	aging   []newcomer
	looked  time.Time
}

// newcomer is an address that has an owner since then.
type newcomer struct {
	addr  netip.Addr
	since time.Time
}

// before is done before a revision: what came in is not known to the plan's
// verdicts yet. What is there when the speaker starts has its history, and is not
// new.
func (c *chores) before(plan *announce.Plan, now time.Time) {
	for len(c.aging) > 0 && now.Sub(c.aging[0].since) >= newFor {
		plan.SetNew(c.aging[0].addr, false)
		c.aging = c.aging[1:]
	}
	if !c.running {
		return
	}
	for _, a := range plan.Unseen() {
		plan.SetNew(a, true)
		c.unowned[a] = struct{}{}
	}
}

// after is done after it.
func (c *chores) after(plan *announce.Plan, revision announce.Revision, now time.Time) {
	c.running = true
	for i := range revision.Changed {
		v := &revision.Changed[i].Verdict
		if v.Owner != "" && v.Protocol == announce.Layer2 {
			c.age(v.Addr, now)
		}
	}
	for i := range revision.Gone {
		c.age(revision.Gone[i].Addr, now) // to be forgotten in time
	}
	if plan.Behind() && now.Sub(c.looked) >= lookAheadEvery {
		plan.LookAhead()
		c.looked = now
	}
}

// age starts the clock of an address if it waits for that.
func (c *chores) age(a netip.Addr, now time.Time) {
	if _, waiting := c.unowned[a]; waiting {
		delete(c.unowned, a)
		c.aging = append(c.aging, newcomer{a, now})
	}
}

// wake tells when there is something to do without any news; nil for never.
func (c *chores) wake(plan *announce.Plan, now time.Time) <-chan time.Time {
	var at time.Time
	if plan.Behind() {
		at = c.looked.Add(lookAheadEvery)
	}
	if len(c.aging) > 0 {
		if ripe := c.aging[0].since.Add(newFor); at.IsZero() || ripe.Before(at) {
			at = ripe
		}
	}
	if at.IsZero() {
		return nil
	}
	return time.After(at.Sub(now))
}
