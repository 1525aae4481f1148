package speaker

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"regexp"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// Options are what a Speaker is made of. Node, Layer2 and Log are required.
type Options struct {
	// Node is the name of this node in Kubernetes and in the membership.
	Node string
	// Exclude are expressions for interface names to leave alone, until SetExclude.
	Exclude []*regexp.Regexp
	// IgnoreExcludeLabel lets nodes labelled
	// node.kubernetes.io/exclude-from-external-load-balancers announce.
	IgnoreExcludeLabel bool
	// AwaitMembers is set where membership is on: nothing is announced before
	// the first SetMembers. Not set, every node is taken to run a live speaker
	// until SetMembers says otherwise.
	AwaitMembers bool
	// Layer2 answers ARP and NDP, BGP tells routers, BFD watches the paths to
	// them, and Unnumbered finds those whose address nobody configured. The
	// speaker runs them. Those for BGP may be nil where no BGPPeer is in use.
	Layer2     Layer2
	BGP        BGP
	BFD        BFD
	Unnumbered Unnumbered
	// Report is told what each revision changed, which may be nothing, from the
	// loop: it must not block. Not set: nobody is told.
	Report func(announce.Revision)
	// Log gets the transitions of announcements.
	Log *slog.Logger
}

// Speaker is the loop of one node. Its methods may be called from any
// goroutine, before and during Run.
type Speaker struct {
	options Options
	inbox   *inbox
	silent  map[netip.Addr]silence // SetLayer2Status's own: what it last put in
	proving atomic.Bool            // the loop waits for the engine's word on new addresses
}

// New returns a speaker that knows nothing yet; it starts nothing.
func New(o Options) (*Speaker, error) {
	switch {
	case o.Node == "":
		return nil, errors.New("speaker: the node name is not set")
	case o.Layer2 == nil || o.Log == nil:
		return nil, errors.New("speaker: the layer-2 engine and the logger are required")
	}
	if o.Report == nil {
		o.Report = func(announce.Revision) {}
	}
	return &Speaker{options: o, inbox: newInbox()}, nil
}

// SetSnapshot replaces the configuration.
func (s *Speaker) SetSnapshot(snap *config.Snapshot) {
	s.inbox.put(func(f *facts) { f.snapshot = snap })
}

// SetMembers replaces the nodes with a live speaker.
func (s *Speaker) SetMembers(m announce.Members) {
	s.inbox.put(func(f *facts) { f.members = &m })
}

// SetLinks replaces the interfaces of this node.
func (s *Speaker) SetLinks(links []announce.Link) {
	s.inbox.put(func(f *facts) { f.links = &links })
}

// SetExclude replaces the expressions for interface names to leave alone.
func (s *Speaker) SetExclude(exclude []*regexp.Regexp) {
	s.inbox.put(func(f *facts) { f.exclude = &exclude })
}

// SetLayer2Status says what the layer-2 engine does. It changes what is reported,
// and nothing that is decided. One goroutine calls it.
func (s *Speaker) SetLayer2Status(status layer2.Status) {
	now := silences(status)
	if s.proving.Load() || !maps.Equal(s.silent, now) { // nearly every status says the same
		s.silent = now
		s.inbox.put(func(f *facts) { f.silent = now })
	}
}

// SetService adds or replaces a Service, which must not be modified afterwards.
func (s *Speaker) SetService(svc *announce.Service) {
	s.setService(svc.Name, svc)
}

// DeleteService removes a Service; an unknown one is no error.
func (s *Speaker) DeleteService(name types.NamespacedName) {
	s.setService(name, nil)
}

func (s *Speaker) setService(name types.NamespacedName, svc *announce.Service) {
	s.inbox.put(func(f *facts) {
		if f.services == nil {
			f.services = map[types.NamespacedName]*announce.Service{}
		}
		f.services[name] = svc
	})
}

// Synced says that everything the API server holds has been handed over once.
func (s *Speaker) Synced() {
	s.inbox.put(func(f *facts) { f.synced = true })
}

// errDraining is why BGP sessions end with the speaker of a node that leaves.
var errDraining = errors.New("speaker: the node is draining")

// Run runs the engines and the loop until ctx ends, withdraws by ending the
// engines, and returns when all it started has ended. Call it once. The error
// is the first of an engine; nil after a cancelled ctx.
func (s *Speaker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	crew := &crew{stop: stop}
	var routers, paths, bgpEngine, watch *worker
	segments := crew.begin(ctx, "layer-2", s.options.Layer2.Run)
	if s.options.Unnumbered != nil {
		routers = crew.begin(ctx, "unnumbered", s.options.Unnumbered.Run)
	}
	if s.options.BFD != nil {
		paths = crew.begin(ctx, "BFD", s.options.BFD.Run)
	}
	if s.options.BGP != nil {
		bgpEngine = crew.begin(ctx, "BGP", s.options.BGP.Run)
	}
	if s.options.BFD != nil && s.options.BGP != nil {
		watch = crew.begin(ctx, "path", s.watchPaths)
	}

	draining := s.loop(ctx)

	// A node that stays is back in a moment, and what routers send it meanwhile
	// its kernel forwards: they may keep the routes. One that leaves must be left
	// by the traffic first.
	//
	// BGP is the first to go, while all that its traffic rests on is still there:
	// its farewell takes the time that routers need. BFD speaks until routers have
	// heard it, or they would take the silence for a failure.
	//
	// Layer 2 answers on until other speakers have announced what was its own.
	why := bgp.ErrRestart
	if draining {
		why = errDraining
	}
	segments.cancel(nil)
	bgpEngine.end(why)
	watch.end(nil)
	paths.end(nil)
	routers.end(nil)
	segments.end(nil)
	return crew.failure()
}

// loop works until ctx ends, and reports whether this node was draining then.
func (s *Speaker) loop(ctx context.Context) (draining bool) {
	plan := announce.NewPlan(announce.Local{Node: s.options.Node, Exclude: s.options.Exclude})
	plan.IgnoreExcludeLabel(s.options.IgnoreExcludeLabel)
	missing := awaited{api: true, links: true, members: s.options.AwaitMembers}
	chores := chores{unowned: map[netip.Addr]struct{}{}}
	var outcome outcome
	var silent map[netip.Addr]silence
	var due <-chan time.Time
	var found <-chan struct{}
	if s.options.Unnumbered != nil {
		found = s.options.Unnumbered.Changed()
	}
	for {
		select {
		case <-ctx.Done():
			if news := s.inbox.take(); news != nil { // it may say just that
				news.apply(plan)
			}
			return plan.Draining()
		case <-found:
			plan.SetRouters(s.options.Unnumbered.Routers())
		case <-due:
		case <-s.inbox.wake:
			news := s.inbox.take()
			if news == nil {
				continue
			}
			news.apply(plan)
			missing.arrived(news)
			if news.silent != nil {
				silent = news.silent
			}
		}
		if missing != (awaited{}) {
			continue
		}
		now := time.Now()
		chores.before(plan, now)
		revision := plan.Revise()
		chores.after(plan, revision, now)
		due = chores.wake(plan, now)
		silent = outcome.expect(plan.Layer2(), revision, silent)
		s.proving.Store(unproved(silent))
		s.order(plan)
		revision = outcome.report(plan, revision, silent)
		s.log(ctx, revision)
		s.options.Report(revision)
	}
}

// order hands the engines their complete orders.
func (s *Speaker) order(plan *announce.Plan) {
	s.options.Layer2.Set(plan.Layer2())
	if s.options.BGP != nil {
		s.options.BGP.Set(plan.BGP())
	}
	if s.options.BFD != nil {
		s.options.BFD.Set(plan.BFD())
	}
	if s.options.Unnumbered != nil {
		s.options.Unnumbered.Set(plan.Unnumbered())
	}
}

// awaited are the facts that have not come in yet. While there are any, the
// engines are told nothing: half of the facts would make this node take over
// what is not its own.
type awaited struct{ api, links, members bool }

func (a *awaited) arrived(news *facts) {
	a.api = a.api && !news.synced
	a.links = a.links && news.links == nil
	a.members = a.members && news.members == nil
}
