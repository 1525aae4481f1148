package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Tell the story of several address pools with real commands",
		Long: `Start a lab of its own and tell the story of the guide "How to Define Multiple IP Address Pools": pools, Services, who gets which
address, who answers for it, and what happens when a pool is used up or deleted. In a second act the addresses are routes to a top-of-rack router,
over BGP, and a node loses power. Every command shown is run, and every output is
what it printed. The demo ends with an error at the first thing that is not as the guide says.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return asError(lab.Main(sandbox.Options{}, demo))
		},
	}
}

func demo(ctx context.Context, programs artifacts.Set) int {
	begin := time.Now()
	fmt.Fprintln(os.Stderr, "Starting a cluster: a control plane, three nodes, a client and a router on one segment ...")
	l, err := lab.Start(ctx, lab.Options{Programs: programs})
	if ctx.Err() != nil {
		return interrupted()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := newStory(l, programs.Root, os.Stdout)
	for _, chapter := range chapters() {
		err := chapter(ctx, s)
		if ctx.Err() != nil {
			return interrupted()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "\nThe demo ends here, because something does not hold: %v\n", err)
			s.explain(context.WithoutCancel(ctx))
			return 1
		}
	}
	s.show(fmt.Sprintf("\nEverything held, in %s. Nothing is left of it on this machine. `make lab` starts a lab to play with.\n", time.Since(begin).Round(time.Second)))
	return 0
}

// interrupted returns the exit code of a program that was told to end.
func interrupted() int {
	fmt.Fprintln(os.Stderr, "\ninterrupted")
	return 130
}

// chapters is the order of the story. Each chapter runs commands and returns why what they printed is wrong.
func chapters() []func(context.Context, *story) error {
	return []func(context.Context, *story) error{installProduct, definePools, createServices, verifyAllocation, useAddresses, watchTheWire, exhaustPremium, cleanUp, routeThroughRouter}
}

// unless returns an error if the condition does not hold.
func unless(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}
