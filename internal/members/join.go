package members

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

const (
	// minRetry is the pause after the first call that did not make a peer a
	// member; it doubles up to maxRetry. After a partition that memberlist has
	// given up on (GossipToTheDeadTime), maxRetry is how long the two halves
	// may go on without each other.
	minRetry = time.Second
	maxRetry = 10 * time.Second

	// maxCalls bounds the calls made at once. Calls to dead peers take
	// TCPTimeout, and must not keep the living ones waiting for long.
	maxCalls = 16

	// patience is the number of calls in vain after which a peer is not only
	// starting, or restarting, but gone.
	patience = 3

	// grace is how long a peer that neither answers nor refuses may delay the
	// first view once another has answered.
	grace = 2 * time.Second

	// strangeTime is how long peers that have another key may delay the first
	// view. It is twice followTime: whoever is left with another key then will not
	// come by the right one by waiting.
	strangeTime = 2 * followTime
)

// joiner decides which of the missing peers to call. A peer is called at once,
// then ever less often; when it has become a member all is forgotten.
type joiner struct {
	calls map[netip.AddrPort]*call
}

type call struct {
	made   int // that did not make the peer a member
	open   bool
	next   time.Time
	failed bool // this peer has been said to be unreachable
	// strange: when last called, it was there, and had another key.
	strange bool
}

// due returns the peers to call now, which counts as calling them.
func (j *joiner) due(now time.Time, missing []netip.AddrPort) []netip.AddrPort {
	// A peer that became a member during its call is called anew, should it
	// vanish: that the first call is still open does not matter.
	calls := make(map[netip.AddrPort]*call, len(missing))
	free := maxCalls
	for _, p := range missing {
		c := j.calls[p]
		if c == nil {
			c = &call{}
		}
		if c.open {
			free--
		}
		calls[p] = c
	}
	j.calls = calls

	due := slices.DeleteFunc(slices.Clone(missing), func(p netip.AddrPort) bool {
		return calls[p].open || now.Before(calls[p].next)
	})
	// Who was called least comes first, or the dead would starve the living;
	// among equals it is chance, or all nodes would call the same one.
	rand.Shuffle(len(due), func(i, k int) { due[i], due[k] = due[k], due[i] })
	slices.SortStableFunc(due, func(a, b netip.AddrPort) int {
		return cmp.Compare(calls[a].made, calls[b].made)
	})
	due = due[:min(len(due), max(free, 0))]
	for _, p := range due {
		calls[p].open = true
	}

	return due
}

// ended notes that a call is over. It reports whether the peer is to be said
// unreachable.
func (j *joiner) ended(now time.Time, r joinResult) bool {
	c := j.calls[r.peer]
	if c == nil {
		return false // a member by now, or not a peer any more
	}

	c.open = false
	c.made++
	pause := min(minRetry<<min(c.made-1, 10), maxRetry)
	c.next = now.Add(pause + rand.N(pause/4))
	c.strange = r.strange()
	if r.err == nil || c.failed || c.made < patience {
		return false
	}
	c.failed = true

	return true
}

// next returns the instant of the next call. It returns false if none is
// planned, or none can be made before one that is open has ended.
func (j *joiner) next() (at time.Time, planned bool) {
	free := maxCalls
	for _, c := range j.calls {
		switch {
		case c.open:
			free--
		case !planned || c.next.Before(at):
			at, planned = c.next, true
		}
	}

	return at, planned && free > 0
}

// strangers reports whether a missing peer has another key.
func (j *joiner) strangers() bool {
	for _, c := range j.calls {
		if c.strange {
			return true
		}
	}

	return false
}

// triedAll reports whether every missing peer has been called in vain that
// often.
func (j *joiner) triedAll(times int) bool {
	for _, c := range j.calls {
		if c.made < times {
			return false
		}
	}

	return true
}
