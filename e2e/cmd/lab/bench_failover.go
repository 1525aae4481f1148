package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// failoverBench measures how long an address is gone when its owner is.
type failoverBench struct {
	rounds    int
	nodes     []int
	exercises []string
	profile   string // of heartbeats: "default" or "fast"
	apiServer string // while it happens: "there" or "away"
	busy      bool
	idle      time.Duration
	verbose   bool
}

const failoverHelp = `In each round something happens to the owner of an address, and is undone. The address is of a Service of both families whose Pods are
on a node to which nothing happens: what can be lost is the address alone. A client on the segment sends a UDP probe every 10 ms, each
from a new port; the router asks every 10 ms who has the address; the frames are captured in the middle of the switch. The next round
begins when all addresses are back where they belong.

The failures, by what --failures calls them:

  node-dies  node dies        the node is silent from one moment to the next
  cable-cut  cable cut        the carrier of the node's link goes
             fail-back        the cable is plugged in again; the addresses come back after --failback-delay, which is 1 s here
  speaker    speaker SIGTERM  the speaker's Pod is deleted, as in a rolling update
             speaker SIGKILL  the speaker crashes, and the kubelet starts it again; the address stays unless it does not return
  drain      drain            the node is cordoned and annotated metallb.io/drain
             drain ends       and that is undone

What is printed, for each family as minimum, median, ninth decile and maximum over the rounds, times in milliseconds and rounded up:

  OUTAGE      the longest time between answered probes around one that was not answered within 250 ms; 0 if all were
  LOST        probes not answered
  CLAIM       from what happened until the first frame in which the new owner says that the address is its own; for fail-back it begins
              with the cable, so --failback-delay is in it
  OVERLAP     for how long two nodes answered the question who has the address
  TWICE       how many such questions two nodes answered: the most in any round
  UNANSWERED  the longest time between answered questions around one that was not
  STOLEN      addresses of other nodes, to which nothing had happened, that changed hands, in all rounds: false takeovers`

func failoverCommand() *cobra.Command {
	b := wholeFailover()[0]
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Measure how long an address is gone when its owner fails",
		Long:  failoverHelp,
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return onLabs(b.run) },
	}
	f := cmd.Flags()
	f.IntVar(&b.rounds, "rounds", b.rounds, "how often to measure each failure")
	f.IntSliceVar(&b.nodes, "nodes", b.nodes, "how many nodes there are; a lab for each number")
	f.StringSliceVar(&b.exercises, "failures", b.exercises, "what happens")
	f.StringVar(&b.profile, "profile", b.profile, "of heartbeats: default, or fast (--heartbeat-interval=50ms --heartbeat-multiplier=4)")
	f.StringVar(&b.apiServer, "api-server", b.apiServer, "there, or away while it happens; away only with node-dies and cable-cut")
	f.BoolVar(&b.busy, "busy", false, "other processes take all the time of all processors they can get, two for each")
	f.DurationVar(&b.idle, "idle", 0, "before the rounds, watch for so long while nothing happens, and count what should not: addresses that change hands, and nodes called down")
	f.BoolVar(&b.verbose, "verbose", false, "show every round on standard error")
	return cmd
}

// wholeFailover is what is measured if nothing else is asked for; the first part is what a command without flags does.
func wholeFailover() []failoverBench {
	var all []string
	for _, e := range exercises() {
		all = append(all, e.name)
	}
	part := failoverBench{rounds: 50, nodes: []int{3, 10}, exercises: all, profile: "default", apiServer: "there"}
	parts := []failoverBench{part, part, part, part}
	parts[1].exercises, parts[1].profile = []string{"node-dies"}, "fast"
	parts[2].exercises, parts[2].apiServer = []string{"node-dies", "cable-cut"}, "away"
	parts[3].exercises, parts[3].busy, parts[3].idle, parts[3].nodes = []string{"node-dies"}, true, 10*time.Minute, []int{3}
	return parts
}

// run measures on one lab after another.
func (b *failoverBench) run(ctx context.Context, programs artifacts.Set) error {
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	for _, nodes := range b.nodes {
		if err := b.runOn(ctx, lab.Options{Programs: programs, Nodes: nodes}, chosen); err != nil {
			return fmt.Errorf("%d nodes: %w", nodes, err)
		}
	}
	return nil
}

// chosen returns the exercises that are asked for.
func (b *failoverBench) chosen() ([]exercise, error) {
	if b.profile != "default" && b.profile != "fast" {
		return nil, fmt.Errorf("there is no profile %q", b.profile)
	}
	if b.apiServer != "there" && b.apiServer != "away" {
		return nil, fmt.Errorf("an API server is there or away, not %q", b.apiServer)
	}
	var chosen []exercise
	for _, name := range b.exercises {
		i := slices.IndexFunc(exercises(), func(e exercise) bool { return e.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no failure is called %q", name)
		}
		if b.apiServer == "away" && name != "node-dies" && name != "cable-cut" {
			return nil, fmt.Errorf("%s takes an API server", name)
		}
		chosen = append(chosen, exercises()[i])
	}
	return chosen, nil
}

// title says what is measured.
func (b *failoverBench) title(nodes int) string {
	text := []string{fmt.Sprintf("%d nodes", nodes), "heartbeats 50 ms x 6 (default)"}
	if b.profile == "fast" {
		text[1] = "heartbeats 50 ms x 4"
	}
	if b.apiServer == "away" {
		text = append(text, "API server away")
	}
	if b.busy {
		text = append(text, "all processors busy")
	}
	return strings.Join(text, ", ")
}

func (b *failoverBench) runOn(ctx context.Context, options lab.Options, chosen []exercise) (err error) {
	l, err := lab.Start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Stop(context.WithoutCancel(ctx))) }()
	var flags []string
	if b.profile == "fast" {
		flags = []string{"--heartbeat-interval=50ms", "--heartbeat-multiplier=4"}
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, l.Report(ctx))
		}
	}()
	s, err := setTheStage(ctx, l, flags)
	if err != nil {
		return err
	}
	if b.busy {
		defer keepBusy(ctx)()
	}
	show := newTable(os.Stdout, b.title(options.Nodes))
	if b.idle > 0 {
		if err := s.idle(ctx, show, b.idle); err != nil {
			return err
		}
	}
	for _, e := range chosen {
		if err := b.repeat(ctx, s, show, e); err != nil {
			return err
		}
	}
	return nil
}

// repeat goes through an exercise again and again, with one node after another, and prints its rows.
func (b *failoverBench) repeat(ctx context.Context, s *stage, show *table, e exercise) error {
	rows := newRows(e)
	nodes := s.nodes()
	for i := range b.rounds {
		if b.apiServer == "away" && s.lab.APIServer().Running() {
			s.lab.APIServer().Kill() // a crash: one that ends in order withdraws the way to itself
		}
		at, node := time.Now(), nodes[i%len(nodes)]
		show.progress("%s: %s, round %d of %d", show.title, e.name, i+1, b.rounds)
		samples, takeovers, err := s.round(ctx, e, node)
		if err != nil {
			return err
		}
		rows.add(samples, takeovers)
		if b.verbose {
			s.tell(ctx, show, e, told{at, fmt.Sprintf("%s, round %d", node, i+1), samples, takeovers})
		}
	}
	// Unless it is there.
	if err := s.lab.APIServer().Start(ctx); err != nil {
		return err
	}
	return show.rows(rows)
}

// told is a round that is told of.
type told struct {
	at        time.Time
	what      string
	samples   [][]sample
	takeovers int
}

// tell shows a round, and if it was odd what the speakers have to say of it.
func (s *stage) tell(ctx context.Context, show *table, e exercise, t told) {
	odd := t.takeovers > 0
	for i, families := range t.samples {
		for k := range families {
			if e.steps[i].row != "" {
				show.note("%s %s, %s: %s; %d stolen", t.at.Format("15:04:05.000"), t.what, e.steps[i].row, &families[k], t.takeovers)
				odd = odd || families[k].odd(e.steps[i].planned)
			}
		}
	}
	if !odd || !s.lab.APIServer().Running() {
		return
	}
	if logs, err := s.logs(ctx, t.at); err == nil {
		show.note("%s", logs)
	}
}
