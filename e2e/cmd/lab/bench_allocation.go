package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/e2e/controlplane"
	"github.com/clarion-lb/clarion/e2e/lab"
)

const (
	// benchClients is how many users create Services at once.
	benchClients = 16
	// benchClass is a class of Services that the product leaves alone.
	benchClass = "example.com/bare-loop"
	controller = "system:serviceaccount:" + lab.ProductNamespace + ":controller"
	// allocationRow is printed as soon as it is known: the next takes minutes.
	allocationRow = "%8v  %16v  %16v  %5v  %9v  %15v  %8v\n"
	// benchPool has room for any number of Services; nothing announces it, and nothing that is left is kept.
	benchPool = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: bench-many, namespace: metallb-system, annotations: {metallb.io/address-retention: "0"}}
spec: {addresses: ["2001:db8:0:4::/112"]}
`
)

// allocationBench measures what it takes to give many Services their addresses.
type allocationBench struct {
	services []int
	lab      *lab.Lab
	requests map[string]map[int]int // by what, by number of Services
	restarts []restartRow
}

// restartRow is what a restart took.
type restartRow struct {
	what   string
	ready  time.Duration // until a new Service has its address
	writes []string      // that should not have been
}

func (b *allocationBench) run(ctx context.Context, l *lab.Lab) error {
	b.lab, b.requests = l, map[string]map[int]int{}
	if err := l.Apply(ctx, benchPool); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, allocationRow, "SERVICES", "ALL SERVED AFTER", "BARE LOOP", "RATIO", "CPU", "CPU PER SERVICE", "PEAK RSS"); err != nil {
		return err
	}
	for i, n := range b.services {
		if err := b.fill(ctx, n, i == len(b.services)-1); err != nil {
			return fmt.Errorf("%d Services: %w", n, err)
		}
	}
	return b.print()
}

// fill has the bare loop and then the product serve so many Services. The last are there while controllers restart.
func (b *allocationBench) fill(ctx context.Context, n int, last bool) error {
	namespace := fmt.Sprintf("bare-%d", n)
	bare, err := b.create(ctx, namespace, n, true)
	if err != nil {
		return err
	}
	if err := b.clear(ctx, namespace); err != nil {
		return err
	}

	namespace = fmt.Sprintf("bench-%d", n)
	before, since := b.cost(), time.Now()
	all, err := b.create(ctx, namespace, n, false)
	if err != nil {
		return err
	}
	if err := b.quiet(ctx); err != nil { // so that what comes late is counted, too
		return err
	}
	used := b.cost().since(before)
	if _, err := fmt.Fprintf(os.Stdout, allocationRow, n, all.Round(10*time.Millisecond), bare.Round(10*time.Millisecond),
		fmt.Sprintf("%.2f", all.Seconds()/bare.Seconds()), used.cpu, (used.cpu / time.Duration(n)).Round(time.Microsecond),
		fmt.Sprintf("%d MB", used.rss/1000)); err != nil {
		return err
	}
	requests, err := b.lab.APIServer().Requests(since)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if r.User != controller || r.Resource == "leases" {
			continue
		}
		what := r.Verb + " " + r.Resource
		if r.Code >= 400 {
			what += fmt.Sprintf(" (%d)", r.Code)
		}
		if b.requests[what] == nil {
			b.requests[what] = map[int]int{}
		}
		b.requests[what][n]++
	}
	if last {
		return b.restart(ctx, namespace) // nothing comes after them: they go with the lab
	}
	return b.clear(ctx, namespace)
}

// create creates Services, all at once, and returns how long it took until the last had an address. In the bare loop whoever has created
// one writes its status.
func (b *allocationBench) create(ctx context.Context, namespace string, n int, bare bool) (time.Duration, error) {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if _, err := b.lab.Clientset().CoreV1().Namespaces().Create(ctx, object, metav1.CreateOptions{}); err != nil {
		return 0, err
	}
	begin := time.Now()
	served, err := b.watchServed(ctx, namespace, n)
	if err != nil {
		return 0, err
	}
	var next atomic.Int64
	failures := make([]error, benchClients)
	var group sync.WaitGroup
	for client := range benchClients {
		group.Go(func() {
			for i := int(next.Add(1)); i <= n && failures[client] == nil; i = int(next.Add(1)) {
				failures[client] = b.createOne(ctx, namespace, i, bare)
			}
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return 0, err
	}
	select {
	case at, ok := <-served:
		if !ok {
			return 0, errors.New("the watch of the Services was lost")
		}
		return at.Sub(begin), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(10 * time.Minute):
		return 0, errors.New("not every Service has an address after 10 minutes")
	}
}

func (b *allocationBench) createOne(ctx context.Context, namespace string, i int, bare bool) error {
	service := benchService(fmt.Sprintf("svc-%05d", i))
	if bare {
		service.Spec.LoadBalancerClass = new(benchClass)
	}
	services := b.lab.Clientset().CoreV1().Services(namespace)
	if _, err := services.Create(ctx, service, metav1.CreateOptions{}); err != nil || !bare {
		return err
	}
	status := fmt.Appendf(nil, `{"status":{"loadBalancer":{"ingress":[{"ip":"2001:db8:0:5::%x"}]}}}`, i)
	_, err := services.Patch(ctx, service.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
	return err
}

// benchService is a Service with one address and without Pods.
func benchService(name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			// Not what is measured: rules of kube-proxy on every node.
			Labels: map[string]string{"service.kubernetes.io/service-proxy-name": "none"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: new(false),
			IPFamilies: []corev1.IPFamily{corev1.IPv6Protocol}, Ports: []corev1.ServicePort{{Port: 80}},
		},
	}
}

// watchServed tells when so many Services of a namespace have an address.
func (b *allocationBench) watchServed(ctx context.Context, namespace string, n int) (<-chan time.Time, error) {
	services := b.lab.Clientset().CoreV1().Services(namespace)
	list, err := services.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	w, err := services.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		return nil, err
	}
	done := make(chan time.Time, 1)
	go func() {
		defer close(done)
		defer w.Stop()
		served := map[string]bool{}
		for event := range w.ResultChan() {
			service, ok := event.Object.(*corev1.Service)
			if !ok {
				return
			}
			if len(service.Status.LoadBalancer.Ingress) > 0 {
				served[service.Name] = true
			}
			if len(served) == n {
				done <- time.Now()
				return
			}
		}
	}()
	return done, nil
}

// clear deletes the Services of a namespace and returns when they and their claims are gone.
func (b *allocationBench) clear(ctx context.Context, namespace string) error {
	if err := b.lab.Clientset().CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}); err != nil {
		return err
	}
	return b.until(ctx, namespace+" and its claims are gone", func() (bool, error) {
		services, err := b.lab.Clientset().CoreV1().Services(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil || len(services.Items) > 0 {
			return false, err
		}
		claims, err := b.lab.Clientset().NetworkingV1().IPAddresses().List(ctx, metav1.ListOptions{
			LabelSelector: "ipaddress.kubernetes.io/managed-by=clarion", Limit: 1,
		})
		return err == nil && len(claims.Items) == 0, err
	})
}

// quiet waits until the controllers have had nothing to write for three seconds.
func (b *allocationBench) quiet(ctx context.Context) error {
	return b.until(ctx, "the controllers have nothing more to write", func() (bool, error) {
		writes, err := b.writes(time.Now().Add(-3 * time.Second))
		return len(writes) == 0, err
	})
}

// until waits, longer than [lab.Lab.Until] does.
func (b *allocationBench) until(ctx context.Context, what string, check func() (bool, error)) error {
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("waited in vain until " + what)
}

// writes returns what the controllers have written since then, but for Leases.
func (b *allocationBench) writes(since time.Time) ([]controlplane.Request, error) {
	all, err := b.lab.APIServer().Writes(since)
	return slices.DeleteFunc(all, func(r controlplane.Request) bool { return r.User != controller || r.Resource == "leases" }), err
}

// restart ends controllers in two ways and measures how soon a new Service has an address.
func (b *allocationBench) restart(ctx context.Context, namespace string) error {
	for i, way := range []struct {
		name string
		end  func() error
	}{
		{"all controllers killed", func() error { return b.signal("", syscall.SIGKILL) }},
		{"leader asked to end", func() error {
			leader, err := b.leader(ctx)
			return errors.Join(err, b.signal(leader, syscall.SIGTERM))
		}},
	} {
		if err := b.quiet(ctx); err != nil {
			return err
		}
		since, name := time.Now(), fmt.Sprintf("late-%d", i)
		if err := way.end(); err != nil {
			return err
		}
		ready, err := b.late(ctx, namespace, name)
		if err != nil {
			return err
		}
		if err := b.lab.WaitProduct(ctx); err != nil {
			return err
		}
		if err := b.quiet(ctx); err != nil {
			return err
		}
		row := restartRow{what: way.name, ready: ready.at}
		writes, err := b.writes(since)
		if err != nil {
			return err
		}
		for _, w := range writes {
			// What the new Service needs, the pool that has one address less, and the news of a new leader.
			needed := w.Name == name || w.Name == ready.address || strings.HasPrefix(w.Name, name+".") || w.Resource == "ipaddresspools/status"
			if needed || strings.HasPrefix(w.Name, "metallb-controller.") {
				continue
			}
			row.writes = append(row.writes, fmt.Sprintf("%s %s %s", w.Verb, w.Resource, w.Name))
		}
		b.restarts = append(b.restarts, row)
	}
	return nil
}

// lateness is when a Service got which address.
type lateness struct {
	at      time.Duration
	address string
}

// late creates one more Service and waits for its address.
func (b *allocationBench) late(ctx context.Context, namespace, name string) (got lateness, err error) {
	begin := time.Now()
	if _, err := b.lab.Clientset().CoreV1().Services(namespace).Create(ctx, benchService(name), metav1.CreateOptions{}); err != nil {
		return got, err
	}
	defer func() {
		err = errors.Join(err, b.lab.Clientset().CoreV1().Services(namespace).Delete(ctx, name, metav1.DeleteOptions{}))
	}()
	err = b.lab.Until(ctx, name+" has an address", func(ctx context.Context) (bool, error) {
		service, err := b.lab.Clientset().CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		addresses := lab.Addresses(service)
		if len(addresses) > 0 {
			got = lateness{at: time.Since(begin), address: addresses[0].String()}
		}
		return len(addresses) > 0, nil
	})
	return got, err
}

func (b *allocationBench) leader(ctx context.Context) (string, error) {
	lease, err := b.lab.Clientset().CoordinationV1().Leases(lab.ProductNamespace).Get(ctx, "metallb-controller", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", errors.Join(err, errors.New("nobody leads"))
	}
	pod, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return pod, nil
}

// signal sends a signal to the controller in a Pod, or to all of them.
func (b *allocationBench) signal(pod string, signal os.Signal) error {
	for _, node := range b.lab.Nodes() {
		processes, err := node.Processes(lab.ControllerPods)
		if err != nil {
			return err
		}
		for _, p := range processes {
			if pod == "" || p.Pod.Name == pod {
				if err := p.Signal(signal); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// print prints the second and the third table.
func (b *allocationBench) print() error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(out, "%v\t", c) //nolint:errcheck // Flush says so
		}
		fmt.Fprintln(out) //nolint:errcheck // Flush says so
	}
	line()
	head := []any{"REQUESTS PER SERVICE"}
	for _, n := range b.services {
		head = append(head, fmt.Sprintf("OF %d", n))
	}
	line(head...)
	for _, what := range sortedKeys(b.requests) {
		row := []any{what}
		for _, n := range b.services {
			row = append(row, fmt.Sprintf("%.3f", float64(b.requests[what][n])/float64(n)))
		}
		line(row...)
	}
	line()
	line("RESTART", "NEW SERVICE SERVED AFTER", "OTHER WRITES")
	for _, r := range b.restarts {
		line(r.what, r.ready.Round(10*time.Millisecond), len(r.writes))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, r := range b.restarts {
		for _, w := range r.writes[:min(len(r.writes), 10)] {
			if _, err := fmt.Fprintf(os.Stdout, "%s: %s\n", r.what, w); err != nil {
				return err
			}
		}
	}
	return nil
}
