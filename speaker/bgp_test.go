package speaker_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// journal is what several engines note, in the order in which it happened.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take returns the lines since the last take, after all is quiet.
func (j *journal) take() []string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.lines
	j.lines = nil
	return out
}

// ends returns those of the lines that tell how an engine ended.
func (j *journal) ends() []string {
	var out []string
	for _, line := range j.take() {
		if strings.Contains(line, " ended for ") {
			out = append(out, line)
		}
	}
	return out
}

// until notes how an engine ended, and when in the time of the test.
func (j *journal) until(ctx context.Context, name string, farewell time.Duration) error {
	<-ctx.Done()
	start := time.Now()
	time.Sleep(farewell)
	j.note("%s ended for %v after %s", name, context.Cause(ctx), time.Since(start))
	return nil
}

// routers is a set of engines that only take notes.
type routers struct {
	journal

	status  bfd.Status
	found   map[string]netip.Addr
	failed  chan struct{} // BFD has news
	arrived chan struct{} // a router was found
}

func newRouters() *routers {
	return &routers{failed: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
}

type (
	layer2Notes struct{ *routers }
	bgpNotes    struct{ *routers }
	bfdNotes    struct{ *routers }
	linkNotes   struct{ *routers }
)

func (n layer2Notes) Set(layer2.Config)             {}
func (n layer2Notes) Run(ctx context.Context) error { return n.until(ctx, "layer2", 0) }

func (n bgpNotes) Set(c bgp.Config) {
	words := []string{"bgp:"}
	for _, p := range c.Peers {
		words = append(words, fmt.Sprintf("%s at %s has %d routes", p.Name, p.Session.Address, p.Routes.Len()))
	}
	if c.Draining {
		words = append(words, "draining")
	}
	n.note("%s", strings.Join(words, " "))
}

func (n bgpNotes) PathDown(peer string)          { n.note("path down: %s", peer) }
func (n bgpNotes) Run(ctx context.Context) error { return n.until(ctx, "bgp", 2*time.Second) }

func (n bfdNotes) Set(c bfd.Config) {
	for _, s := range c.Sessions {
		n.note("bfd: %s at %s", s.Name, s.Peer)
	}
}

func (n bfdNotes) Status() bfd.Status            { return n.status }
func (n bfdNotes) Changed() <-chan struct{}      { return n.failed }
func (n bfdNotes) Run(ctx context.Context) error { return n.until(ctx, "bfd", 60*time.Millisecond) }

func (n linkNotes) Set(links []announce.Link) {
	for _, l := range links {
		n.note("unnumbered: %s", l.Name)
	}
}

func (n linkNotes) Routers() map[string]netip.Addr { return n.found }
func (n linkNotes) Changed() <-chan struct{}       { return n.arrived }
func (n linkNotes) Run(ctx context.Context) error  { return n.until(ctx, "unnumbered", 0) }

// startWith makes and runs a speaker with those engines.
func startWith(t *testing.T, n *routers) *rig {
	t.Helper()
	return start(t, func(o *speaker.Options) {
		o.Layer2, o.BGP, o.BFD, o.Unnumbered = layer2Notes{n}, bgpNotes{n}, bfdNotes{n}, linkNotes{n}
	})
}

// routed has node-a, one pool that is advertised by BGP, a router tor, and one
// on the link eth0, edge. Change may edit the node.
func routed(t *testing.T, change func(*corev1.Node)) *config.Snapshot {
	t.Helper()

	pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	pool.Spec.Addresses = []string{"192.0.2.0/24"}
	node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a"}}
	if change != nil {
		change(&node)
	}
	tor := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: "tor"}}
	tor.Spec = v1beta2.BGPPeerSpec{MyASN: 64496, PeerASN: 64497, PeerAddress: "198.51.100.1", BFDProfile: "fast"}
	edge := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: "edge"}}
	edge.Spec = v1beta2.BGPPeerSpec{MyASN: 64496, PeerASN: 64498, Interface: "eth0"}
	snap, problems := config.Compile(config.Objects{
		Pools:             []v1beta1.IPAddressPool{pool},
		BGPAdvertisements: []v1beta1.BGPAdvertisement{{ObjectMeta: metav1.ObjectMeta{Name: "all"}}},
		Peers:             []v1beta2.BGPPeer{tor, edge},
		BFDProfiles:       []v1beta1.BFDProfile{{ObjectMeta: metav1.ObjectMeta{Name: "fast"}}},
		Nodes:             []corev1.Node{node},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return snap
}

func drain(n *corev1.Node) {
	n.Spec.Unschedulable = true
	n.Annotations = map[string]string{config.KeyDrain: ""}
}

// TestRoutersAreToldWhatIsDecided: nothing before all facts are in (P4), then
// each engine its part; a router that is found on its link joins in.
func TestRoutersAreToldWhatIsDecided(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newRouters()
		r := startWith(t, n)
		defer r.end(t)

		n.found = map[string]netip.Addr{"eth1": netip.MustParseAddr("fe80::9%eth1")}
		n.arrived <- struct{}{} // of a link nobody asked for, before anything
		r.SetSnapshot(routed(t, nil))
		r.SetLinks(eth0())
		r.SetService(web("192.0.2.1"))
		expect(t, "orders", n.take())
		r.Synced()
		expect(t, "orders", n.take(),
			"bgp: tor at 198.51.100.1 has 1 routes", "bfd: tor at 198.51.100.1", "unnumbered: eth0")
		expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.1: announced")

		n.found = map[string]netip.Addr{"eth0": netip.MustParseAddr("fe80::1%eth0")}
		n.arrived <- struct{}{}
		expect(t, "orders", n.take(),
			"bgp: edge at fe80::1%eth0 has 1 routes tor at 198.51.100.1 has 1 routes", "bfd: tor at 198.51.100.1", "unnumbered: eth0")
		expect(t, "log", r.said(t)) // still announced

		r.SetSnapshot(routed(t, drain))
		expect(t, "orders", n.take(),
			"bgp: edge at fe80::1%eth0 has 1 routes tor at 198.51.100.1 has 1 routes draining", "bfd: tor at 198.51.100.1", "unnumbered: eth0")
		expect(t, "log", r.said(t), "INFO withdrawn shop/web 192.0.2.1: nodeDraining")
	})
}

// TestPathDown: each failure that BFD counts is told once, whatever the session
// does by the time somebody looks, and whatever else has changed.
func TestPathDown(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name  string
		looks []string // name=failures, of all sessions each time there is news
		want  []string // told after each
	}{
		{"none", []string{"tor=0", "tor=0"}, []string{"", ""}},
		{"each once", []string{"tor=0", "tor=1", "tor=1", "tor=2"}, []string{"", "tor", "", "tor"}},
		{"before anybody looked", []string{"tor=1", "tor=1"}, []string{"tor", ""}},
		{"several at once are one", []string{"tor=0", "tor=3", "tor=3"}, []string{"", "tor", ""}},
		{"each its own", []string{"edge=0 tor=0", "edge=1 tor=0", "edge=1 tor=1", "edge=2 tor=2"}, []string{"", "edge", "tor", "edge tor"}},
		{"gone and made anew", []string{"tor=2", "", "tor=0", "tor=1"}, []string{"tor", "", "", "tor"}},
		{"made anew unseen", []string{"tor=2", "tor=0", "tor=1"}, []string{"tor", "", "tor"}},
		{"made anew and failed unseen", []string{"tor=2", "tor=1", "tor=1"}, []string{"tor", "tor", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newRouters()
				r := startWith(t, n)
				defer r.end(t)
				for i, look := range tt.looks {
					n.status = bfd.Status{}
					for word := range strings.FieldsSeq(look) {
						var session bfd.SessionStatus
						session.Name, _, _ = strings.Cut(word, "=")
						_, err := fmt.Sscanf(word, session.Name+"=%d", &session.Failures)
						if err != nil {
							t.Fatal(err)
						}
						n.status.Sessions = append(n.status.Sessions, session)
					}
					n.failed <- struct{}{}
					var want []string
					for peer := range strings.FieldsSeq(tt.want[i]) {
						want = append(want, "path down: "+peer)
					}
					expect(t, fmt.Sprintf("told at look %d", i), n.take(), want...)
				}
			})
		})
	}
}

// TestPathDownDoesNotWaitForDecisions: the loop may be busy.
func TestPathDownDoesNotWaitForDecisions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newRouters()
		busy := make(chan struct{})
		r := start(t, func(o *speaker.Options) {
			o.BGP, o.BFD = bgpNotes{n}, bfdNotes{n}
			o.Report = func(announce.Revision) { <-busy }
		})
		defer r.end(t)
		defer close(busy)
		r.SetSnapshot(routed(t, nil))
		r.SetLinks(eth0())
		r.Synced()
		n.take()
		n.status.Sessions = []bfd.SessionStatus{{Name: "tor", Failures: 1}}
		n.failed <- struct{}{}
		expect(t, "told", n.take(), "path down: tor")
	})
}

// TestLeavingInOrder: BGP before what it rests on, with the word that tells a
// restart from a drain; layer 2 beside it, for it waits for others.
func TestLeavingInOrder(t *testing.T) {
	t.Parallel()

	const layer2Ended = "layer2 ended for context canceled after 0s"
	rest := []string{
		"bfd ended for context canceled after 60ms",
		"unnumbered ended for context canceled after 0s",
	}
	tests := []struct {
		name string
		tell func(t *testing.T, r *rig)
		why  string
	}{
		{"before anything is known", func(*testing.T, *rig) {}, bgp.ErrRestart.Error()},
		{"a node that stays", func(t *testing.T, r *rig) {
			t.Helper()
			r.SetSnapshot(routed(t, nil))
		}, bgp.ErrRestart.Error()},
		{"a node that was only cordoned", func(t *testing.T, r *rig) {
			t.Helper()
			r.SetSnapshot(routed(t, func(n *corev1.Node) { n.Spec.Unschedulable = true }))
		}, bgp.ErrRestart.Error()},
		{"a node that leaves", func(t *testing.T, r *rig) {
			t.Helper()
			r.SetSnapshot(routed(t, drain))
		}, "speaker: the node is draining"},
		{"a node that stays after all", func(t *testing.T, r *rig) {
			t.Helper()
			r.SetSnapshot(routed(t, drain))
			synctest.Wait()
			r.SetSnapshot(routed(t, nil))
			synctest.Wait()
		}, bgp.ErrRestart.Error()},
		{"told at the last moment", func(t *testing.T, r *rig) {
			t.Helper()
			synctest.Wait()
			r.SetSnapshot(routed(t, drain))
		}, "speaker: the node is draining"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newRouters()
				r := startWith(t, n)
				r.SetLinks(eth0())
				r.Synced()
				tt.tell(t, r)
				r.stop()
				time.Sleep(1900 * time.Millisecond)
				expect(t, "ended during the farewell", n.ends(), layer2Ended)
				if err := <-r.ended; err != nil {
					t.Errorf("Run = %v, want nil", err)
				}
				want := append([]string{"bgp ended for " + tt.why + " after 2s"}, rest...)
				expect(t, "ended", n.ends(), want...)
			})
		})
	}
}

// failing is an engine that fails at once.
type failing struct{ bgpNotes }

func (failing) Run(context.Context) error { return errors.New("bgp: out of luck") }

func TestAnEngineThatFailsEndsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newRouters()
		r := start(t, func(o *speaker.Options) {
			o.Layer2, o.BGP, o.BFD, o.Unnumbered = layer2Notes{n}, failing{bgpNotes{n}}, bfdNotes{n}, linkNotes{n}
		})
		if err := <-r.ended; err == nil || err.Error() != "speaker: the BGP engine ended: bgp: out of luck" {
			t.Errorf("Run = %v", err)
		}
		expect(t, "ended", n.take(),
			"layer2 ended for context canceled after 0s",
			"bfd ended for context canceled after 60ms",
			"unnumbered ended for context canceled after 0s")
	})
}

// TestQuietVerdictsAreNotLogged: of an address that one protocol announces, the
// other says nothing.
func TestQuietVerdictsAreNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var everything strings.Builder
		n := newRouters()
		r := start(t, func(o *speaker.Options) {
			o.Layer2, o.BGP = layer2Notes{n}, bgpNotes{n}
			o.Log = debugTo(&everything)
		})
		defer r.end(t)
		r.SetSnapshot(routed(t, nil))
		r.SetLinks(eth0())
		r.SetService(web("192.0.2.1"))
		r.Synced()
		synctest.Wait()
		expect(t, "log", strings.Split(strings.TrimSpace(everything.String()), "\n"),
			"level=INFO msg=announcing service=shop/web address=192.0.2.1 protocol=bgp reason=announced peers=[tor]")
	})
}
