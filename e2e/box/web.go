package box

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Environment of the web program.
const (
	WebPorts = "WEB_PORTS" // "8080/TCP,53/UDP"
	WebPod   = "WEB_POD"
	WebNode  = "WEB_NODE"
)

// Web is the workload of the lab: it says on every port which Pod answered, on which node, and whom it saw as client. Over HTTP
// it answers any path, except that /ready answers 503 after PUT /ready?is=false, and /files/PATH shows a file of the container; over
// UDP it answers every datagram. On SIGTERM it stops like a well-behaved server: no new connections, running requests finish.
func Web() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	w := &web{pod: os.Getenv(WebPod), node: os.Getenv(WebNode)}
	w.ready.Store(true)
	server := &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	var group sync.WaitGroup
	for port := range strings.SplitSeq(os.Getenv(WebPorts), ",") {
		number, protocol, _ := strings.Cut(port, "/")
		switch protocol {
		case "TCP":
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":"+number)
			if err != nil {
				return fmt.Errorf("box: web: %w", err)
			}
			group.Go(func() { w.complain(server.Serve(listener)) })
		case "UDP":
			conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", ":"+number)
			if err != nil {
				return fmt.Errorf("box: web: %w", err)
			}
			context.AfterFunc(ctx, func() { w.complain(conn.Close()) })
			group.Go(func() { w.complain(w.serveDatagrams(conn)) })
		}
	}
	if _, err := fmt.Fprintln(os.Stdout, "serving", os.Getenv(WebPorts), "as", w.pod, "on", w.node); err != nil {
		return fmt.Errorf("box: web: %w", err)
	}
	<-ctx.Done()
	finish, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	w.complain(server.Shutdown(finish))
	group.Wait()
	return nil
}

type web struct {
	pod, node string
	ready     atomic.Bool
}

func (w *web) answer(client net.Addr) string {
	host, _, err := net.SplitHostPort(client.String())
	if err != nil {
		host = client.String()
	}
	return fmt.Sprintf("%s on %s, hello %s\n", w.pod, w.node, host)
}

func (w *web) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	if request.URL.Path == "/ready" {
		if request.Method == http.MethodPut {
			w.ready.Store(request.URL.Query().Get("is") != "false")
		}
		if !w.ready.Load() {
			http.Error(out, "not ready", http.StatusServiceUnavailable)
			return
		}
	}
	if path, ok := strings.CutPrefix(request.URL.Path, "/files"); ok {
		data, err := os.ReadFile(path)
		if err != nil {
			http.Error(out, err.Error(), http.StatusNotFound)
			return
		}
		w.send(out, data)
		return
	}
	client, err := net.ResolveTCPAddr("tcp", request.RemoteAddr)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	w.send(out, []byte(w.answer(client)))
}

func (w *web) send(out io.Writer, data []byte) {
	_, err := out.Write(data)
	w.complain(err)
}

func (w *web) serveDatagrams(conn net.PacketConn) error {
	buffer := make([]byte, 1500)
	for {
		_, client, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		_, err = conn.WriteTo([]byte(w.answer(client)), client)
		w.complain(err)
	}
}

func (w *web) complain(err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		fmt.Fprintln(os.Stderr, "box: web:", err)
	}
}
