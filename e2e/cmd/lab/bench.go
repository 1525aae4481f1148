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
	failover, allocation := failoverBench{rounds: 3}, allocationBench{services: []int{1000, 10_000}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the product on a lab of its own",
		Long: `Start a lab with the product on it, and measure; without a subcommand everything. Nothing is judged: times on a busy machine mean
little.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return measure(func(ctx context.Context, l *lab.Lab) error {
				return errors.Join(allocation.run(ctx, l), failover.run(ctx, l))
			})
		},
	}
	first := &cobra.Command{
		Use:   "failover",
		Short: "Measure how long an address is gone when its owner fails",
		Long: `In each round take the owner of an address away in one of several ways. Two times are printed: until another node claims the address
on the wire, and how long a client got no answer (it asks every 20 ms).`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return measure(failover.run) },
	}
	first.Flags().IntVar(&failover.rounds, "rounds", failover.rounds, "how often to measure each failure")
	second := &cobra.Command{
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
		RunE: func(*cobra.Command, []string) error { return measure(allocation.run) },
	}
	second.Flags().IntSliceVar(&allocation.services, "services", allocation.services, "how many Services to create, in this order")
	cmd.AddCommand(first, second)
	return cmd
}

// measure runs a measurement on a lab of its own.
func measure(m measurement) error {
	return asError(lab.Main(sandbox.Options{}, func(ctx context.Context, programs artifacts.Set) int {
		l, err := lab.Start(ctx, lab.Options{Programs: programs})
		if err == nil {
			err = l.Install(ctx)
		}
		if err == nil {
			err = m(ctx, l)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}))
}
