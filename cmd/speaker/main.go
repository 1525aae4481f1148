// Command speaker announces the addresses of Services from one node: it
// answers ARP and NDP for those this node owns, and tells routers of those this
// node serves.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/clarion-lb/clarion/cmd/internal/cli"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/metrics"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker"
	"github.com/clarion-lb/clarion/speaker/announce"
)

func main() {
	os.Exit(cli.Execute(command()))
}

type options struct {
	cli.Common
	node            string
	ignoreExcludeLB bool
	drain, refresh  time.Duration
	membership      membershipFlags
}

func command() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "speaker",
		Short: "Announce the addresses of Services from this node",
		Long: `The speaker runs on every node. It watches Services and the configuration of
namespace metallb-system, finds out with the speakers of the other nodes who is
alive, and answers ARP and NDP for the addresses that this node owns. Routers
that a BGPPeer names it tells of the addresses that this node serves.

It needs the capability NET_RAW and nothing else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	o.Register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.node, "node-name", os.Getenv("METALLB_NODE_NAME"), "name of this node (env METALLB_NODE_NAME); required")
	f.BoolVar(&o.ignoreExcludeLB, "ignore-exclude-lb", false, "announce from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers too; the same on all nodes")
	f.DurationVar(&o.drain, "bgp-drain-time", 2*time.Second, "how long routers are given to look for other ways, after they were asked to and before routes are withdrawn; 0: none")
	f.DurationVar(&o.refresh, "announce-refresh", layer2.DefaultRefresh, "how often an address is announced on its segment while nothing happens, so that no switch forgets where it is; 0: never")
	o.membership.register(cmd)
	return cmd
}

func (o *options) run(ctx context.Context) error {
	if o.node == "" {
		return errors.New("the name of this node is not known: set --node-name or METALLB_NODE_NAME")
	}
	process, err := o.Process("127.0.0.1")
	if err != nil {
		return err
	}
	ground, err := newGround(o.membership.beats.failback, process.Log)
	if err != nil {
		return err
	}
	peers, err := o.membership.open(o.node, process.Log)
	if err != nil {
		return err
	}
	engines, err := newEngines(engineOptions{node: o.node, drain: o.drain, refresh: o.refresh, fit: peers.fit(), log: process.Log})
	if err != nil {
		return err
	}
	meter, err := metrics.NewSpeaker(kube.Registry(), o.node, engines.meters(peers.beats))
	if err != nil {
		return err
	}
	process.Meter = meter

	var api *kube.Speaker
	loop, err := speaker.New(speaker.Options{
		Node: o.node, Exclude: ground.exclude, IgnoreExcludeLabel: o.ignoreExcludeLB, AwaitMembers: o.membership.on(),
		Layer2: engines.layer2, BGP: engines.bgp, BFD: engines.bfd, Unnumbered: engines.routers, Log: process.Log,
		Report: func(r announce.Revision) {
			meter.Report(r)
			api.Report(r)
			ground.pits.Report(r)
		},
	})
	if err != nil {
		return err
	}
	api = kube.NewSpeaker(kube.SpeakerOptions{
		Process: process, Node: o.node, PeerLabels: peers.labels,
		Strangers: kube.Strangers{Conflicts: engines.conflicts, Undisputed: engines.layer2.Undisputed},
		Feed: kube.Feed{
			Snapshot: loop.SetSnapshot,
			Service:  loop.SetService,
			Gone:     loop.DeleteService,
			Synced:   loop.Synced,
			Peers:    peers.set,
		},
	})

	ground.peers, ground.loop, ground.api = peers, loop, api

	// All of them end when one fails or the process is told to. The others learn
	// first that this speaker goes: what it owns is answered until they do it.
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ground.run(ctx) })
	group.Go(func() error { return follow(ctx, engines.bgp.Changed(), func() { api.Sessions(engines.sessions()) }) })
	group.Go(func() error {
		return follow(ctx, engines.layer2.Changed(), func() {
			loop.SetLayer2Status(engines.layer2.Exceptions())
			api.Conflicted()
		})
	})
	group.Go(func() error { return peers.keys.run(ctx) })
	group.Go(func() error { return peers.run(ctx, engines.layer2.Yielding()) })
	group.Go(func() error { return peers.tell(ctx, loop, api) })
	group.Go(func() error { return api.Run(ctx) })
	group.Go(func() error { return loop.Run(ctx) })
	return group.Wait()
}
