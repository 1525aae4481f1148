// Command box is what runs on a node of the lab: `box run SPEC` becomes a container, `box web` is the workload inside most
// of them. It is linked without the Kubernetes libraries, so that starting a container costs milliseconds.
package main

import (
	"fmt"
	"os"

	"github.com/clarion-lb/clarion/e2e/box"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "run":
		spec, err := box.Load(args[1])
		if err != nil {
			return err
		}
		return box.Run(spec)
	case len(args) == 1 && args[0] == "web":
		return box.Web()
	default:
		return fmt.Errorf("usage: box run SPEC | box web")
	}
}
