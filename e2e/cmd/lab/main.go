// Command lab runs a Kubernetes cluster on a network of its own, on this machine, with Clarion in it: to try things out, to break
// them, and to watch `lab demo`.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(execute()) }

func execute() int {
	root := &cobra.Command{
		Use:   "lab",
		Short: "A Kubernetes cluster on a network of its own, on this machine",
		Long: `A Kubernetes cluster on a network of its own, on this machine: nodes, a client and a router on one segment, a real
control plane, real kube-proxies, and Clarion running as the programs it ships. Everything lives in Linux namespaces and in
memory; nothing of the machine is changed, and nothing is left when the lab ends.

An ordinary user can run it where the kernel lets users make namespaces; otherwise run it as root.`,
		Example: `  lab up                                  # Ctrl-C ends it; in another terminal:
  lab kubectl get nodes
  lab kubectl apply -f examples/multiple-pools
  lab exec client -- curl -s http://192.168.200.0
  lab exec node-a -- ip address
  lab down`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// --name is read before kubectl takes over all flags behind it.
		TraverseChildren: true,
	}
	var name string
	root.PersistentFlags().StringVar(&name, "name", "default", "name of the lab, to have more than one")
	root.AddCommand(upCommand(&name), downCommand(&name), statusCommand(&name), kubectlCommand(&name), execCommand(&name), demoCommand(), benchCommand())
	err := root.Execute()
	if exit, ok := errors.AsType[exitError](err); ok {
		return int(exit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// exitError is the exit code of a program that has said itself what is wrong.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// asError turns an exit code into what a cobra command returns.
func asError(code int) error {
	if code == 0 {
		return nil
	}
	return exitError(code)
}

func downCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the lab",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return down(*name) },
	}
}

// down ends a lab and returns when its name is free.
func down(name string) error {
	if err := ask(name, request{Verb: verbDown}); err != nil {
		return err
	}
	for exists(name) {
		time.Sleep(50 * time.Millisecond) // not for ever: the sandbox kills what does not end
	}
	return nil
}

func statusCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the hosts of the lab and what they cost",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return ask(*name, request{Verb: verbStatus}) },
	}
}

func kubectlCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl [ARG...]",
		Short:              "Run kubectl as the cluster's administrator",
		DisableFlagParsing: true, // the flags are kubectl's
		RunE: func(_ *cobra.Command, args []string) error {
			return ask(*name, request{Verb: verbExec, Host: "cp", Args: append([]string{"kubectl"}, args...)})
		},
	}
}

func execCommand(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST -- COMMAND [ARG...]",
		Short: "Run a command on a host: node-a, node-b, …, client, tor, remote, cp or switch",
		Long: `Run a command in the network of a host: node-a, node-b, …, client, tor (the router), remote (behind it), cp (the control plane)
or switch (whose interfaces are the ports to the hosts). The command sees the files of this machine; /run/lab holds the state of the lab, among it
the logs of the control plane and of every node.`,
		Example: `  lab exec client -- ip neigh
  lab exec switch -- tcpdump -ni br0 arp
  lab exec cp -- tail -f /run/lab/control-plane/logs/kube-apiserver.log
  lab exec tor -- bash`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return ask(*name, request{Verb: verbExec, Host: args[0], Args: args[1:]})
		},
	}
}
