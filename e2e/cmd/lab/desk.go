package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
)

// desk answers the requests of other terminals.
type desk struct {
	lab *lab.Lab
	end context.CancelFunc // ends the lab
}

func (d *desk) handle(ctx context.Context, r request, files [3]*os.File) (int, error) {
	switch r.Verb {
	case verbExec:
		return d.exec(ctx, r, files)
	case verbStatus:
		return 0, d.status(files[1])
	case verbDown:
		d.end()
		return 0, nil
	default:
		return 0, fmt.Errorf("lab: unknown request %q; is the lab older than this program?", r.Verb)
	}
}

func (d *desk) exec(ctx context.Context, r request, files [3]*os.File) (int, error) {
	namespace, err := d.namespace(r.Host)
	if err != nil {
		return 0, err
	}
	cmd := d.lab.Command(ctx, r.Args[0], r.Args[1:]...)
	cmd.Dir = r.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The whole group, so that a shell's children go with it.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := namespace.Start(cmd); err != nil {
		return 0, fmt.Errorf("lab: failed to run %s: %w", r.Args[0], err)
	}
	return exitCodeOf(cmd.Wait())
}

func (d *desk) namespace(name string) (*network.Namespace, error) {
	if name == d.lab.Switch().Name() {
		return d.lab.Switch().Namespace, nil
	}
	if host, ok := d.lab.Host(name); ok {
		return host.Namespace, nil
	}
	return nil, fmt.Errorf("lab: no host %q; `lab status` lists them", name)
}

func (d *desk) status(out io.Writer) error {
	var rows strings.Builder
	fmt.Fprintln(&rows, "HOST\tIPV4\tIPV6\tMAC\tPROCESSES\tMEMORY")
	hosts := []*network.Host{d.lab.ControlPlane(), d.lab.Router(), d.lab.Client(), d.lab.Remote()}
	for _, node := range d.lab.Nodes() {
		if node.Host() == nil {
			fmt.Fprintf(&rows, "%s\tdead\n", node.Name())
			continue
		}
		hosts = append(hosts, node.Host())
	}
	usage, err := usageByNamespace()
	if err != nil {
		return err
	}
	for _, host := range hosts {
		used := usage[namespaceID(host.Path())]
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\t%d\t%d MiB\n", host.Name(), host.Address(false), host.Address(true), host.MAC(), used.processes, used.memory>>20)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return fmt.Errorf("lab: failed to show the status: %w", err)
	}
	return table.Flush()
}

type usage struct {
	processes int
	memory    int64 // resident bytes
}

// usageByNamespace adds up the processes of the sandbox by the network namespace they are in.
func usageByNamespace() (map[string]usage, error) {
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("lab: failed to list processes: %w", err)
	}
	all := map[string]usage{}
	for _, directory := range directories {
		namespace, err := os.Readlink(filepath.Join(directory, "ns/net"))
		if err != nil {
			continue // ended meanwhile
		}
		statm, err := os.ReadFile(filepath.Join(directory, "statm"))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64) // a number, says proc_pid_statm(5)
			used := all[namespace]
			all[namespace] = usage{processes: used.processes + 1, memory: used.memory + pages*int64(os.Getpagesize())}
		}
	}
	return all, nil
}

// namespaceID returns the name by which /proc/PID/ns/net knows a namespace.
func namespaceID(path string) string {
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		return ""
	}
	return fmt.Sprintf("net:[%d]", stat.Ino)
}
