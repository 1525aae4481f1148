package kubelet

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	// notReadyPeriod is how often a container that has not passed its probe is probed, unless it asks for more.
	notReadyPeriod = 500 * time.Millisecond
	// firstLook is when a container is probed for readiness at the latest. A longer initial delay spares a slow machine some Events;
	// here it would only be waited for, whenever anything restarts.
	firstLook = 500 * time.Millisecond
)

// probe runs the container's probes until ctx ends: the start-up probe first, then the others side by side. A failed start-up or
// liveness probe is reported to unhealthy.
func (c *container) probe(ctx context.Context, unhealthy chan<- string) {
	if c.spec.StartupProbe != nil {
		passed := make(chan struct{})
		starting, cancel := endWith(ctx, passed)
		c.repeat(starting, c.spec.StartupProbe, func(ok bool, message string) {
			if ok {
				close(passed)
				return
			}
			unhealthy <- message
			cancel()
		})
		cancel()
		select {
		case <-passed:
		default:
			return
		}
		c.pod.note(func() { c.started, c.ready = true, c.spec.ReadinessProbe == nil })
	}
	var group sync.WaitGroup
	if c.spec.ReadinessProbe != nil {
		group.Go(func() {
			c.repeat(ctx, c.spec.ReadinessProbe, func(ok bool, message string) {
				c.pod.note(func() { c.ready = ok })
				if !ok && message != "" {
					c.pod.warn("Unhealthy", fmt.Errorf("readiness probe failed: %s", message))
				}
			})
		})
	}
	if c.spec.LivenessProbe != nil {
		group.Go(func() {
			c.repeat(ctx, c.spec.LivenessProbe, func(ok bool, message string) {
				if !ok {
					select {
					case unhealthy <- message:
					default: // reported already
					}
				}
			})
		})
	}
	group.Wait()
}

// repeat probes until ctx ends and reports every change of the verdict, which starts out undecided.
func (c *container) repeat(ctx context.Context, probe *corev1.Probe, report func(ok bool, message string)) {
	delay := time.Duration(probe.InitialDelaySeconds) * time.Second
	if probe == c.spec.ReadinessProbe {
		delay = min(delay, firstLook)
	}
	if !pause(ctx, delay) {
		return
	}
	passes, failures, verdict, decided := int32(0), int32(0), false, false
	for {
		err := c.try(ctx, probe)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passes, failures = passes+1, 0
		} else {
			passes, failures = 0, failures+1
		}
		if passes >= probe.SuccessThreshold && (!verdict || !decided) {
			verdict, decided = true, true
			report(true, "")
		}
		if failures >= probe.FailureThreshold && (verdict || !decided) {
			verdict, decided = false, true
			report(false, err.Error())
		}
		period := time.Duration(probe.PeriodSeconds) * time.Second
		if !verdict && failures < probe.FailureThreshold && probe != c.spec.LivenessProbe {
			period = min(period, notReadyPeriod)
		}
		if !pause(ctx, period) {
			return
		}
	}
}

// try probes once, from the node's own network.
func (c *container) try(ctx context.Context, probe *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(probe.TimeoutSeconds)*time.Second)
	defer cancel()
	switch {
	case probe.HTTPGet != nil:
		return c.tryHTTP(ctx, probe.HTTPGet)
	case probe.TCPSocket != nil:
		conn, err := c.pod.kubelet.options.Host.DialContext(ctx, "tcp", c.target(probe.TCPSocket.Host, probe.TCPSocket.Port))
		if err == nil {
			err = conn.Close()
		}
		return err
	default:
		return fmt.Errorf("the lab has only httpGet and tcpSocket probes")
	}
}

func (c *container) tryHTTP(ctx context.Context, get *corev1.HTTPGetAction) error {
	scheme := strings.ToLower(string(get.Scheme))
	path := get.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+c.target(get.Host, get.Port)+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "kube-probe/1.36")
	for _, header := range get.HTTPHeaders {
		request.Header.Set(header.Name, header.Value)
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext:       c.pod.kubelet.options.Host.DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // kubelets do not verify what they probe
		DisableKeepAlives: true,
	}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

// target returns where a probe goes: the host it names, or the Pod, at a port by number or name.
func (c *container) target(host string, port intstr.IntOrString) string {
	if host == "" {
		host = c.pod.addresses()[0].String()
	}
	number := port.IntValue()
	for _, named := range c.spec.Ports {
		if port.Type == intstr.String && named.Name == port.StrVal {
			number = int(named.ContainerPort)
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(number))
}
