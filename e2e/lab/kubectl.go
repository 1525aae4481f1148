package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
)

// Environment returns variables for programs that use the lab, to be added to their own: kubectl is in PATH and finds the cluster.
func (l *Lab) Environment() []string {
	return []string{
		"PATH=" + filepath.Join(stateDirectory, "bin") + ":" + os.Getenv("PATH"),
		"KUBECONFIG=" + l.plane.Kubeconfig("admin"),
		"KUBECACHEDIR=" + filepath.Join(stateDirectory, "kubectl"),
	}
}

// Command prepares a command with the lab's environment, for host.Start: run it there, with whatever input and output it is given.
func (l *Lab) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	env := append(os.Environ(), l.Environment()...)
	// Look the program up where it will be looked for, not where the lab's own PATH says.
	if name == "kubectl" {
		name = filepath.Join(stateDirectory, "bin", "kubectl")
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = env
	cmd.WaitDelay = time.Second // for the output, when children still hold it
	return cmd
}

// Kubectl runs kubectl as the cluster's administrator and returns what it printed; its error carries what it complained about.
func (l *Lab) Kubectl(ctx context.Context, args ...string) (string, error) {
	return l.kubectl(ctx, nil, args)
}

// Apply applies manifests given as YAML.
func (l *Lab) Apply(ctx context.Context, manifests string) error {
	_, err := l.kubectl(ctx, strings.NewReader(manifests), []string{"apply", "-f", "-"})
	return err
}

func (l *Lab) kubectl(ctx context.Context, input io.Reader, args []string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := l.Command(ctx, "kubectl", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	if err := RunOn(l.cp, cmd); err != nil {
		return stdout.String(), fmt.Errorf("lab: kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Report describes the cluster to whoever must find out why a test failed: Pods, the product's last words, recent Events.
func (l *Lab) Report(ctx context.Context) string {
	var report strings.Builder
	for _, args := range [][]string{
		{"get", "pods,services", "-A", "-o", "wide"},
		{"logs", "-n", ProductNamespace, "-l", "app=metallb", "--prefix", "--tail=20"},
		{"get", "events", "-A", "--sort-by=.lastTimestamp"},
	} {
		out, err := l.Kubectl(ctx, append(args, "--request-timeout=5s")...)
		fmt.Fprintf(&report, "$ kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&report, err)
		}
	}
	return report.String()
}

// RunOn starts a command on a host and waits for its end.
func RunOn(host *network.Host, cmd *exec.Cmd) error {
	if err := host.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}
