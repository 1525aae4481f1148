package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
)

// story shows commands, runs them and shows what they print.
type story struct {
	lab  *lab.Lab
	root string // of the repository, where commands are run
	out  io.Writer
	bold func(string) string
}

func newStory(l *lab.Lab, root string, out *os.File) *story {
	bold := func(text string) string { return text }
	if term.IsTerminal(int(out.Fd())) {
		bold = func(text string) string { return "\x1b[1m" + text + "\x1b[0m" }
	}
	return &story{lab: l, root: root, out: out, bold: bold}
}

// show writes text. Whether anybody reads it does not change the story.
func (s *story) show(text string) { _, _ = io.WriteString(s.out, text) }

// title starts a chapter.
func (s *story) title(text string) {
	s.show("\n" + s.bold("── "+text+" "+strings.Repeat("─", max(0, 90-len(text)))) + "\n")
}

// say explains.
func (s *story) say(text string) { s.show("# " + text + "\n") }

// run runs a shell command where an administrator would, and returns what it printed. A command that fails is an error.
func (s *story) run(ctx context.Context, command string) (string, error) {
	return s.runOn(ctx, s.lab.ControlPlane(), "$ ", command)
}

// onClient runs a shell command on the client.
func (s *story) onClient(ctx context.Context, command string) (string, error) {
	return s.runOn(ctx, s.lab.Client(), "client$ ", command)
}

func (s *story) runOn(ctx context.Context, host *network.Host, prompt, command string) (string, error) {
	s.show(s.bold(prompt+command) + "\n")
	var printed bytes.Buffer
	cmd := s.lab.Command(ctx, "sh", "-c", command)
	cmd.Dir = s.root
	both := io.MultiWriter(s.out, &printed)
	cmd.Stdout, cmd.Stderr = both, both
	if err := lab.RunOn(host, cmd); err != nil {
		return printed.String(), fmt.Errorf("%s: %w", command, err)
	}
	return printed.String(), nil
}

// services returns the Services of namespace default that are load balancers, by name.
func (s *story) services(ctx context.Context) (map[string]corev1.Service, error) {
	list, err := s.lab.Clientset().CoreV1().Services("default").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	services := map[string]corev1.Service{}
	for _, service := range list.Items {
		if service.Spec.Type == corev1.ServiceTypeLoadBalancer {
			services[service.Name] = service
		}
	}
	return services, nil
}

// address returns the address of a Service, or the zero Addr while it is pending.
func address(service corev1.Service) netip.Addr {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if addr, err := netip.ParseAddr(ingress.IP); err == nil {
			return addr
		}
	}
	return netip.Addr{}
}

// settle waits until check finds nothing wrong, for as long as anything may take on a slow machine, and returns what is wrong then.
func (s *story) settle(ctx context.Context, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// explain shows what helps to find out why a step did not hold.
func (s *story) explain(ctx context.Context) {
	for _, command := range []string{
		"kubectl get pods -A -o wide",
		"kubectl logs -n metallb-system -l app=metallb --prefix --tail=20 --request-timeout=5s",
		"kubectl get events -A | tail -n 30",
	} {
		if _, err := s.run(ctx, command); err != nil {
			s.show(err.Error() + "\n")
		}
	}
}
