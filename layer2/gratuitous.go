package layer2

import (
	"container/heap"
	"net/netip"
	"time"
)

const (
	// firstBurst is how many addresses are announced for the first time in one
	// go, and firstPause the time until the next go. A thousand addresses are out
	// within 100 ms even where every pause lasts ten times as long, yet no transmit
	// queue overflows and nothing else waits for more than a millisecond or two.
	firstBurst = 256
	firstPause = time.Millisecond

	// repeatPause spaces the repeats of all addresses together: 200 per second. Up
	// to repeatBurst that are due go out in one, and their pauses follow in one too:
	// with thousands of addresses it is waking up that costs.
	repeatPause = 5 * time.Millisecond
	repeatBurst = 20

	// refreshSlack is how much sooner than it is due a refresh may go out with
	// others: they come one by one for ever, and once they have gone together they
	// stay together.
	refreshSlack = time.Second
)

// repeats returns when an announcement is repeated, counted from its first
// frame: early ones for frames lost in the takeover itself, late ones for
// switches that were still learning. RFC 5227, 2.3 asks for two in 2 s and RFC
// 4861, 7.2.6 for three 1 s apart; a takeover that stays unheard is an outage.
func repeats() [6]time.Duration {
	return [...]time.Duration{
		100 * time.Millisecond,
		300 * time.Millisecond,
		700 * time.Millisecond,
		1500 * time.Millisecond,
		3 * time.Second,
		5 * time.Second,
	}
}

// onLink is an address on a link.
type onLink struct {
	Addr netip.Addr
	Link string
}

// gratuitous decides which address is announced on which link, and when. It
// holds no clock: every call brings the instant. The first announcement of every
// address goes before the second of any. The zero value is ready.
type gratuitous struct {
	jobs      map[onLink]*job
	firsts    []*job  // announced never so far, in order of arrival
	repeats   dueHeap // announced before
	nextFirst time.Time
	nextAgain time.Time
	// refresh is how often an address is announced for as long as it is owned; 0
	// for never after the repeats.
	refresh time.Duration
}

// job is the announcement of one address on one link until its last repeat.
type job struct {
	what      onLink
	begun     time.Time // of the first frame
	due       time.Time // of the next
	calm      bool      // only to be refreshed
	cancelled bool      // skipped where it stands in firsts or repeats
}

// start announces what from the beginning.
func (g *gratuitous) start(what onLink) {
	g.cancel(what)
	if g.jobs == nil {
		g.jobs = make(map[onLink]*job)
	}
	j := &job{what: what}
	g.jobs[what] = j
	g.firsts = append(g.firsts, j)
}

// cancel announces what no more.
func (g *gratuitous) cancel(what onLink) {
	if j := g.jobs[what]; j != nil {
		j.cancelled = true
		delete(g.jobs, what)
	}
}

// urgent reports whether an address waits for its first announcement.
func (g *gratuitous) urgent() bool {
	g.skipCancelled()
	return len(g.firsts) > 0
}

// take returns what to announce now, and what to refresh.
func (g *gratuitous) take(now time.Time) (announce, refresh []onLink) {
	if g.urgent() {
		return g.takeFirsts(now), nil
	}
	return g.takeRepeats(now)
}

func (g *gratuitous) takeRepeats(now time.Time) (announce, refresh []onLink) {
	if now.Before(g.nextAgain) {
		return nil, nil
	}
	for len(g.repeats) > 0 && !now.Before(g.earliest(g.repeats[0])) && len(announce)+len(refresh) < repeatBurst {
		j := heap.Pop(&g.repeats).(*job)
		switch {
		case j.cancelled:
			continue
		case j.calm:
			refresh = append(refresh, j.what)
		default:
			announce = append(announce, j.what)
		}
		g.plan(j, now)
	}
	g.nextAgain = now.Add(time.Duration(len(announce)+len(refresh)) * repeatPause)
	return announce, refresh
}

// earliest is when j may be repeated, should there be anything else to do.
func (g *gratuitous) earliest(j *job) time.Time {
	if j.calm {
		return j.due.Add(-min(refreshSlack, g.refresh/10))
	}
	return j.due
}

func (g *gratuitous) takeFirsts(now time.Time) []onLink {
	if now.Before(g.nextFirst) {
		return nil
	}
	g.nextFirst = now.Add(firstPause)
	var out []onLink
	for len(g.firsts) > 0 && len(out) < firstBurst {
		j := g.firsts[0]
		g.firsts = g.firsts[1:]
		if j.cancelled {
			continue
		}
		j.begun = now
		g.plan(j, now)
		out = append(out, j.what)
	}
	return out
}

// plan puts j, announced just now, where its next repeat is. Repeats that the
// limiter has made late by a whole step are merged into one: a thousand
// addresses are better served by one repeat each than by a few having all.
func (g *gratuitous) plan(j *job, now time.Time) {
	for _, after := range repeats() {
		if j.due = j.begun.Add(after); j.due.After(now) {
			heap.Push(&g.repeats, j)
			return
		}
	}
	if g.refresh > 0 {
		j.due, j.calm = now.Add(g.refresh), true
		heap.Push(&g.repeats, j)
		return
	}
	delete(g.jobs, j.what)
}

// wake returns when take has something next, and false if never.
func (g *gratuitous) wake() (time.Time, bool) {
	switch {
	case g.urgent():
		return g.nextFirst, true
	case len(g.repeats) == 0:
		return time.Time{}, false
	case g.repeats[0].due.Before(g.nextAgain):
		return g.nextAgain, true
	default:
		return g.repeats[0].due, true
	}
}

func (g *gratuitous) skipCancelled() {
	for len(g.firsts) > 0 && g.firsts[0].cancelled {
		g.firsts = g.firsts[1:]
	}
	for len(g.repeats) > 0 && g.repeats[0].cancelled {
		heap.Pop(&g.repeats)
	}
}

// dueHeap is a container/heap with the job that is due first on top.
type dueHeap []*job

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, k int) bool { return h[i].due.Before(h[k].due) }
func (h dueHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *dueHeap) Push(j any)        { *h = append(*h, j.(*job)) }
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return j
}
