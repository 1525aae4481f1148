package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/process"
)

// frrDaemons are the parts of FRR that run here, in the order they start: zebra alone talks to the kernel, the others through it.
func frrDaemons() []string { return []string{"zebra", "bfdd", "bgpd"} }

// frrGroups stands in for /etc/group in the view of FRR's daemons. They insist that the user they run as, root here since a sandbox may
// have no other, is in the group that owns their control sockets, whose name differs between distributions.
const frrGroups = "root:x:0:\nfrrvty:x:0:root\nfrrvt:x:0:root\n"

// frrMounts prepares a daemon's own view of the file system: its groups, and a /var/tmp that its crash logs may fill.
const frrMounts = `mount --bind "$1" /etc/group && mount -t tmpfs tmpfs /var/tmp && shift && exec "$@"`

// FRR is a router of the kind found in many top-of-rack switches.
type FRR struct {
	host    *network.Host
	dir     string
	config  string
	daemons map[string]*process.Process
}

// StartFRR starts FRR on a host, with a configuration as `show running-config` would print it. A host has at most one FRR.
func StartFRR(ctx context.Context, host *network.Host, config string) (*FRR, error) {
	f := &FRR{host: host, dir: filepath.Join(stateDirectory, host.Name()+"-frr"), config: config, daemons: map[string]*process.Process{}}
	if err := os.RemoveAll(f.dir); err != nil { // an earlier FRR's on a host of that name
		return nil, fmt.Errorf("router: failed to start FRR on %s: %w", host.Name(), err)
	}
	return f, f.Start(ctx)
}

// Start starts FRR again after Stop or Kill, with the configuration it was made with: what was changed since is lost, as on any router
// where nobody saved it.
func (f *FRR) Start(ctx context.Context) error {
	if err := f.start(ctx); err != nil {
		f.Kill()
		return fmt.Errorf("router: failed to start FRR on %s: %w", f.host.Name(), err)
	}
	return nil
}

func (f *FRR) start(ctx context.Context) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	// vtysh complains when it has no file of its own.
	for name, content := range map[string]string{"group": frrGroups, "vtysh.conf": ""} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, daemon := range frrDaemons() {
		if err := f.startDaemon(ctx, daemon); err != nil {
			return err
		}
	}
	return f.Configure(ctx, f.config)
}

func (f *FRR) startDaemon(ctx context.Context, daemon string) error {
	program, err := find(daemon, "frr")
	if err != nil {
		return err
	}
	path := func(name string) string { return filepath.Join(f.dir, name) }
	args := []string{
		"sh", "-c", frrMounts, "sh", path("group"),
		program, "-u", "root", "-g", "root", "-f", "/dev/null", "-P", "0", "--log", "stdout",
		"-z", path("zserv.api"), "-i", path(daemon + ".pid"), "--vty_socket", f.dir,
	}
	if daemon == "bfdd" {
		args = append(args, "--bfdctl", path("bfdd.sock"))
	}
	socket := path(daemon + ".vty")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { // the last process's, were it killed
		return err
	}
	p, err := process.Start(process.Options{ //nolint:contextcheck // a router outlives the call that starts it
		Name: daemon + " on " + f.host.Name(), Args: args, LogFile: f.logFile(daemon), CloneFlags: syscall.CLONE_NEWNS, Start: f.host.Start,
	})
	if err != nil {
		return err
	}
	f.daemons[daemon] = p
	err = until(ctx, func() bool {
		_, err := os.Stat(socket)
		return err == nil || !p.Running()
	})
	if !p.Running() {
		return p.Failure()
	}
	return err
}

func (f *FRR) logFile(daemon string) string { return filepath.Join(f.dir, daemon+".log") }

// Stop ends FRR as an administrator would: sessions are closed, and routes taken out of the kernel.
func (f *FRR) Stop(ctx context.Context) {
	for _, daemon := range slices.Backward(frrDaemons()) {
		if p := f.daemons[daemon]; p != nil {
			p.Stop(ctx, patience)
		}
	}
}

// Kill ends FRR as a crash would; the kernel keeps its routes.
func (f *FRR) Kill() {
	for _, p := range f.daemons {
		p.Kill()
	}
}

// Signal sends a signal to one of the daemons "zebra", "bgpd" and "bfdd". SIGSTOP makes it hang until SIGCONT.
func (f *FRR) Signal(daemon string, signal os.Signal) error {
	p, ok := f.daemons[daemon]
	if !ok {
		return fmt.Errorf("router: FRR runs no %s", daemon)
	}
	return p.Signal(signal)
}

// Configure adds lines to the configuration of the running router; lines with "no" before them take away.
func (f *FRR) Configure(ctx context.Context, lines string) error {
	file := filepath.Join(f.dir, "change.conf")
	if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
		return fmt.Errorf("router: failed to configure FRR on %s: %w", f.host.Name(), err)
	}
	_, err := f.vtysh(ctx, "-f", file)
	return err
}

// Vtysh runs commands, one after the other, and returns what they print. A daemon that hangs fails it.
func (f *FRR) Vtysh(ctx context.Context, commands ...string) (string, error) {
	args := make([]string, 0, 2*len(commands))
	for _, command := range commands {
		args = append(args, "-c", command)
	}
	return f.vtysh(ctx, args...)
}

func (f *FRR) vtysh(ctx context.Context, args ...string) (string, error) {
	program, err := find("vtysh", "frr")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := f.host.Exec(ctx, program, append([]string{"--config_dir", f.dir, "--vty_socket", f.dir}, args...)...)
	if err != nil {
		return "", fmt.Errorf("router: FRR refuses: %w: %s", err, strings.TrimSpace(out))
	}
	return out, nil
}

// Show runs a show command, such as "bgp neighbors json", and decodes the JSON it prints into a pointer.
func (f *FRR) Show(ctx context.Context, command string, into any) error {
	args := []string{"-c", "show " + command}
	// Asking one daemon alone gets an answer although another hangs.
	if subject, _, _ := strings.Cut(command, " "); slices.Contains(frrDaemons(), subject+"d") {
		args = append(args, "-d", subject+"d")
	}
	out, err := f.vtysh(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("router: failed to read FRR's answer to %q: %w", command, err)
	}
	return nil
}

// Log returns what the daemons have written, with debugging if the configuration asks for it.
func (f *FRR) Log() string {
	var all strings.Builder
	for _, daemon := range frrDaemons() {
		if data, err := os.ReadFile(f.logFile(daemon)); err == nil {
			all.Write(data)
		}
	}
	return all.String()
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
