package interop

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/process"
)

// patience is how long a speaker may take to leave: its drain time, and what a busy machine adds.
const patience = 30 * time.Second

// Speaker is both engines in a process inside a host's network.
type Speaker struct {
	process *process.Process
	logFile string
	stdin   io.Closer

	mu  sync.Mutex // one exchange at a time
	out *gob.Encoder
	in  *gob.Decoder
}

// StartSpeaker starts a speaker without any peers. Its log is kept under the directory.
func StartSpeaker(host *network.Host, setup Setup, dir string) (*Speaker, error) {
	s := &Speaker{logFile: filepath.Join(dir, "speaker-"+setup.Node+".log")}
	if err := s.start(host); err != nil {
		return nil, fmt.Errorf("interop: failed to start a speaker on %s: %w", host.Name(), err)
	}
	if err := s.out.Encode(setup); err != nil {
		s.Kill()
		return nil, fmt.Errorf("interop: failed to set up a speaker on %s: %w", host.Name(), err)
	}
	return s, nil
}

func (s *Speaker) start(host *network.Host) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the speaker has its own
	ordersFrom, ordersTo, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ordersFrom.Close() //nolint:errcheck // likewise
	reportsFrom, reportsTo, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reportsTo.Close() //nolint:errcheck // likewise
	s.process, err = process.Start(process.Options{
		Name: "speaker on " + host.Name(),
		Args: []string{program},
		Env:  append(os.Environ(), insideVariable+"=1"),
		Start: func(cmd *exec.Cmd) error {
			cmd.Stdin, cmd.Stdout, cmd.Stderr = ordersFrom, reportsTo, log
			return host.Start(cmd)
		},
	})
	s.stdin, s.out, s.in = ordersTo, gob.NewEncoder(ordersTo), gob.NewDecoder(reportsFrom)
	return err
}

// Set gives the speaker its orders.
func (s *Speaker) Set(o Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Encode(request{Set: &o})
}

// Report asks the speaker what it thinks.
func (s *Speaker) Report() (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var r Report
	err := s.out.Encode(request{Status: true})
	if err == nil {
		err = s.in.Decode(&r)
	}
	if err != nil {
		return r, fmt.Errorf("interop: failed to ask the speaker: %w\n%s", err, s.Log())
	}
	return r, nil
}

// Leave makes the speaker leave for good, and returns when it has ended.
func (s *Speaker) Leave(ctx context.Context) error { return s.leave(ctx, request{Leave: true}) }

// Restart makes the speaker end in a way that lets another one take over where it was, and returns when it has ended.
func (s *Speaker) Restart(ctx context.Context) error { return s.leave(ctx, request{Restart: true}) }

func (s *Speaker) leave(ctx context.Context, r request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.out.Encode(r); err != nil {
		return fmt.Errorf("interop: failed to ask the speaker to leave: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-s.process.Done():
	case <-ctx.Done():
		s.process.Kill()
		return fmt.Errorf("interop: the speaker does not leave: %w\n%s", context.Cause(ctx), s.Log())
	}
	if s.process.ExitCode() != 0 {
		return fmt.Errorf("interop: the speaker left with code %d\n%s", s.process.ExitCode(), s.Log())
	}
	return nil
}

// Kill ends the speaker as a crash would.
func (s *Speaker) Kill() {
	s.process.Kill()
	_ = s.stdin.Close() // nobody reads it any more
}

// Running reports whether the speaker has not ended yet.
func (s *Speaker) Running() bool { return s.process.Running() }

// Signal sends the speaker's process a signal.
func (s *Speaker) Signal(signal os.Signal) error { return s.process.Signal(signal) }

// PeakMemory returns the most memory that the speaker has held at one time, in bytes: the high-water mark of its resident set.
func (s *Speaker) PeakMemory() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID()))
	if err != nil {
		return 0, fmt.Errorf("interop: failed to measure the speaker: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("interop: the kernel does not say how much memory the speaker has held")
}

// Log returns what the speaker has logged.
func (s *Speaker) Log() string {
	data, err := os.ReadFile(s.logFile)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// CPUTime returns how much the speaker has computed since it was started.
func (s *Speaker) CPUTime() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.PID()))
	if err != nil {
		return 0, fmt.Errorf("interop: failed to measure the speaker: %w", err)
	}
	// After the name, which may contain blanks: utime and stime are the 12th and 13th, in ticks of 10 ms (proc_pid_stat(5)).
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("interop: the kernel does not say how much the speaker has computed")
	}
	user, _ := strconv.Atoi(fields[11]) // numbers, says proc_pid_stat(5)
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}
