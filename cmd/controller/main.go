// Command controller gives Services of type LoadBalancer their addresses.
package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarion-lb/clarion/cmd/internal/cli"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/metrics"
)

func main() {
	os.Exit(cli.Execute(command()))
}

type options struct {
	cli.Common
	leaderElect bool
	secret      string
	deployment  string
	retention   time.Duration
	low         int
}

func command() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Give Services of type LoadBalancer their addresses",
		Long: `The controller watches Services and the IPAddressPools of namespace
metallb-system, assigns addresses and writes them into the status of the
Services. It keeps no state of its own: what a Service's status says it holds.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	o.Register(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.leaderElect, "leader-elect", true, "let one of several controllers work at a time, chosen by a Lease")
	f.StringVar(&o.secret, "ml-secret-name", os.Getenv("METALLB_ML_SECRET_NAME"), "Secret with the key of the speakers' membership, created if it does not exist (env METALLB_ML_SECRET_NAME); empty: none is created")
	f.StringVar(&o.deployment, "deployment", os.Getenv("METALLB_DEPLOYMENT"), "our own Deployment, which owns that Secret (env METALLB_DEPLOYMENT)")
	f.DurationVar(&o.retention, "address-retention", 10*time.Minute, "how long an address is kept for a Service that was deleted, if it did not ask for it by itself; an IPAddressPool's annotation metallb.io/address-retention overrides it; 0: not at all")
	f.IntVar(&o.low, "low-on-addresses", 85, "share in use, in percent, from which on a pool is said to be low on addresses; 0: never")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	process, err := o.Process("")
	if err != nil {
		return err
	}
	meter, err := metrics.NewController(kube.Registry())
	if err != nil {
		return err
	}
	process.Meter = meter
	return kube.RunController(ctx, kube.ControllerOptions{
		Process:          process,
		Pod:              o.Pod,
		LeaderElect:      o.leaderElect,
		MemberlistSecret: o.secret,
		Deployment:       o.deployment,
		Retention:        o.retention,
		LowOnAddresses:   o.low,
		Usage:            meter.Usage,
	})
}
