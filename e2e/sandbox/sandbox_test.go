package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/sandbox"
)

// The test binary plays a program in a sandbox when this variable names what it is to do there.
const behaviour = "CLARION_SANDBOX_TEST"

//nolint:forbidigo // it is the main function of the tests
func TestMain(m *testing.M) {
	if os.Getenv(behaviour) != "" {
		os.Exit(sandbox.Run(sandbox.Options{}, behave))
	}
	os.Exit(m.Run())
}

//nolint:forbidigo,noctx // what it prints and what it leaves behind is what the tests look at
func behave(ctx context.Context) int {
	switch os.Getenv(behaviour) {
	case "exit 7":
		return 7
	case "look":
		links, _ := os.ReadFile("/proc/net/dev")
		fmt.Println(os.Getuid(), strings.Count(string(links), ":"))
		return 0
	case "orphan":
		// The shell ends at once and leaves its child to process 1.
		if err := exec.Command("sh", "-c", "sleep 1000 & echo left").Run(); err != nil {
			fmt.Println(err)
		}
		return 0
	default:
		sleeper := exec.Command("sleep", "1000")
		if err := sleeper.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println("started")
		<-ctx.Done()
		if os.Getenv(behaviour) == "stubborn" {
			select {}
		}
		return 3
	}
}

func program(what string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe") //nolint:noctx // how it ends is what the tests are about
	cmd.Env = append(os.Environ(), behaviour+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestExitCodeOfTheBodyIsTheProgramsOwn(t *testing.T) {
	t.Parallel()
	var exit *exec.ExitError
	if err := program("exit 7").Run(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("got %v", err)
	}
}

func TestBodyIsRootWithANetworkOfItsOwn(t *testing.T) {
	t.Parallel()
	out, err := program("look").Output()
	if err != nil {
		t.Fatal(err)
	}
	// User 0; of the interfaces only lo, and what the kernel's modules add to every namespace.
	if got := string(out); !strings.HasPrefix(got, "0 1\n") {
		t.Errorf("user and number of interfaces: %q", got)
	}
}

func TestOrphansDoNotOutliveTheBody(t *testing.T) {
	t.Parallel()
	done := make(chan error, 1)
	cmd := program("orphan")
	go func() { done <- cmd.Run() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("still running")
	}
}

// Whichever process is hit by whatever, all of them end. Each holds the write end of the pipe that is the program's output.
func TestNothingSurvives(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		behaviour string
		hit       func(outer *os.Process) error
	}{
		"SIGTERM to the caller": {"wait", func(p *os.Process) error { return p.Signal(syscall.SIGTERM) }},
		"SIGINT to the caller":  {"wait", func(p *os.Process) error { return p.Signal(os.Interrupt) }},
		"SIGKILL to the caller": {"wait", func(p *os.Process) error { return p.Kill() }},
		"SIGKILL to init":       {"wait", func(p *os.Process) error { return syscall.Kill(child(p.Pid), syscall.SIGKILL) }},
		"SIGKILL to the body":   {"wait", func(p *os.Process) error { return syscall.Kill(child(child(p.Pid)), syscall.SIGKILL) }},
		"two SIGINTs, if the body does not listen": {"stubborn", func(p *os.Process) error {
			first := p.Signal(os.Interrupt)
			time.Sleep(200 * time.Millisecond)
			return errors.Join(first, p.Signal(os.Interrupt))
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := program(tt.behaviour)
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close() //nolint:errcheck // it was only read from
			cmd.Stdout = in
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = in.Close() // the program has its own
			lines := bufio.NewScanner(out)
			if !lines.Scan() || lines.Text() != "started" {
				t.Fatalf("got %q", lines.Text())
			}
			if err := tt.hit(cmd.Process); err != nil {
				t.Fatal(err)
			}
			if err := out.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			for lines.Scan() {
			}
			if err := lines.Err(); err != nil {
				t.Errorf("something still holds the output: %v", err)
			}
			_ = cmd.Wait() // how it ended is not the question here
		})
	}
}

// child returns the only child of a process. It panics if there is none, because signals to process 0 hit the tests themselves.
func child(pid int) int {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		panic(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// proc_pid_stat(5): the parent is the second field after the parenthesis that ends the name.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if fields[1] == strconv.Itoa(pid) {
			number, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				panic(err)
			}
			return number
		}
	}
	panic(fmt.Sprintf("process %d has no child", pid))
}
