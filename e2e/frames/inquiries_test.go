package frames_test

import (
	"cmp"
	"net/netip"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/frames"
)

func TestInquiries(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	client, other := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("203.0.113.2")
	// A question mark is a question, a letter an answer by the node of that name, a capital an announcement that nobody asked for,
	// an x a question of another host, an o an answer for another address.
	tests := map[string]struct {
		frames string
		want   string
	}{
		"nothing":                  {"", ""},
		"one owner":                {"?a?a?a", "a a a"},
		"nobody":                   {"???", "- - -"},
		"handover with silence":    {"?a?A???Bb?b", "a - - - b b"},
		"two answer":               {"?ab?ba?b", "ab ba b"},
		"one answers twice":        {"?aa?a", "a a"},
		"answer before a question": {"a?b", "b"},
		"somebody else asks":       {"?axb?b", "ab b"},
		"another address":          {"?o?b", "- b"},
	}
	for name, tt := range tests {
		for _, addr := range []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")} {
			t.Run(name+" "+addr.String(), func(t *testing.T) {
				t.Parallel()
				var records []frames.Record
				for i, what := range tt.frames {
					r := frames.Record{At: start.Add(time.Duration(i) * time.Millisecond), Port: strings.ToLower(string(what)), Sender: addr, Target: addr}
					switch {
					case what == '?' || what == 'x':
						r.Kind, r.Sender = frames.NeighborSolicitation, client
						if addr.Is4() {
							r.Kind = frames.ARPRequest
						}
					case addr.Is4():
						r.Kind = frames.ARPReply
						if r.Port == string(what) { // asked for
							r.Target = client
						}
					default:
						r.Kind, r.Solicited = frames.NeighborAdvertisement, r.Port == string(what)
					}
					if what == 'o' {
						r.Sender, r.Target = other, other
					}
					records = append(records, r)
				}
				var got []string
				for _, q := range frames.Inquiries(records, "?", addr) {
					got = append(got, cmp.Or(strings.Join(q.By, ""), "-"))
				}
				if diff := gocmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
					t.Errorf("answers to %s (-want +got):\n%s", tt.frames, diff)
				}
			})
		}
	}
}
