package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/link"
	"github.com/clarion-lb/clarion/internal/mounted"
	"github.com/clarion-lb/clarion/internal/pitfalls"
	"github.com/clarion-lb/clarion/speaker"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// excludeFile is where ConfigMap metallb-excludel2 is mounted.
const excludeFile = "/etc/metallb/excludel2.yaml"

// ground is what this node stands on: its interfaces, the list of those to leave
// alone, and what its kernel does by itself.
type ground struct {
	links   *link.Watcher
	list    *mounted.File
	exclude []*regexp.Regexp
	misread error // why exclude is not what the list says, at the start
	pits    *pitfalls.Finder
	// returned are links that were lost, which take failback to be relied upon.
	returned returned
	failback time.Duration

	// listeners are told; set before run.
	peers *peers
	loop  *speaker.Speaker
	api   *kube.Speaker
}

// newGround reads the list, and starts nothing. Failback is how long links have
// to be back before they are relied upon. A slip in the list must not keep a
// speaker from starting: what it answered before its restart would go dark.
func newGround(failback time.Duration, log *slog.Logger) (*ground, error) {
	g := &ground{failback: failback}
	var err error
	if g.list, err = mounted.New(mounted.Options{Path: excludeFile, Log: log}); err != nil {
		return nil, err
	}
	g.exclude, g.misread = config.ParseExcludeList(g.list.Content())
	if g.links, err = link.New(link.Options{Log: log}); err != nil {
		return nil, err
	}
	g.pits = pitfalls.New(pitfalls.Options{
		ARPIgnore: link.ARPIgnore,
		Found:     func(p []config.Problem) { g.api.Ailing("kernel", p...) },
	})
	return g, nil
}

// run watches the ground and tells the listeners until ctx ends.
func (g *ground) run(ctx context.Context) error {
	if g.misread != nil {
		g.complain("what can be read of the list is in force, or the shipped one instead", g.misread)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.links.Run(ctx) })
	group.Go(func() error { return g.list.Run(ctx) })
	group.Go(func() error { return g.pits.Run(ctx) })
	group.Go(func() error {
		var recovered <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-g.links.Changed():
			case <-g.list.Changed():
				g.reread()
			case <-recovered:
			}
			recovered = g.tell()
		}
	})
	return group.Wait()
}

// reread takes the list anew. One that says nothing usable leaves the old one in
// force.
func (g *ground) reread() {
	exclude, err := config.ParseExcludeList(g.list.Content())
	if err != nil {
		g.complain("the list before it stays in force", err)
		return
	}
	g.api.Ailing("exclude list")
	g.exclude = exclude
	g.loop.SetExclude(exclude)
}

// complain tells of a list that cannot be read, and what is done instead.
func (g *ground) complain(instead string, err error) {
	g.api.Ailing("exclude list", config.Problem{
		Kind: "ConfigMap", Name: "metallb-excludel2", Field: "excludel2.yaml", Reason: fmt.Sprintf("%s: %v", instead, err),
	})
}

// tell tells everybody what the interfaces are like, once that is known, and
// returns when that changes with time; nil for not before something else does.
func (g *ground) tell() <-chan time.Time {
	links := g.links.Links()
	if links == nil {
		return nil
	}
	local := announce.Local{Links: translate(links), Exclude: g.exclude}
	usable, next := g.returned.follow(announce.Usable(local), time.Now(), g.failback)
	g.peers.show(usable)
	g.pits.SetLocal(local)
	g.loop.SetLinks(local.Links)
	if next == 0 {
		return nil
	}
	return time.After(next)
}
