package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// A letter in frames is an answer of the node of that name to the question before it, which is a question mark; a capital an announcement
// that nobody asked for. In probes an o was answered and an x was not. Either has 10 ms for each question and probe; node a is struck
// after 20 ms.
func TestSample(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("203.0.113.1")
	tests := map[string]struct {
		returns        bool
		frames, probes string
		want           string
	}{
		"nothing happens":       {false, "?a?a?a?a?a?a", "oooooo", `0s 0, "" 0s, 0s 0, 0s`},
		"a gap":                 {false, "?a?a?a????Bb?b?b", "oooxxxooo", `40ms 3, "b" 41ms, 0s 0, 40ms`},
		"struck just before":    {false, "?a?a??B?b?b?b", "ooxxoo", `30ms 2, "b" 11ms, 0s 0, 30ms`},
		"an overlap":            {false, "?a?a?a?aB?ab?ba?b", "oooooooo", `0s 0, "b" 12ms, 10ms 2, 0s`},
		"silence, no loss":      {false, "?a?a?????a?a?a", "oooooooo", `0s 0, "" 0s, 0s 0, 50ms`},
		"it returns":            {true, "?b?b?bA?a?a?a", "oooooo", `0s 0, "a" 2ms, 0s 0, 0s`},
		"lost before it":        {false, "?a?a?a?a?a?a", "xooooo", `0s 0, "" 0s, 0s 0, 0s`},
		"two separate outages":  {false, "?a?a?a?a?a?a?a?a?a", "ooxoxxxoo", `40ms 4, "" 0s, 0s 0, 0s`},
		"nobody answers at all": {false, "?a?a??????????", "ooxxxxxxxxxx", `100ms 10, "" 0s, 0s 0, 90ms`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := evidence{addr: addr, node: "a", returns: tt.returns, asker: "?", from: start.Add(20 * time.Millisecond), to: start.Add(time.Second)}
			at := start.Add(-10 * time.Millisecond)
			for _, what := range tt.frames {
				r := frames.Record{Port: string(what), Kind: frames.ARPReply, Sender: addr}
				switch at = at.Add(time.Millisecond); {
				case what == '?':
					at = at.Truncate(10 * time.Millisecond).Add(10 * time.Millisecond)
					r.Kind, r.Sender, r.Target = frames.ARPRequest, netip.MustParseAddr("192.0.2.100"), addr
				case what < 'a':
					r.Port, r.Target = string(what-'A'+'a'), addr
				}
				r.At = at
				e.records = append(e.records, r)
			}
			for i, what := range tt.probes {
				e.attempts = append(e.attempts, lab.Attempt{At: start.Add(time.Duration(i) * 10 * time.Millisecond), OK: what == 'o'})
			}
			s := e.sample()
			got := fmt.Sprintf("%s %d, %q %s, %s %d, %s", s.outage, s.lost, s.by, s.claim, s.overlap, s.twice, s.unanswered)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStolen(t *testing.T) {
	t.Parallel()
	one, two, foreign := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("203.0.113.3")
	owners := map[netip.Addr]string{one: "a", two: "b"}
	claim := func(port string, addr netip.Addr) frames.Record {
		return frames.Record{Port: port, Kind: frames.ARPReply, Sender: addr}
	}
	records := []frames.Record{claim("a", one), claim("c", one), claim("b", two), claim("c", foreign), claim("c", two), claim("a", two)}
	for struck, want := range map[string][]netip.Addr{"a": {two}, "b": {one}, "": {one, two}} {
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(stolen(records, owners, struck))); diff != "" {
			t.Errorf("while %q was struck (-want +got):\n%s", struck, diff)
		}
	}
}
