// Package process runs one program at a time and knows when it has ended. It never restarts one: that is a decision, and
// belongs to whoever knows why the program runs.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options describe a program to run.
type Options struct {
	Name string   // for errors
	Args []string // the program's path and its arguments
	Env  []string // nil means the caller's
	Dir  string   // "" means the caller's

	LogFile string    // receives what the program writes, appended; "" means Output does
	Output  io.Writer // used when LogFile is empty; nil discards

	// CloneFlags are the namespaces the program starts in afresh.
	CloneFlags uintptr
	// Start starts the command, in a network namespace for example; nil means cmd.Start().
	Start func(*exec.Cmd) error
}

// Process is a program that was started.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts the program in a process group of its own, so that a Ctrl-C meant for the caller does not reach it.
func Start(options Options) (*Process, error) {
	// Its life is not that of a call; whoever started it ends it.
	cmd := exec.CommandContext(context.Background(), options.Args[0], options.Args[1:]...)
	cmd.Env, cmd.Dir = options.Env, options.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: options.CloneFlags}
	// Children that keep the output open must not keep the caller waiting for a program that has ended.
	cmd.WaitDelay = time.Second
	cmd.Stdout, cmd.Stderr = options.Output, options.Output
	if options.LogFile != "" {
		if err := os.MkdirAll(filepath.Dir(options.LogFile), 0o755); err != nil {
			return nil, fmt.Errorf("process: failed to start %s: %w", options.Name, err)
		}
		file, err := os.OpenFile(options.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("process: failed to start %s: %w", options.Name, err)
		}
		defer file.Close() //nolint:errcheck // the program has its own
		cmd.Stdout, cmd.Stderr = file, file
	}
	start := options.Start
	if start == nil {
		start = (*exec.Cmd).Start
	}
	if err := start(cmd); err != nil {
		return nil, fmt.Errorf("process: failed to start %s: %w", options.Name, err)
	}
	p := &Process{name: options.Name, log: options.LogFile, cmd: cmd, done: make(chan struct{})}
	go func() {
		// The result is read from ProcessState, which also tells deaths by signal.
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID returns the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the program has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode returns the code the program ended with, 128 plus the signal number if a signal ended it. Call it after Done.
func (p *Process) ExitCode() int {
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal; a program that has ended already is not an error.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process: failed to signal %s: %w", p.name, err)
	}
	return nil
}

// Stop asks the program to end with SIGTERM, ends it with SIGKILL after grace or when ctx ends, and waits until it is gone.
func (p *Process) Stop(ctx context.Context, grace time.Duration) {
	// A failed signal means the program cannot hear it; the kill below follows all the same.
	_ = p.Signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
	}
}

// Kill ends the program with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// Failure describes a program that ended although it should not have, with the end of its log.
func (p *Process) Failure() error {
	tail := ""
	if data, err := os.ReadFile(p.log); err == nil {
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		tail = "\n" + strings.Join(lines[max(0, len(lines)-15):], "\n")
	}
	return fmt.Errorf("process: %s ended with code %d%s", p.name, p.ExitCode(), tail)
}
