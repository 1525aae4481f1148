package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

type upOptions struct {
	name   string
	nodes  int
	bare   bool
	detach bool
	// detached is set in the process that runs the lab after --detach.
	detached bool
}

func upCommand(name *string) *cobra.Command {
	options := upOptions{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab; Ctrl-C ends it",
		Long: `Start the lab, with Clarion installed from deploy/, and keep it until Ctrl-C or` + " `lab down`" + `. The first start builds Kubernetes from
source, which takes minutes; later ones take seconds.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			options.name = *name
			if options.detach {
				return detach(options)
			}
			return asError(up(options))
		},
	}
	cmd.Flags().IntVar(&options.nodes, "nodes", 3, "how many nodes")
	cmd.Flags().BoolVar(&options.bare, "bare", false, "do not install Clarion")
	cmd.Flags().BoolVar(&options.detach, "detach", false, "return when the lab is up, and keep it in the background")
	cmd.Flags().BoolVar(&options.detached, "detached", false, "")
	if err := cmd.Flags().MarkHidden("detached"); err != nil {
		panic(err) // only if the line above is gone
	}
	return cmd
}

// up runs a lab in the foreground and returns the exit code.
func up(options upOptions) int {
	var files []*os.File
	if !sandbox.Inside() {
		socket, err := listen(options.name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		files = append(files, socket)
	}
	return lab.Main(sandbox.Options{Files: files, Detached: options.detached}, func(ctx context.Context, programs artifacts.Set) int {
		// The listener is the first file handed over.
		if err := keepUp(ctx, options, programs, os.NewFile(3, "socket")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	})
}

func keepUp(ctx context.Context, options upOptions, programs artifacts.Set, socket *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := time.Now()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	l, err := lab.Start(ctx, lab.Options{Programs: programs, Nodes: options.nodes, Log: log})
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if err != nil {
		return err
	}
	if !options.bare {
		if err := l.Install(ctx); err != nil {
			return err
		}
	}
	if options.detached {
		if err := silence(); err != nil {
			return err
		}
	} else {
		if _, err := io.WriteString(os.Stdout, welcome(time.Since(begin))); err != nil {
			return fmt.Errorf("lab: failed to say that it is up: %w", err)
		}
	}
	d := &desk{lab: l, end: cancel}
	return serve(ctx, socket, d.handle)
}

func welcome(took time.Duration) string {
	return fmt.Sprintf(`
The lab is up, after %[1]s. Ctrl-C or "%[2]s down" ends it. From another terminal:

  %[2]s kubectl get nodes,pods -A
  %[2]s kubectl apply -f examples/multiple-pools
  %[2]s exec client -- ip neigh
  %[2]s --help
`, took.Round(time.Second), os.Args[0])
}

// detach starts the lab in a session of its own and returns when it is up.
func detach(options upOptions) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	// Here rather than there, since this is where the terminal is.
	if _, err := artifacts.Build(ctx, artifacts.Options{Progress: os.Stderr}); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("lab: failed to find itself: %w", err)
	}
	output, input, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("lab: failed to start in the background: %w", err)
	}
	// The lab outlives this command, and so its context.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "up", "--name="+options.name, fmt.Sprintf("--nodes=%d", options.nodes), fmt.Sprintf("--bare=%t", options.bare), "--detached")
	cmd.Stdout, cmd.Stderr = input, input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("lab: failed to start in the background: %w", err)
	}
	if err := input.Close(); err != nil { // the child has its own
		return fmt.Errorf("lab: failed to start in the background: %w", err)
	}
	go io.Copy(os.Stderr, output) //nolint:errcheck // ends with the output, however that ends
	interrupted := context.AfterFunc(ctx, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // unless it has ended
	})
	defer interrupted()
	// The lab takes its name at once and answers when it is up.
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it has said why on its standard error
		close(ended)
	}()
	for !exists(options.name) {
		select {
		case <-ended:
			return exitError(1)
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := ask(options.name, request{Verb: verbStatus}); err != nil {
		<-ended
		return exitError(1)
	}
	return nil
}

// silence sends what a detached lab still has to say nowhere: the terminal it came from is somebody else's now.
func silence() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("lab: failed to let go of the terminal: %w", err)
	}
	defer null.Close() //nolint:errcheck // nothing is written to it
	for _, fd := range []int{1, 2} {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("lab: failed to let go of the terminal: %w", err)
		}
	}
	return nil
}
