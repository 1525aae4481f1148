package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
)

// An API server that is away is asked every awaitPeriod, and given awaitTimeout
// to answer.
const (
	awaitPeriod  = time.Second
	awaitTimeout = 5 * time.Second
)

// await returns when the API server answers, or ctx ends. A process that ended
// for want of an API server would be started again later and later, and be
// missing for minutes when it is back.
func (p *Process) await(ctx context.Context) error {
	restConfig, err := clientconfig.GetConfig()
	if err != nil {
		return fmt.Errorf("kube: failed to find the API server: %w", err)
	}
	restConfig.Timeout = awaitTimeout
	server, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		return fmt.Errorf("kube: failed to set up the connection to the API server: %w", err)
	}
	return p.awaitAnswer(ctx, func(ctx context.Context) error {
		err := server.RESTClient().Get().AbsPath("/version").Do(ctx).Error()
		if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
			return nil // a refusal is an answer
		}
		return err
	})
}

// awaitAnswer returns when ask succeeds, or ctx ends. Until then it says that
// the process lives, but is not ready.
func (p *Process) awaitAnswer(ctx context.Context, ask func(context.Context) error) error {
	unanswered := ask(ctx)
	if unanswered == nil || ctx.Err() != nil {
		return nil
	}
	p.Log.Warn("the API server does not answer, waiting for it", "error", unanswered)
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", p.HealthAddress)
	if err != nil {
		return fmt.Errorf("kube: failed to serve /healthz: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // 200 says it all
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the API server does not answer", http.StatusServiceUnavailable)
	})
	health := &http.Server{Handler: mux, ReadHeaderTimeout: awaitTimeout}
	served := make(chan error, 1)
	go func() { served <- health.Serve(listener) }()

	tick := time.NewTicker(awaitPeriod)
	defer tick.Stop()
	for unanswered != nil && ctx.Err() == nil {
		select {
		case <-tick.C:
			unanswered = ask(ctx)
		case <-ctx.Done():
		}
	}
	err = health.Close()
	if cause := <-served; !errors.Is(cause, http.ErrServerClosed) {
		err = cause
	}
	if err != nil {
		return fmt.Errorf("kube: failed to serve /healthz: %w", err)
	}
	if ctx.Err() == nil {
		p.Log.Info("the API server answers")
	}
	return nil
}
