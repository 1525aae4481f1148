package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

const (
	// together is how far apart the answers of one node may be for it to have answered all the time: ten questions.
	together = 100 * time.Millisecond
	// promptness is how long a probe may wait for its answer.
	promptness = 250 * time.Millisecond
)

// evidence is what was seen of one address while something happened to the node that owned it, or was to own it again.
type evidence struct {
	addr     netip.Addr
	node     string
	returns  bool      // to the node, not away from it
	from, to time.Time // when it began, and when it was over
	asker    string    // who asked who has the address
	records  []frames.Record
	attempts []lab.Attempt
}

// sample is what that comes to.
type sample struct {
	outage     time.Duration // the longest time between answered probes around one that was not
	lost       int           // probes
	claim      time.Duration // until the first claim of the new owner
	by         string        // the new owner, "" if nobody claimed the address
	overlap    time.Duration // for which two nodes answered
	twice      int           // questions that two nodes answered
	unanswered time.Duration // the longest time between answered questions around one that was not
}

func (e *evidence) sample() sample {
	var s sample
	s.outage, s.lost = longest(e.covered(e.attempts))

	var questions []lab.Attempt
	for _, question := range frames.Inquiries(e.records, e.asker, e.addr) {
		questions = append(questions, lab.Attempt{At: question.At, OK: len(question.By) > 0})
		if len(question.By) > 1 && e.covers(question.At) {
			s.twice++
		}
	}
	questions = e.covered(questions)
	// The last one may have been asked at the last moment.
	s.unanswered, _ = longest(questions[:max(0, len(questions)-1)])

	records := slices.DeleteFunc(slices.Clone(e.records), func(r frames.Record) bool { return !e.covers(r.At) })
	for _, claim := range frames.ClaimsFor(records, e.addr) {
		if (claim.Port == e.node) == e.returns {
			s.claim, s.by = claim.At.Sub(e.from), claim.Port
			break
		}
	}
	for _, overlap := range frames.Overlaps(frames.Answers(records, e.addr), together) {
		s.overlap += overlap.To.Sub(overlap.From)
	}
	return s
}

// covered returns the attempts from beginning to end, and the one before: an outage is as long as it may have been.
func (e *evidence) covered(attempts []lab.Attempt) []lab.Attempt {
	for len(attempts) > 1 && attempts[1].At.Before(e.from) {
		attempts = attempts[1:]
	}
	return slices.DeleteFunc(slices.Clone(attempts), func(a lab.Attempt) bool { return !a.At.Before(e.to) })
}

func (e *evidence) covers(t time.Time) bool { return !t.Before(e.from) && t.Before(e.to) }

// longest returns the longest outage, and how many attempts have failed in all.
func longest(attempts []lab.Attempt) (most time.Duration, lost int) {
	for _, outage := range lab.Outages(attempts) {
		most, lost = max(most, outage.Duration()), lost+outage.Missed
	}
	return most, lost
}

// stolen returns the addresses, sorted, that a node claimed which is not their owner, although their owner was not struck.
func stolen(records []frames.Record, owners map[netip.Addr]string, struck string) []netip.Addr {
	var all []netip.Addr
	for _, r := range records {
		addr, ok := r.Claim()
		if owner := owners[addr]; ok && owner != "" && owner != struck && owner != r.Port {
			all = append(all, addr)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// odd reports whether somebody should have a look at why.
func (s *sample) odd(planned bool) bool {
	return s.outage > 450*time.Millisecond || s.overlap > 100*time.Millisecond || planned && s.lost > 0
}

func (s *sample) String() string {
	return fmt.Sprintf("outage %s, lost %d, claimed by %q after %s, two answered for %s and %d times, nobody for %s",
		s.outage.Round(time.Millisecond), s.lost, s.by, s.claim.Round(time.Millisecond), s.overlap, s.twice, s.unanswered.Round(time.Millisecond))
}
