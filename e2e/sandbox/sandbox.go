package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stageVariable = "CLARION_SANDBOX_STAGE"
	stageInit     = "init"
	stageBody     = "body"

	// exitTrouble is the exit code for failures of the sandbox itself, as opposed to those of the body.
	exitTrouble = 125

	// grace is how long the body may take to return once it has been asked to.
	grace = 20 * time.Second
)

// Options change how Run sets the sandbox up. The zero value is right for tests.
type Options struct {
	// Files are open files of the host handed to the body, which finds them from file descriptor 3 on.
	Files []*os.File
	// Detached lets the sandbox outlive the process that called the caller. Otherwise the end of that process, a shell or `go run`,
	// is treated as SIGTERM.
	Detached bool
}

// Run runs body inside a sandbox and returns the exit code for the program to end with; call it as the first thing of main
// or TestMain: os.Exit(sandbox.Run(sandbox.Options{}, body)). The context given to body ends on SIGINT, SIGTERM or SIGHUP; a
// body that has not returned 20 seconds later, or at a second SIGINT, is killed together with everything it started.
func Run(options Options, body func(context.Context) int) int {
	switch os.Getenv(stageVariable) {
	case stageInit:
		return report(initialize())
	case stageBody:
		if err := os.Unsetenv(stageVariable); err != nil {
			return report(0, err)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
		return body(ctx)
	default:
		return report(enter(options))
	}
}

// Inside reports whether the caller is already the body of a sandbox or on its way there. Work that needs the host, such as
// building programs, is for callers that are not.
func Inside() bool { return os.Getenv(stageVariable) != "" }

func report(code int, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitTrouble
	}
	return code
}

// enter starts the init stage in new namespaces and waits for it.
func enter(options Options) (int, error) {
	// The death signal below follows the thread that starts the child, not the process, so that thread must stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if !options.Detached {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
			return 0, fmt.Errorf("sandbox: failed to tie itself to its parent: %w", err)
		}
	}

	child, err := again(stageInit, options.Files)
	if err != nil {
		return 0, err
	}
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if uid := os.Geteuid(); uid != 0 {
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := child.Start(); err != nil {
		return 0, refusal(err)
	}

	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	send := func(s os.Signal) {
		_ = child.Process.Signal(s) // unless it has ended, which the loop below sees
	}
	var deadline <-chan time.Time
	interrupts := 0
	for {
		select {
		case err := <-ended:
			return exitCode(err)
		case <-deadline:
			send(os.Kill)
		case s := <-signals:
			if s == syscall.SIGQUIT { // asks for a stack dump; `go test` sends it when a test hangs
				send(s)
				continue
			}
			if s == os.Interrupt {
				interrupts++
			}
			if interrupts > 1 {
				send(os.Kill)
				continue
			}
			send(syscall.SIGTERM)
			if deadline == nil {
				deadline = time.After(grace)
			}
		}
	}
}

// refusal explains the one failure that users meet: a kernel that does not let them make namespaces.
func refusal(err error) error {
	forbidden := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES)
	if os.Geteuid() == 0 || !forbidden {
		return fmt.Errorf("sandbox: failed to make namespaces: %w", err)
	}
	return fmt.Errorf("sandbox: this kernel does not let an ordinary user make namespaces (%w); run as root, or allow it: "+
		"sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0", err)
}

// again prepares this same program, with the same arguments, as its next stage.
func again(stage string, files []*os.File) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("sandbox: failed to find the running program: %w", err)
	}
	cmd := exec.CommandContext(context.Background(), program) // ended by signals, not by a context
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), stageVariable+"="+stage)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = files
	return cmd, nil
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}
