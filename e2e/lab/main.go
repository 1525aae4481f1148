package lab

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"testing"

	"k8s.io/klog/v2" //nolint:depguard // to silence it

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

// Main builds the programs a lab needs, showing progress on standard error, enters a sandbox and runs body there. It returns the exit
// code to end the program with, and must be the first thing the program does: what comes before Main runs three times (see package
// sandbox).
func Main(options sandbox.Options, body func(ctx context.Context, programs artifacts.Set) int) int {
	if !sandbox.Inside() {
		if err := ready(); err != nil {
			return fail(err)
		}
	}
	return sandbox.Run(options, func(ctx context.Context) int {
		// client-go complains here whenever a test takes the API server away; whoever cares gets errors.
		klog.SetSlogLogger(slog.New(slog.DiscardHandler))
		programs, err := artifacts.Locate()
		if err != nil {
			return fail(err)
		}
		return body(ctx, programs)
	})
}

// ready does what must be done outside the sandbox, which has no way to the rest of the world.
func ready() error {
	for _, tool := range []string{"ip", "nft"} {
		if !installed(tool) {
			return fmt.Errorf("lab: the program %s is missing; `make setup` installs it, or says how", tool)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	_, err := artifacts.Build(ctx, artifacts.Options{Progress: os.Stderr})
	return err
}

// installed reports whether a program can be found inside the sandbox, whose PATH has the directories of root's tools.
func installed(tool string) bool {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		if _, err := os.Stat(filepath.Join(dir, tool)); err == nil {
			return true
		}
	}
	return false
}

// TestMain is Main for tests: it starts one lab, gives it to prepare, which may install the product, then runs the tests and returns the
// exit code for os.Exit.
func TestMain(m *testing.M, options Options, prepare func(context.Context, *Lab) error) int {
	return Main(sandbox.Options{}, func(ctx context.Context, programs artifacts.Set) int {
		options.Programs = programs
		l, err := Start(ctx, options)
		if err != nil {
			return fail(err)
		}
		if err := prepare(ctx, l); err != nil {
			return fail(err)
		}
		code := make(chan int, 1)
		go func() { code <- m.Run() }()
		select {
		case c := <-code:
			return c
		case <-ctx.Done(): // interrupted: the end of the sandbox is the clean-up
			return 1
		}
	})
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
