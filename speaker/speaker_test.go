package speaker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// engine is a layer-2 engine that only takes notes.
type engine struct {
	mu      sync.Mutex
	orders  []string // without those that ask for the same again
	last    *string
	running bool
	fail    chan error // ends Run
	proved  func()     // called when new addresses are ordered; nil: their proof never ends
}

func newEngine() *engine { return &engine{fail: make(chan error)} }

func (e *engine) Set(c layer2.Config) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var words []string
	for _, a := range c.Announcements {
		words = append(words, fmt.Sprintf("%s on %s", a.Addr, strings.Join(a.Interfaces, " ")))
	}
	order := strings.Join(words, ", ")
	if e.last != nil && order == *e.last {
		return
	}
	e.last = &order
	e.orders = append(e.orders, order)
	if e.proved != nil && slices.ContainsFunc(c.Announcements, func(a layer2.Announcement) bool { return a.New }) {
		e.proved()
	}
}

func (e *engine) Run(ctx context.Context) error {
	e.run(true)
	defer e.run(false)
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.fail:
		return err
	}
}

func (e *engine) run(running bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = running
}

// take returns the orders since the last take, after all is quiet.
func (e *engine) take() []string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.orders
	e.orders = nil
	return out
}

func (e *engine) isRunning() bool {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

// rig is a speaker on node-a with an engine that takes notes.
type rig struct {
	*speaker.Speaker
	engine    *engine
	log       *bytes.Buffer
	revisions []announce.Revision
	stop      context.CancelFunc
	ended     chan error
}

// start makes and runs a speaker; change may edit its options.
func start(t *testing.T, change func(*speaker.Options)) *rig {
	t.Helper()

	r := &rig{engine: newEngine(), log: &bytes.Buffer{}, ended: make(chan error, 1)}
	options := speaker.Options{
		Node: "node-a", Layer2: r.engine,
		Log:    slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
		Report: func(rev announce.Revision) { r.revisions = append(r.revisions, rev) },
	}
	if change != nil {
		change(&options)
	}
	var err error
	if r.Speaker, err = speaker.New(options); err != nil {
		t.Fatal(err)
	}
	r.engine.proved = func() { r.SetLayer2Status(layer2.Status{}) }
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- r.Run(ctx) }()
	return r
}

// end stops the speaker and waits for the farewells.
func (r *rig) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// said returns the lines logged since the last call, as short sentences.
func (r *rig) said(t *testing.T) []string {
	t.Helper()
	synctest.Wait()

	var out []string
	for line := range strings.Lines(r.log.String()) {
		var l struct{ Level, Msg, Service, Address, Reason, Detail, Owner string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		sentence := fmt.Sprintf("%s %s %s %s: %s", l.Level, l.Msg, l.Service, l.Address, l.Reason)
		if l.Detail != "" {
			sentence += ", " + l.Detail
		}
		if l.Owner != "" {
			sentence += ", owner " + l.Owner
		}
		out = append(out, sentence)
	}
	r.log.Reset()
	return out
}

// snapshot has the nodes and one pool, 192.0.2.0/24, which all may announce.
func snapshot(t *testing.T, nodes ...string) *config.Snapshot {
	t.Helper()

	pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	pool.Spec.Addresses = []string{"192.0.2.0/24"}
	o := config.Objects{
		Pools:            []v1beta1.IPAddressPool{pool},
		L2Advertisements: []v1beta1.L2Advertisement{{ObjectMeta: metav1.ObjectMeta{Name: "all"}}},
	}
	for _, name := range nodes {
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	snap, problems := config.Compile(o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return snap
}

// web is a Service that holds the addresses and can be served.
func web(addrs ...string) *announce.Service {
	s := &announce.Service{Endpoints: config.Endpoints{Serving: true}}
	s.Name = types.NamespacedName{Namespace: "shop", Name: "web"}
	s.LoadBalancer = true
	for _, a := range addrs {
		s.Addresses = append(s.Addresses, netip.MustParseAddr(a))
	}
	return s
}

func eth0() []announce.Link {
	return []announce.Link{{
		Name: "eth0", Index: 2, MAC: layer2.MAC{2, 0, 0, 0, 0, 1},
		Up: true, Carrier: true, Broadcast: true,
	}}
}

func members(names ...string) announce.Members {
	m := announce.Members{Known: true}
	for _, n := range names {
		m.Nodes = append(m.Nodes, announce.Member{Name: n})
	}
	return m
}

// expect compares what was noted since the last time.
func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestNothingBeforeAllFactsAreIn defends P4: with any of the facts missing the
// engine is told nothing, whatever else comes in.
func TestNothingBeforeAllFactsAreIn(t *testing.T) {
	t.Parallel()

	facts := map[string]func(t *testing.T, r *rig){
		"snapshot and Services": func(t *testing.T, r *rig) {
			t.Helper()
			r.SetSnapshot(snapshot(t, "node-a"))
			r.SetService(web("192.0.2.1"))
			r.Synced()
		},
		"links":   func(_ *testing.T, r *rig) { r.SetLinks(eth0()) },
		"members": func(_ *testing.T, r *rig) { r.SetMembers(members("node-a")) },
	}
	for last := range facts {
		t.Run("last are the "+last, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := start(t, func(o *speaker.Options) { o.AwaitMembers = true })
				defer r.stop()
				for name, hand := range facts {
					if name != last {
						hand(t, r)
						expect(t, "orders", r.engine.take())
					}
				}
				expect(t, "log", r.said(t))
				if len(r.revisions) > 0 {
					t.Errorf("reported before all facts are in: %+v", r.revisions)
				}
				facts[last](t, r)
				expect(t, "orders", r.engine.take(), "192.0.2.1 on eth0")
				expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.1: announced")
			})
		})
	}
}

func TestMembershipOffAwaitsNoMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		defer r.stop()
		r.SetSnapshot(snapshot(t, "node-a"))
		r.SetLinks(eth0())
		r.SetService(web("192.0.2.1"))
		expect(t, "orders", r.engine.take())
		r.Synced()
		expect(t, "orders", r.engine.take(), "192.0.2.1 on eth0")
	})
}

// ready is a speaker that has all facts, two nodes among them, and announces
// nothing yet.
func ready(t *testing.T) *rig {
	t.Helper()

	r := start(t, nil)
	r.SetSnapshot(snapshot(t, "node-a", "node-b"))
	r.SetMembers(members("node-a", "node-b"))
	r.SetLinks(eth0())
	r.Synced()
	synctest.Wait()
	r.engine.take()
	r.revisions = nil
	return r
}

// TestOneChangeIsOneOrder: what comes in is acted on at once, once, and said
// once; the last word on a fact wins.
func TestOneChangeIsOneOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := ready(t)
		defer r.stop()

		r.SetService(web("192.0.2.2")) // which node-b owns
		expect(t, "orders", r.engine.take())
		expect(t, "log", r.said(t))

		r.SetMembers(members("node-a"))
		expect(t, "orders", r.engine.take(), "192.0.2.2 on eth0")
		expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.2: announced")

		r.SetMembers(members("node-a", "node-b"))
		expect(t, "orders", r.engine.take(), "")
		expect(t, "log", r.said(t), "INFO withdrawn shop/web 192.0.2.2: notOwner, owner node-b")

		r.SetMembers(members("node-a"))
		expect(t, "orders", r.engine.take(), "192.0.2.2 on eth0")
		r.SetService(web("192.0.2.4"))
		expect(t, "orders", r.engine.take(), "192.0.2.4 on eth0")
		expect(t, "log", r.said(t),
			"INFO announcing shop/web 192.0.2.2: announced",
			"INFO withdrawn shop/web 192.0.2.2: addressGone",
			"INFO announcing shop/web 192.0.2.4: announced")

		r.SetLinks(nil)
		expect(t, "orders", r.engine.take(), "")
		expect(t, "log", r.said(t), "WARN cannot announce shop/web 192.0.2.4: noInterface, no interface of this node can answer ARP")

		r.SetLinks(eth0())
		expect(t, "orders", r.engine.take(), "192.0.2.4 on eth0")
		idle := web("192.0.2.4")
		idle.Endpoints = config.Endpoints{}
		r.SetService(idle)
		expect(t, "orders", r.engine.take(), "")
		expect(t, "log", r.said(t),
			"INFO announcing shop/web 192.0.2.4: announced",
			"INFO withdrawn shop/web 192.0.2.4: noEndpoints, no endpoint can serve")

		r.DeleteService(idle.Name)
		r.DeleteService(idle.Name)
		r.engine.take()
		expect(t, "log", r.said(t))
	})
}

func TestAStateIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := ready(t)
		defer r.stop()
		r.SetMembers(members("node-a"))
		r.SetService(web("192.0.2.1"))
		expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.1: announced")
		r.revisions = nil

		for range 3 {
			r.SetService(web("192.0.2.1"))
			r.SetMembers(members("node-a"))
			r.SetLinks(eth0())
			r.SetSnapshot(snapshot(t, "node-a", "node-b"))
			synctest.Wait()
		}
		expect(t, "log", r.said(t))
		for _, rev := range r.revisions {
			if len(rev.Changed)+len(rev.Gone) > 0 {
				t.Errorf("the same facts again are reported as news: %+v", rev)
			}
		}
		for _, order := range r.engine.take() {
			if order != "192.0.2.1 on eth0" {
				t.Errorf("the same facts again gave the order %q", order)
			}
		}
	})
}

// TestTheLastFactWins: facts that come in before the loop looks are judged
// together, and only as they are in the end.
func TestTheLastFactWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r *rig
		busy := make(chan struct{})
		r = start(t, func(o *speaker.Options) {
			o.Report = func(rev announce.Revision) {
				r.revisions = append(r.revisions, rev)
				<-busy
			}
		})
		defer r.stop()
		r.SetSnapshot(snapshot(t, "node-a"))
		r.SetLinks(eth0())
		r.Synced()
		expect(t, "orders", r.engine.take(), "")

		// The loop is held up; meanwhile the world turns.
		r.SetService(web("192.0.2.1"))
		r.SetService(web("192.0.2.2"))
		r.DeleteService(web().Name)
		r.SetMembers(members())
		r.SetMembers(members("node-a"))
		r.SetService(web("192.0.2.3"))
		expect(t, "orders", r.engine.take())
		close(busy)
		expect(t, "orders", r.engine.take(), "192.0.2.3 on eth0")
		expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.3: announced")
	})
}

// TestReport: revisions replayed are the verdicts, and the first one is told
// even if it says nothing, because that is news too.
func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, nil)
		defer r.stop()
		r.SetSnapshot(snapshot(t, "node-a"))
		r.SetLinks(eth0())
		r.Synced()
		synctest.Wait()
		if len(r.revisions) != 1 {
			t.Fatalf("%d reports after the first sync, want 1", len(r.revisions))
		}
		r.SetService(web("192.0.2.1"))
		synctest.Wait()
		r.DeleteService(web().Name)
		synctest.Wait()
		key := announce.Key{Service: web().Name, Addr: netip.MustParseAddr("192.0.2.1"), Protocol: announce.Layer2}
		verdict := announce.Verdict{Key: key, Reason: announce.Announced, Owner: "node-a", Interfaces: []string{"eth0"}}
		key.Protocol = announce.BGP
		other := announce.Verdict{
			Key: key, Reason: announce.NoMatchingAdvertisement,
			Detail: "no BGPAdvertisement selects pool pool", Quiet: true,
		}
		want := []announce.Revision{
			{},
			{Changed: []announce.Change{{Verdict: other}}},
			{Changed: []announce.Change{{Verdict: verdict}}}, // it has proved free
			{Gone: []announce.Verdict{other, verdict}},
		}
		if diff := cmp.Diff(want, r.revisions, cmp.Transformer("text", netip.Addr.String)); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
	})
}

func TestRunEnds(t *testing.T) {
	t.Parallel()

	t.Run("with its context, after the engine", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := ready(t)
			if !r.engine.isRunning() {
				t.Error("the engine does not run")
			}
			r.stop()
			if err := <-r.ended; err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
			if r.engine.isRunning() {
				t.Error("Run returned before the engine")
			}
			r.SetService(web("192.0.2.1")) // comes too late, and blocks nobody
			expect(t, "orders", r.engine.take())
		})
	})
	t.Run("with an engine that fails", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := ready(t)
			cause := errors.New("layer2: out of sockets")
			r.engine.fail <- cause
			err := <-r.ended
			if !errors.Is(err, cause) || err.Error() != "speaker: the layer-2 engine ended: layer2: out of sockets" {
				t.Errorf("Run = %v", err)
			}
		})
	})
	t.Run("with an engine that just ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := ready(t)
			r.engine.fail <- nil
			if err := <-r.ended; err == nil || err.Error() != "speaker: the layer-2 engine ended by itself" {
				t.Errorf("Run = %v", err)
			}
		})
	})
}

func TestNewNeedsItsOptions(t *testing.T) {
	t.Parallel()

	log := slog.New(slog.DiscardHandler)
	tests := []struct {
		options speaker.Options
		want    string
	}{
		{speaker.Options{Layer2: newEngine(), Log: log}, "speaker: the node name is not set"},
		{speaker.Options{Node: "node-a", Log: log}, "speaker: the layer-2 engine and the logger are required"},
		{speaker.Options{Node: "node-a", Layer2: newEngine()}, "speaker: the layer-2 engine and the logger are required"},
	}
	for _, tt := range tests {
		if _, err := speaker.New(tt.options); err == nil || err.Error() != tt.want {
			t.Errorf("New = %v, want %s", err, tt.want)
		}
	}
	if _, err := speaker.New(speaker.Options{Node: "node-a", Layer2: newEngine(), Log: log}); err != nil {
		t.Error(err)
	}
}

// debugTo is a log of everything, without times.
func debugTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
