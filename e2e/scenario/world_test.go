package scenario_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/kubelet"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// kubectl runs kubectl and returns what it printed; it must succeed.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// feed runs kubectl with manifests on its standard input.
func feed(ctx context.Context, manifests string, args ...string) error {
	var complaint strings.Builder
	cmd := cluster.Command(ctx, "kubectl", append(args, "-f", "-")...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(manifests), &complaint
	if err := lab.RunOn(cluster.ControlPlane(), cmd); err != nil {
		return fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return nil
}

// apply applies manifests, which must be accepted, and deletes them at the end
// of the test.
func apply(t *testing.T, manifests string) {
	t.Helper()
	if err := feed(t.Context(), manifests, "apply"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := feed(context.Background(), manifests, "delete", "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
}

// applyTo applies manifests to a namespace, with which they go.
func applyTo(t *testing.T, ns, manifests string) {
	t.Helper()
	if err := feed(t.Context(), manifests, "apply", "-n", ns); err != nil {
		t.Fatal(err)
	}
}

// createIn creates many objects in a namespace, which takes half the time of
// applyTo.
func createIn(t *testing.T, ns, manifests string) {
	t.Helper()
	defer waited(t, "all are created", time.Now())
	if err := feed(t.Context(), manifests, "create", "-n", ns); err != nil {
		t.Fatal(err)
	}
}

// until waits for something to become true, and says so if that took long.
func until(t *testing.T, what string, check func(context.Context) (bool, error)) {
	t.Helper()
	defer waited(t, what, time.Now())
	if err := cluster.Until(t.Context(), what, check); err != nil {
		t.Fatal(err)
	}
}

// waited says where the time of a test has gone.
func waited(t *testing.T, what string, since time.Time) {
	t.Helper()
	if took := time.Since(since); took > 2*time.Second {
		t.Logf("waited %s until %s", took.Round(100*time.Millisecond), what)
	}
}

// namespace makes a namespace of the test's own. When the test ends, its Services
// are deleted, and the rest goes in its own time.
func namespace(t *testing.T) string {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	namespaces := cluster.Clientset().CoreV1().Namespaces()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	until(t, "there is a new namespace "+name, func(ctx context.Context) (bool, error) {
		_, err := namespaces.Create(ctx, object, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // of the last run, with -count
			return false, nil
		}
		return err == nil, err
	})
	t.Cleanup(func() {
		ctx := context.Background()
		defer waited(t, "the Services of "+name+" are gone", time.Now())
		if err := deleteServices(ctx, name); err != nil {
			left, _ := cluster.Kubectl(ctx, "-n", name, "get", "pods,services,endpointslices,servicel2statuses", "-o", "yaml")
			t.Errorf("%v\n%s", err, left)
		}
		if err := namespaces.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	return name
}

// deleteServices deletes all Services of a namespace, and returns when they have
// given their addresses back.
func deleteServices(ctx context.Context, ns string) error {
	services := cluster.Dynamic().Resource(corev1.SchemeGroupVersion.WithResource("services")).Namespace(ns)
	if err := services.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return err
	}
	return cluster.Until(ctx, "the Services of "+ns+" are gone", func(ctx context.Context) (bool, error) {
		left, err := services.List(ctx, metav1.ListOptions{Limit: 1})
		return err == nil && len(left.Items) == 0, err
	})
}

// addresses returns what the status of a Service says it holds.
func addresses(ctx context.Context, ns, name string) ([]netip.Addr, error) {
	svc, err := cluster.Clientset().CoreV1().Services(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return held(svc), nil
}

func held(svc *corev1.Service) []netip.Addr {
	var out []netip.Addr
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		out = append(out, netip.MustParseAddr(ingress.IP))
	}
	return out
}

// waitForAddresses waits until a Service holds that many addresses.
func waitForAddresses(t *testing.T, ns, name string, n int) []netip.Addr {
	t.Helper()
	var got []netip.Addr
	until(t, fmt.Sprintf("%s/%s holds %d addresses", ns, name, n), func(ctx context.Context) (_ bool, err error) {
		got, err = addresses(ctx, ns, name)
		return len(got) == n, err
	})
	return got
}

// assigned returns the addresses of all Services of a namespace, by name.
func assigned(t *testing.T, ns string) map[string]string {
	t.Helper()
	services, err := cluster.Clientset().CoreV1().Services(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i := range services.Items {
		var texts []string
		for _, a := range held(&services.Items[i]) {
			texts = append(texts, a.String())
		}
		out[services.Items[i].Name] = strings.Join(texts, ",")
	}
	return out
}

// get asks for a page from the client, over the segment.
func get(addr netip.Addr, port uint16) (string, error) {
	response, err := cluster.Client().HTTPClient(time.Second).Get("http://" + netip.AddrPortFrom(addr, port).String())
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// waitForAnswer waits until the address answers HTTP.
func waitForAnswer(t *testing.T, addr netip.Addr, port uint16) {
	t.Helper()
	until(t, fmt.Sprintf("%s answers", addr), func(context.Context) (bool, error) {
		_, err := get(addr, port)
		return err == nil, nil
	})
}

// resolve returns the node whose hardware address the client's neighbour cache
// has for the address, after resolving it anew; empty if nobody answered.
func resolve(t *testing.T, addr netip.Addr) string {
	t.Helper()
	if err := cluster.Client().ForgetNeighbours(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The connection itself does not matter, only that somebody is looked for.
	_, _ = get(addr, 80)
	neighbours, err := cluster.Client().Neighbours()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range neighbours {
		if n.Addr != addr || n.MAC == nil {
			continue
		}
		for _, node := range cluster.Nodes() {
			if host := node.Host(); host != nil && slices.Equal(host.MAC(), n.MAC) {
				return node.Name()
			}
		}
		t.Fatalf("%s resolves to %s, which is no living node's", addr, n.MAC)
	}
	return ""
}

// waitForOwner waits until the address resolves to a node that the test wants.
func waitForOwner(t *testing.T, addr netip.Addr, want func(node string) bool) string {
	t.Helper()
	var owner string
	until(t, fmt.Sprintf("%s resolves as wanted", addr), func(context.Context) (bool, error) {
		owner = resolve(t, addr) //nolint:contextcheck // it ends with the test
		return want(owner), nil
	})
	return owner
}

func anyNode(node string) bool { return node != "" }

func nobody(node string) bool { return node == "" }

// quiet waits until the product has had nothing to write for five seconds.
func quiet(t *testing.T) {
	t.Helper()
	until(t, "the product has nothing more to write", func(context.Context) (bool, error) {
		return len(ourWrites(t, time.Now().Add(-5*time.Second))) == 0, nil
	})
}

// productPods returns the Pods of the product; none while the API server is
// away.
func productPods(ctx context.Context, t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := cluster.Clientset().CoreV1().Pods("metallb-system").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	return pods.Items
}

// waitForProduct waits until every Pod of the product is ready.
func waitForProduct(t *testing.T) {
	t.Helper()
	defer waited(t, "the product is ready", time.Now())
	err := cluster.Until(context.Background(), "the product is ready", func(ctx context.Context) (bool, error) {
		ready := 0
		pods := productPods(ctx, t)
		for i := range pods {
			for _, c := range pods[i].Status.Conditions {
				if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && running(&pods[i]) {
					ready++
				}
			}
		}
		return ready == len(pods) && ready > len(cluster.Nodes()), nil
	})
	if err != nil {
		out, _ := cluster.Kubectl(context.Background(), "-n", "metallb-system", "get", "pods,events", "-o", "wide")
		t.Fatalf("%v\n%s", err, out)
	}
}

// running reports whether the containers that the Pod counts as ready are those
// that live now: for a moment after a crash the API server knows only of those
// before it.
func running(pod *corev1.Pod) bool {
	processes, err := cluster.Node(pod.Spec.NodeName).Processes("app=metallb")
	if err != nil {
		return false // the node is dead
	}
	for _, c := range pod.Status.ContainerStatuses {
		if !slices.ContainsFunc(processes, func(p kubelet.Process) bool { return p.ID == c.ContainerID }) {
			return false
		}
	}
	return true
}

// saysOwner checks that the ServiceL2Status of a Service names that node alone,
// or for no node that there is none.
func saysOwner(ns, service, node string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "-n", "metallb-system", "get", "servicel2status",
			"-l", "metallb.io/service-namespace="+ns+",metallb.io/service-name="+service, "-o", "jsonpath={.items[*].status.node}")
		return out == node, err
	}
}

// fromPool returns the pool that a Service is annotated with.
func fromPool(t *testing.T, ns, service string) string {
	t.Helper()
	svc, err := cluster.Clientset().CoreV1().Services(ns).Get(t.Context(), service, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return svc.Annotations["metallb.io/ip-allocated-from-pool"]
}
