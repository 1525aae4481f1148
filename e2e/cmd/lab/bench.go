package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

func benchCommand() *cobra.Command {
	var runs int
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how long an address is silent when its node's cable is cut",
		Long: `Start a lab of its own, cut the cable of the node that owns an address, and measure with the switch's own clock how long it takes
until another node claims the address, and how long after the cable is plugged in again the address is back where it belongs.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return asError(lab.Main(sandbox.Options{}, func(ctx context.Context, programs artifacts.Set) int {
				if err := bench(ctx, programs, runs); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
				return 0
			}))
		},
	}
	cmd.Flags().IntVar(&runs, "runs", 5, "how often to cut the cable, and to kill the node")
	return cmd
}

const benchPool = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bench, namespace: metallb-system}
spec: {addresses: [198.51.100.0/28]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: bench, namespace: metallb-system}
`

// bench measures takeovers and prints a line for each kind.
func bench(ctx context.Context, programs artifacts.Set, runs int) error {
	fmt.Println("Starting a cluster of three nodes ...")
	l, err := lab.Start(ctx, lab.Options{Programs: programs})
	if err != nil {
		return err
	}
	if err := l.Install(ctx); err != nil {
		return err
	}
	if err := l.Apply(ctx, benchPool); err != nil {
		return err
	}
	if err := l.AddWorkload(ctx, lab.Workload{Name: "bench", Replicas: 3}); err != nil {
		return err
	}
	addrs, err := l.WaitAddresses(ctx, "default", "bench")
	if err != nil {
		return err
	}
	b := &failover{lab: l, addr: addrs[0]}
	var cut, back []time.Duration
	for i := range runs {
		away, again, err := b.cutAndPlug(ctx)
		if err != nil {
			return err
		}
		cut, back = append(cut, away), append(back, again)
		fmt.Printf("  run %d of %d: another node after %s, back after %s\n", i+1, runs, round(away), round(again))
	}
	fmt.Printf("\n%-44s %8s %8s %8s\n", "layer 2, three nodes, "+fmt.Sprint(runs)+" runs", "min", "median", "max")
	printTimes("cable of the owner cut -> another node claims", cut)
	printTimes("cable plugged in -> the owner claims again", back)
	return nil
}

func printTimes(what string, times []time.Duration) {
	slices.Sort(times)
	fmt.Printf("%-44s %8s %8s %8s\n", what, round(times[0]), round(times[len(times)/2]), round(times[len(times)-1]))
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

// failover watches who claims one address while its owner loses its cable.
type failover struct {
	lab  *lab.Lab
	addr netip.Addr
}

func (f *failover) cutAndPlug(ctx context.Context) (away, back time.Duration, err error) {
	capture, err := frames.Watch(f.lab.Switch())
	if err != nil {
		return 0, 0, err
	}
	defer capture.Stop()
	sender, err := frames.NewSender(f.lab.Client())
	if err != nil {
		return 0, 0, err
	}
	defer sender.Close()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	go sender.AskEvery(asking, f.addr, 20*time.Millisecond)

	owner, _, err := f.claim(ctx, capture, time.Now(), func(string) bool { return true })
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	if err := f.lab.Node(owner).CutCable(); err != nil {
		return 0, 0, err
	}
	_, at, err := f.claim(ctx, capture, begin, func(node string) bool { return node != owner })
	if err != nil {
		return 0, 0, err
	}
	away = at.Sub(begin)
	time.Sleep(2 * time.Second) // let the loss settle, so that each run is the same
	begin = time.Now()
	if err := f.lab.Node(owner).PlugCable(); err != nil {
		return 0, 0, err
	}
	if _, at, err = f.claim(ctx, capture, begin, func(node string) bool { return node == owner }); err != nil {
		return 0, 0, err
	}
	// The next run begins when it is the only one again.
	back = at.Sub(begin)
	err = f.lab.Until(ctx, "one node claims "+f.addr.String(), func(context.Context) (bool, error) {
		recent := capture.Records()
		since := time.Now().Add(-2 * time.Second)
		recent = slices.DeleteFunc(recent, func(r frames.Record) bool { return r.At.Before(since) })
		return slices.Equal(frames.Claimants(recent, f.addr), []string{owner}), nil
	})
	return away, back, err
}

// claim waits for the first claim since then by a node that is wanted.
func (f *failover) claim(ctx context.Context, capture *frames.Capture, since time.Time, wanted func(node string) bool) (node string, at time.Time, err error) {
	err = f.lab.Until(ctx, f.addr.String()+" is claimed", func(context.Context) (bool, error) {
		for _, r := range frames.ClaimsFor(capture.Records(), f.addr) {
			if r.At.After(since) && wanted(r.Port) {
				node, at = r.Port, r.At
				return true, nil
			}
		}
		return false, nil
	})
	return node, at, err
}
