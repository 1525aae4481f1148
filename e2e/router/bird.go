package router

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/process"
)

// BIRD is a router of the kind found at internet exchanges.
type BIRD struct {
	host    *network.Host
	dir     string
	config  string
	process *process.Process
}

// StartBIRD starts BIRD on a host, with a configuration in BIRD's language. A host has at most one BIRD.
func StartBIRD(ctx context.Context, host *network.Host, config string) (*BIRD, error) {
	b := &BIRD{host: host, dir: filepath.Join(stateDirectory, host.Name()+"-bird"), config: config}
	if err := os.RemoveAll(b.dir); err != nil { // an earlier BIRD's on a host of that name
		return nil, fmt.Errorf("router: failed to start BIRD on %s: %w", host.Name(), err)
	}
	return b, b.Start(ctx)
}

// Start starts BIRD again after Stop or Kill, with the configuration it was last given.
func (b *BIRD) Start(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		b.Kill()
		return fmt.Errorf("router: failed to start BIRD on %s: %w", b.host.Name(), err)
	}
	return nil
}

func (b *BIRD) start(ctx context.Context) error {
	program, err := find("bird", "bird2")
	if err == nil {
		err = os.MkdirAll(b.dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(b.path("bird.conf"), []byte(b.config), 0o644)
	}
	if err != nil {
		return err
	}
	if err := os.Remove(b.path("ctl")); err != nil && !errors.Is(err, os.ErrNotExist) { // the last process's, were it killed
		return err
	}
	b.process, err = process.Start(process.Options{ //nolint:contextcheck // a router outlives the call that starts it
		Name:    "bird on " + b.host.Name(),
		Args:    []string{program, "-f", "-c", b.path("bird.conf"), "-s", b.path("ctl"), "-P", b.path("pid")},
		LogFile: b.path("log"),
		Start:   b.host.Start,
	})
	if err != nil {
		return err
	}
	err = until(ctx, func() bool {
		_, err := b.Birdc(ctx, "show status")
		return err == nil || !b.process.Running()
	})
	if !b.process.Running() {
		return b.process.Failure()
	}
	return err
}

func (b *BIRD) path(name string) string { return filepath.Join(b.dir, name) }

// Stop ends BIRD as an administrator would: sessions are closed, and routes taken out of the kernel.
func (b *BIRD) Stop(ctx context.Context) {
	if b.process != nil {
		b.process.Stop(ctx, patience)
	}
}

// Kill ends BIRD as a crash would; the kernel keeps its routes.
func (b *BIRD) Kill() {
	if b.process != nil {
		b.process.Kill()
	}
}

// Signal sends BIRD a signal. SIGSTOP makes it hang until SIGCONT.
func (b *BIRD) Signal(signal os.Signal) error { return b.process.Signal(signal) }

// Configure replaces the whole configuration of the running router. BIRD itself finds out which sessions that touches.
func (b *BIRD) Configure(ctx context.Context, config string) error {
	if err := os.WriteFile(b.path("bird.conf"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("router: failed to configure BIRD on %s: %w", b.host.Name(), err)
	}
	out, err := b.Birdc(ctx, "configure")
	if err == nil && !strings.Contains(out, "Reconfigur") { // "ed", or "ation in progress"
		err = fmt.Errorf("router: BIRD refuses its configuration: %s", strings.TrimSpace(out))
	}
	if err == nil {
		b.config = config
	}
	return err
}

// Birdc runs a command and returns what it prints, without the greeting. BIRD tells errors only in that text.
func (b *BIRD) Birdc(ctx context.Context, command string) (string, error) {
	program, err := find("birdc", "bird2")
	if err != nil {
		return "", err
	}
	out, err := b.host.Exec(ctx, program, "-s", b.path("ctl"), command)
	if err != nil {
		return "", fmt.Errorf("router: failed to ask BIRD: %w", err)
	}
	_, answer, _ := strings.Cut(out, "ready.\n")
	if strings.HasPrefix(answer, "syntax error") {
		return "", fmt.Errorf("router: BIRD does not know %q: %s", command, strings.TrimSpace(answer))
	}
	return answer, nil
}

// Log returns what BIRD has written, if its configuration says `log stderr all`.
func (b *BIRD) Log() string {
	data, err := os.ReadFile(b.path("log"))
	if err != nil {
		return ""
	}
	return string(data)
}
