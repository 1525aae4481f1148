package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/clarion-lb/clarion/e2e/process"
)

// startTimeout is how long the API server may take to become ready; it takes seconds, on a loaded machine many.
const startTimeout = 3 * time.Minute

// APIServer is the part of the control plane that can be taken away and brought back. Scheduler and controller manager go and come
// with it: theirs would lose their leases and end, and one that did not would act on what it remembers.
type APIServer struct {
	plane *ControlPlane

	mu      sync.Mutex
	process *process.Process
	clients []*process.Process
}

// Start starts the API server, unless it runs, and returns when it is ready to serve.
func (a *APIServer) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil && a.process.Running() {
		return a.waitReady(ctx)
	}
	dir, host := a.plane.options.Dir, a.plane.options.Host
	if err := os.WriteFile(a.plane.authority.path("audit-policy.yaml"), []byte(auditPolicy), 0o644); err != nil {
		return fmt.Errorf("controlplane: failed to write the audit policy: %w", err)
	}
	var err error
	//nolint:contextcheck // it outlives the call that starts it
	if a.process, err = a.plane.run("kube-apiserver", apiServerFlags(dir, host.Address(false), a.plane.options.ServiceCIDRs)); err != nil {
		return err
	}
	if err := a.waitReady(ctx); err != nil {
		return err
	}
	for name, flags := range map[string][]string{"kube-controller-manager": controllerManagerFlags(dir), "kube-scheduler": schedulerFlags(dir)} {
		client, err := a.plane.run(name, flags) //nolint:contextcheck // likewise
		if err != nil {
			return err
		}
		a.clients = append(a.clients, client)
	}
	return nil
}

func (a *APIServer) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.plane.authority.pem())
	client := &http.Client{Transport: &http.Transport{
		DialContext: a.plane.options.Host.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
	}}
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.plane.URL()+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("controlplane: failed to ask whether the API server is ready: %w", err)
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close() // nothing is in it
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-retry.C:
		case <-a.process.Done():
			return a.process.Failure()
		case <-ctx.Done():
			return fmt.Errorf("controlplane: the API server did not become ready, see %s: %w", a.plane.LogFile("kube-apiserver"), context.Cause(ctx))
		}
	}
}

// Stop ends the API server as an operator would, with SIGTERM, and two seconds later for certain: it would wait a minute for clients to
// close their connections, and they do not. Its data stays.
func (a *APIServer) Stop(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.killClients()
	if a.process != nil {
		a.process.Stop(ctx, 2*time.Second)
	}
}

// Kill ends the API server as a crash would, with SIGKILL. Its data stays.
func (a *APIServer) Kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil {
		a.process.Kill()
	}
	a.killClients()
}

func (a *APIServer) killClients() {
	for _, client := range a.clients {
		client.Kill()
	}
	a.clients = nil
}

// Restart is Stop and Start.
func (a *APIServer) Restart(ctx context.Context) error {
	a.Stop(ctx)
	return a.Start(ctx)
}

// Running reports whether the API server has been started and has not ended.
func (a *APIServer) Running() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.process != nil && a.process.Running()
}
