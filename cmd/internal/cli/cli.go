// Package cli is what the commands share: logging as operators expect it, and
// flags that an environment variable may set. It never starts anything.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/clarion-lb/clarion/internal/kube"
)

// Execute runs the command until it ends or the process is told to, and
// returns the exit code. An error is printed once, on standard error.
func Execute(cmd *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	cmd.SilenceUsage = true
	if err := cmd.ExecuteContext(ctx); err != nil {
		return 1
	}
	return 0
}

// Common are the flags of controller and speaker.
type Common struct {
	Namespace  string
	Pod        string
	Classes    []string
	Port       int
	HealthPort int
	LogLevel   string
}

// Register adds the flags to the command.
func (c *Common) Register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.Namespace, "namespace", namespace(), "namespace of the configuration objects (env METALLB_NAMESPACE, else the pod's own)")
	f.StringVar(&c.Pod, "pod-name", os.Getenv("METALLB_POD_NAME"), "name of this pod, whose workload owns what is written (env METALLB_POD_NAME)")
	f.StringSliceVar(&c.Classes, "lb-class", nil, `loadBalancerClass to handle; repeat for several, "" stands for Services without one (default: only those)`)
	f.IntVar(&c.Port, "port", 9120, "port of the HTTPS metrics endpoint; 0 disables it")
	f.IntVar(&c.HealthPort, "health-probe-port", 17472, "port of /healthz and /readyz")
	f.StringVar(&c.LogLevel, "log-level", "info", "all, debug, info, warn, error or none")
}

// Process returns what the flags say, with a logger made of them; the health
// endpoint listens on host.
func (c *Common) Process(host string) (kube.Process, error) {
	if c.Namespace == "" {
		return kube.Process{}, errors.New("the namespace is not known: set --namespace or METALLB_NAMESPACE")
	}
	log, err := newLogger(c.LogLevel)
	if err != nil {
		return kube.Process{}, err
	}
	// The libraries underneath log through the same handler.
	quiet := library{log.Handler()}
	ctrl.SetLogger(logr.FromSlogHandler(quiet))
	klog.SetSlogLogger(slog.New(quiet))
	return kube.Process{
		Namespace:     c.Namespace,
		Classes:       c.Classes,
		MetricsPort:   c.Port,
		HealthAddress: fmt.Sprintf("%s:%d", host, c.HealthPort),
		Log:           log,
	}, nil
}

// namespaceFile is where the kubelet tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func namespace() string {
	if ns := os.Getenv("METALLB_NAMESPACE"); ns != "" {
		return ns
	}
	text, err := os.ReadFile(namespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// ReadOptional reads a file that need not exist; it is then empty.
func ReadOptional(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
