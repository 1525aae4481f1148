package speaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// Options are what a Speaker is made of. Node, Layer2 and Log are required.
type Options struct {
	// Node is the name of this node in Kubernetes and in the membership.
	Node string
	// Exclude are expressions for interface names to leave alone.
	Exclude []*regexp.Regexp
	// IgnoreExcludeLabel lets nodes labelled
	// node.kubernetes.io/exclude-from-external-load-balancers announce.
	IgnoreExcludeLabel bool
	// AwaitMembers is set where membership is on: nothing is announced before
	// the first SetMembers. Not set, every node is taken to run a live speaker
	// until SetMembers says otherwise.
	AwaitMembers bool
	// Layer2 answers ARP and NDP. The speaker runs it.
	Layer2 Layer2
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

// Run runs the engines and the loop until ctx ends, withdraws by ending the
// engines, and returns when all it started has ended. Call it once. The error
// is the first of an engine; nil after a cancelled ctx.
func (s *Speaker) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var engines sync.WaitGroup
	var failure error
	engines.Go(func() {
		switch err := s.options.Layer2.Run(ctx); {
		case err != nil:
			failure = fmt.Errorf("speaker: the layer-2 engine ended: %w", err)
		case ctx.Err() == nil:
			failure = errors.New("speaker: the layer-2 engine ended by itself")
		}
		stop(failure)
	})
	s.loop(ctx)
	engines.Wait()
	return failure
}

func (s *Speaker) loop(ctx context.Context) {
	plan := announce.NewPlan(announce.Local{Node: s.options.Node, Exclude: s.options.Exclude})
	plan.IgnoreExcludeLabel(s.options.IgnoreExcludeLabel)
	missing := awaited{api: true, links: true, members: s.options.AwaitMembers}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.inbox.wake:
		}
		news := s.inbox.take()
		if news == nil {
			continue
		}
		news.apply(plan)
		if missing.arrived(news); missing != (awaited{}) {
			continue
		}
		revision := plan.Revise()
		s.options.Layer2.Set(plan.Layer2())
		s.log(ctx, revision)
		s.options.Report(revision)
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
