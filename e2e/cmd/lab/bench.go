package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

// A measurement prints what it finds about the product on a lab of its own.
type measurement func(context.Context, *lab.Lab) error

func benchCommand() *cobra.Command {
	allocation := allocationBench{services: []int{1000, 10_000}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the product on a lab of its own",
		Long: `Start a lab with the product on it, and measure; without a subcommand everything, one lab after another, which takes more than an
hour. Nothing is judged: times on a busy machine mean little.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return onLabs(func(ctx context.Context, programs artifacts.Set) error {
				small := footprint()
				failures := []error{measureOn(ctx, programs, allocation.run), small.run(ctx, programs)}
				for _, part := range wholeFailover() {
					failures = append(failures, part.run(ctx, programs))
				}
				return errors.Join(failures...)
			})
		},
	}
	many := &cobra.Command{
		Use:   "allocation",
		Short: "Measure what it takes to give many Services their addresses",
		Long: `Create many Services at once. Three tables are printed.

The first has for each number of Services how long it took until all had an address, and the same for a bare loop that does nothing but
create Services and write their statuses, which is as fast as this API server lets anybody be; how many times as long the product took;
the CPU time of all controllers, and the highest resident memory of any.

The second has the requests of the controllers to the API server, by verb and resource, for each Service.

The third has, with the highest number of Services still there, what happens when all controllers are killed, and when the one that
leads is asked to end: after how long a new Service has its address, and how much was written beyond what that Service needs, Leases,
and the Event that tells of a new leader.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return onLabs(func(ctx context.Context, programs artifacts.Set) error {
				return measureOn(ctx, programs, allocation.run)
			})
		},
	}
	many.Flags().IntSliceVar(&allocation.services, "services", allocation.services, "how many Services to create, in this order")
	cmd.AddCommand(failoverCommand(), many, footprintCommand())
	return cmd
}

// measureOn runs a measurement on a lab of its own.
func measureOn(ctx context.Context, programs artifacts.Set, m measurement) (err error) {
	l, err := lab.Start(ctx, lab.Options{Programs: programs})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Stop(context.WithoutCancel(ctx))) }()
	if err := l.Install(ctx); err != nil {
		return err
	}
	return m(ctx, l)
}

// onLabs runs what makes its own labs.
func onLabs(run func(context.Context, artifacts.Set) error) error {
	return asError(lab.Main(sandbox.Options{}, func(ctx context.Context, programs artifacts.Set) int {
		if err := run(ctx, programs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}))
}
