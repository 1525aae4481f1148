//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/e2e/frames"
)

// dualService is one more Service in front of the Pods of webWorkload.
const dualService = `---
apiVersion: v1
kind: Service
metadata: {name: web-%d}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`

// answeredEverywhere makes Services of both families until each node owns the
// addresses of one, and returns who owns which.
func answeredEverywhere(t *testing.T) (homes map[netip.Addr]string) {
	t.Helper()
	apply(t, dualPool)
	ns := namespace(t)
	applyTo(t, ns, workload(3, "{}", "Cluster"))
	homes = map[netip.Addr]string{}
	owners := map[string]bool{}
	for i := 0; len(owners) < len(cluster.Nodes()); i++ {
		applyTo(t, ns, fmt.Sprintf(dualService, i))
		for _, addr := range waitForAddresses(t, ns, fmt.Sprintf("web-%d", i), 2) {
			waitForAnswer(t, addr, 80)
			homes[addr] = waitForOwner(t, addr, anyNode)
			owners[homes[addr]] = true
		}
	}
	return homes
}

// TestOneAnswerer defends P3 and P8: whatever befalls a node, no address is
// answered by two, the addresses of the others stay where they are, and in the
// end all are where they were. A client that asks all the time is the witness.
func TestOneAnswerer(t *testing.T) {
	homes := answeredEverywhere(t)
	addrs := slices.SortedFunc(maps.Keys(homes), netip.Addr.Compare)
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			v := keepVigil(t, addrs)
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(speakersSaid(v.begun))
				}
			})
			v.waitFor(t, homes)
			victim := homes[addrs[0]]
			heal := sync.OnceFunc(f.strike(t, cluster.Node(victim)))
			t.Cleanup(heal)
			time.Sleep(f.lasts)
			heal()
			healed := time.Now()
			v.waitFor(t, homes)
			records := v.end(t)

			for _, addr := range addrs {
				w := witness{vigil: v, records: records, addr: addr, home: homes[addr]}
				w.report(t)
				w.oneAtATime(t)
				switch {
				case f.everybody:
					w.cameHome(t)
				case homes[addr] != victim:
					w.stayed(t)
					w.answered(t, prompt)
				case f.fate == stays:
					w.stayed(t)
					w.answered(t, f.silence)
				case f.fate == returns:
					w.returned(t, healed)
					w.answered(t, f.silence)
				case f.fate == roams:
					w.cameHome(t)
					w.answered(t, f.silence)
				}
			}
		})
	}
}

// These are what the promises say, an order of magnitude away: the machine has
// other things to do.
const (
	// together is how long two may answer in a handover.
	together = time.Second
	// prompt is how long an address of a node that nothing befell may go
	// unanswered.
	prompt = 2 * time.Second
	// aloof is for how long a node that was down at least claims nothing after it
	// is well again. Its failback delay is two seconds, see hurry.
	aloof = time.Second
)

// witness is what a vigil has to say about one address.
type witness struct {
	vigil   *vigil
	records []frames.Record
	addr    netip.Addr
	home    string // who owned it before
}

// report prints what was seen, measured.
func (w witness) report(t *testing.T) {
	t.Helper()
	t.Logf("%-18s silence %6s, overlap %6s, answered by%s", w.addr,
		silence(w.records, w.addr).Round(time.Millisecond), overlap(w.records, w.addr).Round(time.Millisecond), w.chronicle())
}

func (w witness) chronicle() string { return chronicle(w.vigil.begun, reigns(w.records, w.addr)) }

// oneAtATime checks that no two answered but for a moment, and that the owner
// had the last word, which is what switches and neighbours believe.
func (w witness) oneAtATime(t *testing.T) {
	t.Helper()
	if got := overlap(w.records, w.addr); got > together {
		t.Errorf("%s was claimed by two for %s:%s", w.addr, got, w.chronicle())
	}
	if last := lastAnnouncement(w.records, w.addr); last != "" && last != w.home {
		t.Errorf("%s was last announced by %s, want by its owner %s", w.addr, last, w.home)
	}
}

// answered checks that there was no longer silence than that.
func (w witness) answered(t *testing.T, atMost time.Duration) {
	t.Helper()
	if got := silence(w.records, w.addr); got > atMost {
		t.Errorf("%s went unanswered for %s, want at most %s:%s", w.addr, got, atMost, w.chronicle())
	}
}

// stayed checks that nobody but its owner ever claimed the address.
func (w witness) stayed(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff([]string{w.home}, frames.Claimants(w.records, w.addr)); diff != "" {
		t.Errorf("%s moved (-want +got):\n%s%s", w.addr, diff, w.chronicle())
	}
}

// returned checks that the address went to one other node and came back, which
// it did not do as soon as its owner was well.
func (w witness) returned(t *testing.T, healed time.Time) {
	t.Helper()
	all := reigns(w.records, w.addr)
	if len(all) != 3 || all[0].host != w.home || all[2].host != w.home {
		t.Errorf("%s did not go from %s to one other node and back:%s", w.addr, w.home, w.chronicle())
		return
	}
	if early := all[2].from.Sub(healed); early < aloof {
		t.Errorf("%s was claimed by %s %s after it was well again, want not before it was told so:%s", w.addr, w.home, early, w.chronicle())
	}
}

// cameHome checks that whoever else had the address, its owner had it first and
// last.
func (w witness) cameHome(t *testing.T) {
	t.Helper()
	claims := frames.ClaimsFor(w.records, w.addr)
	if len(claims) == 0 || claims[0].Port != w.home || claims[len(claims)-1].Port != w.home {
		t.Errorf("%s did not come home to %s:%s", w.addr, w.home, w.chronicle())
	}
}

// waitFor waits until all addresses have been where they should be for a second,
// which is longer than anybody hesitates who still has something to say.
func (v *vigil) waitFor(t *testing.T, homes map[netip.Addr]string) {
	t.Helper()
	waitForProduct(t)
	since := time.Now()
	var wrong []string
	err := cluster.Until(t.Context(), "all addresses are answered by their owners alone", func(context.Context) (bool, error) {
		recent := v.lastSecond()
		wrong = nil
		for addr, home := range homes {
			if got := frames.Claimants(recent, addr); !slices.Equal(got, []string{home}) {
				wrong = append(wrong, fmt.Sprintf("%s of %s is answered by %v", addr, home, got))
			}
		}
		return len(wrong) == 0 && time.Since(since) > time.Second, nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(wrong, "\n"))
	}
}
