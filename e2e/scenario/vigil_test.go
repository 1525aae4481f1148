package scenario_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
)

// askPeriod is how often a vigil asks for each address.
const askPeriod = 20 * time.Millisecond

// vigil is a client that asks the segment who has some addresses, all the time,
// and everything that is said about them meanwhile.
type vigil struct {
	capture *frames.Capture
	begun   time.Time
	stop    context.CancelFunc
	askers  sync.WaitGroup
}

// keepVigil begins to ask and to listen, until end.
func keepVigil(t *testing.T, addrs []netip.Addr) *vigil {
	t.Helper()
	sender, err := frames.NewSender(cluster.Client())
	if err != nil {
		t.Fatal(err)
	}
	v := &vigil{begun: time.Now()}
	if v.capture, err = frames.Watch(cluster.Switch()); err != nil {
		t.Fatal(err)
	}
	asking, stop := context.WithCancel(context.Background())
	v.stop = sync.OnceFunc(func() {
		stop()
		v.askers.Wait()
		_ = sender.Close()
	})
	t.Cleanup(v.stop)
	for _, addr := range addrs {
		v.askers.Go(func() {
			if err := sender.AskEvery(asking, addr, askPeriod); err != nil {
				t.Error(err)
			}
		})
	}
	return v
}

// lastSecond returns what was heard in the last second.
func (v *vigil) lastSecond() []frames.Record {
	records := v.capture.Records()
	recent, _ := slices.BinarySearchFunc(records, time.Now().Add(-time.Second), func(r frames.Record, at time.Time) int { return r.At.Compare(at) })
	return records[recent:]
}

// end stops asking and listening, and returns what was heard.
func (v *vigil) end(t *testing.T) []frames.Record {
	t.Helper()
	v.stop()
	records, err := v.capture.Stop()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// reign is a time in which one host claimed an address.
type reign struct {
	host     string
	from, to time.Time
}

// reigns returns who claimed an address, in turn. In a handover one host may
// still answer while the next already does; whoever says something more than a
// second later says it anew.
func reigns(records []frames.Record, addr netip.Addr) []reign {
	const handover = time.Second
	byHost := map[string][]reign{}
	for _, r := range frames.ClaimsFor(records, addr) {
		of := byHost[r.Port]
		if n := len(of); n > 0 && r.At.Sub(of[n-1].to) <= handover {
			of[n-1].to = r.At
			continue
		}
		byHost[r.Port] = append(of, reign{host: r.Port, from: r.At, to: r.At})
	}
	var all []reign
	for _, of := range byHost {
		all = append(all, of...)
	}
	slices.SortFunc(all, func(a, b reign) int { return a.from.Compare(b.from) })
	// Silence that nobody else broke ends no reign.
	var out []reign
	for _, r := range all {
		if n := len(out); n > 0 && out[n-1].host == r.host {
			out[n-1].to = r.to
			continue
		}
		out = append(out, r)
	}
	return out
}

// silence returns the longest time between two claims of an address.
func silence(records []frames.Record, addr netip.Addr) time.Duration {
	var longest time.Duration
	claims := frames.ClaimsFor(records, addr)
	for i := 1; i < len(claims); i++ {
		longest = max(longest, claims[i].At.Sub(claims[i-1].At))
	}
	return longest
}

// overlap returns for how long two hosts claimed an address at once, all times
// together.
func overlap(records []frames.Record, addr netip.Addr) time.Duration {
	var sum time.Duration
	for _, o := range frames.Overlaps(frames.ClaimsFor(records, addr), 5*askPeriod) {
		sum += o.To.Sub(o.From)
	}
	return sum
}

// lastAnnouncement returns who announced an address last; empty if nobody did.
func lastAnnouncement(records []frames.Record, addr netip.Addr) string {
	last := ""
	for _, r := range frames.ClaimsFor(records, addr) {
		if r.Gratuitous() {
			last = r.Port
		}
	}
	return last
}

// chronicle tells who claimed an address when, for whoever reads of a failure.
func chronicle(begun time.Time, all []reign) string {
	var out strings.Builder
	for _, r := range all {
		fmt.Fprintf(&out, " %s %.2fs-%.2fs", r.host, r.from.Sub(begun).Seconds(), r.to.Sub(begun).Seconds())
	}
	return out.String()
}

// speakersSaid returns what speakers have logged since then, of which they tell
// only how things change.
func speakersSaid(since time.Time) string {
	out, err := cluster.Kubectl(context.Background(), "-n", "metallb-system", "logs", "-l", "component=speaker", "--prefix", "--tail=-1",
		"--since-time="+since.UTC().Format(time.RFC3339))
	if err != nil {
		return err.Error()
	}
	return out
}
