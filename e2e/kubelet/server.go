package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// serverPort is the kubelet's port on its node.
const serverPort = 10250

// server is the node's HTTPS endpoint: the API server fetches the logs of containers from it.
type server struct {
	kubelet  *Kubelet
	listener net.Listener
	http     *http.Server
}

func (k *Kubelet) newServer(ctx context.Context) (*server, error) {
	certificate, err := tls.X509KeyPair(k.options.Identity.Serving.Certificate, k.options.Identity.Serving.Key)
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to read the serving certificate: %w", err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(k.options.Identity.CA)
	listener, err := k.options.Host.Listen(ctx, "tcp", ":"+strconv.Itoa(serverPort))
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to listen: %w", err)
	}
	s := &server{kubelet: k, listener: listener}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {}) // 200 says it all
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.logs)
	s.http = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		},
	}
	return s, nil
}

// serve serves until ctx ends.
func (s *server) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		_ = s.http.Close() // which ends connections even if it fails
	})
	defer stop()
	if err := s.http.ServeTLS(s.listener, "", ""); err != nil && ctx.Err() == nil {
		s.kubelet.log.Error("failed to serve logs", "error", err)
	}
}

func (s *server) logs(out http.ResponseWriter, request *http.Request) {
	options, err := parseLogOptions(request.URL.Query(), time.Now())
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	c, ok := s.kubelet.container(request.PathValue("namespace"), request.PathValue("pod"), request.PathValue("container"))
	if !ok {
		http.Error(out, "no such container on this node", http.StatusNotFound)
		return
	}
	c.pod.mu.Lock()
	run, running := c.run, c.process
	c.pod.mu.Unlock()
	if options.previous {
		run, running = run-1, nil
	}
	if run < 0 {
		http.Error(out, "the container has not run yet", http.StatusBadRequest)
		return
	}
	more := func() bool { return running != nil && running.Running() }
	if err := (logReader{path: c.logFile(run), options: options, more: more}).copyTo(request.Context(), flusher{out}); err != nil {
		s.kubelet.log.Debug("failed to send a log", "pod", c.pod.key(), "error", err)
	}
}

// flusher sends every line at once, for those who follow a log.
type flusher struct{ out http.ResponseWriter }

func (f flusher) Write(data []byte) (int, error) {
	n, err := f.out.Write(data)
	if err == nil {
		err = http.NewResponseController(f.out).Flush()
	}
	return n, err
}

// container finds a container by the names of its Pod and itself.
func (k *Kubelet) container(namespace, podName, name string) (*container, bool) {
	p, ok := k.find(namespace, podName)
	if !ok {
		return nil, false
	}
	for _, c := range slices.Concat(p.init, p.main) {
		if c.spec.Name == name {
			return c, true
		}
	}
	return nil, false
}
