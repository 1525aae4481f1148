//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// chaosPools are hardly larger than what 1,000 Services of [chaosService] need.
// Nothing announces them. What a deleted Service leaves is kept for a moment
// only, so that the test need not wait long to see that nothing is leaked.
const chaosPools = `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: chaos, namespace: metallb-system, annotations: {metallb.io/address-retention: 20s}}
spec:
  addresses: [198.51.100.0/24, 203.0.113.64/26, "2001:db8:0:3::-2001:db8:0:3::2ff"]
  serviceAllocation: {namespaces: [%[1]s]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: chaos-shared, namespace: metallb-system}
spec:
  addresses: [203.0.113.32/27]
  autoAssign: false
  serviceAllocation: {namespaces: [%[1]s]}
`

// chaosService is one of many Services: of ten, two want IPv4, one both
// families, one shares an IPv4 address with three others, and six want IPv6.
func chaosService(i int) *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("svc-%04d", i), Annotations: map[string]string{}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, AllocateLoadBalancerNodePorts: new(false),
			Ports: []corev1.ServicePort{{Port: int32(80 + i/10%4)}},
		},
	}
	switch i % 10 {
	case 0, 1:
		service.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	case 2:
		service.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	case 3:
		group := i / 40
		service.Annotations["metallb.io/allow-shared-ip"] = fmt.Sprintf("group-%d", group)
		service.Annotations["metallb.io/loadBalancerIPs"] = fmt.Sprintf("203.0.113.%d", 32+group)
	default:
		service.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol}
	}
	return service
}

// chaosSeed returns where chance begins: CLARION_SEED repeats what a log shows.
func chaosSeed(t *testing.T) uint64 {
	t.Helper()
	text, ok := os.LookupEnv("CLARION_SEED")
	if !ok {
		return rand.Uint64N(1_000_000)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("CLARION_SEED: %v", err)
	}
	return seed
}

// scaleControllers changes how many controllers there are, until the test ends.
func scaleControllers(t *testing.T, n int) {
	t.Helper()
	scale := func(n int) error {
		if _, err := cluster.Kubectl(context.Background(), "-n", "metallb-system", "scale", "deployment/controller", fmt.Sprintf("--replicas=%d", n)); err != nil {
			return err
		}
		return cluster.WaitProduct(context.Background())
	}
	if err := scale(n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := scale(2); err != nil { // as deploy/ has it
			t.Error(err)
		}
	})
}

// TestChaos defends P1 and P2 against everything that can happen to three
// controllers: while 1,000 Services are created at once, and some of them are
// deleted and come back, controllers are killed, and paused for longer than the
// Lease allows, at random.
func TestChaos(t *testing.T) {
	seed, services, length := chaosSeed(t), 400, shorter(20*time.Second, 3*time.Minute)
	if length > time.Minute {
		services = 1000
	}
	t.Logf("CLARION_SEED=%d", seed)
	ns := namespace(t)
	apply(t, fmt.Sprintf(chaosPools, ns))
	scaleControllers(t, 3)
	past := record(t, ns)

	begin := time.Now()
	users := &crowd{namespace: ns, services: services, until: begin.Add(length), dice: rand.New(rand.NewPCG(seed, 1))}
	users.start()
	attacks := attack(t, rand.New(rand.NewPCG(seed, 2)), length)
	if err := users.wait(); err != nil {
		t.Fatal(err)
	}
	waitForProduct(t)

	used := waitForAll(t, ns, services)
	t.Logf("all %d Services have their addresses, %d different ones, %s after the first was created", services, len(used), time.Since(begin).Round(time.Second))
	waitForClaims(t, used)

	versions, err := past.stop()
	if err != nil {
		t.Errorf("not every version was seen: %v", err)
	}
	t.Logf("%d versions, %d recreated, %s", len(versions), users.recreated, attacks.summary())
	wrong := replay(versions)
	for _, w := range wrong[:min(len(wrong), 5)] {
		t.Errorf("%s, which came to be so:\n%s", w, about(versions, w))
	}
	if t.Failed() {
		t.Logf("%s\n%s", strings.Join(attacks.log, "\n"), cluster.Report(t.Context()))
	}
}

// waitForAll waits until so many Services are there and have all addresses that
// they want, and returns the addresses.
func waitForAll(t *testing.T, ns string, services int) map[netip.Addr]bool {
	t.Helper()
	var used map[netip.Addr]bool
	var waiting []string
	err := cluster.Until(t.Context(), "every Service has its addresses", func(ctx context.Context) (bool, error) {
		list, err := cluster.Clientset().CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		used, waiting = map[netip.Addr]bool{}, nil
		for i := range list.Items {
			addresses := held(&list.Items[i])
			if len(addresses) < len(list.Items[i].Spec.IPFamilies) {
				waiting = append(waiting, fmt.Sprintf("%s has %v: %v", list.Items[i].Name, addresses, list.Items[i].Status.Conditions))
			}
			for _, a := range addresses {
				used[a] = true
			}
		}
		return len(list.Items) == services && len(waiting) == 0, nil
	})
	if err != nil {
		t.Errorf("%v\n%d wait, such as\n%s", err, len(waiting), strings.Join(waiting[:min(len(waiting), 5)], "\n"))
	}
	return used
}

// waitForClaims waits until just those addresses are claimed.
func waitForClaims(t *testing.T, used map[netip.Addr]bool) {
	t.Helper()
	var claimed map[netip.Addr]bool
	err := cluster.Until(t.Context(), "the claims are those of the addresses in use", func(ctx context.Context) (bool, error) {
		claims, err := cluster.Clientset().NetworkingV1().IPAddresses().List(ctx, metav1.ListOptions{LabelSelector: ours})
		if err != nil {
			return false, err
		}
		claimed = map[netip.Addr]bool{}
		for _, c := range claims.Items {
			claimed[netip.MustParseAddr(c.Name)] = true
		}
		return maps.Equal(used, claimed), nil
	})
	if err != nil {
		t.Errorf("%v (-used +claimed):\n%s", err, gocmp.Diff(used, claimed, cmpopts.EquateComparable(netip.Addr{})))
	}
}

// crowd are users who create many Services at once, then delete some and create
// them again.
type crowd struct {
	namespace string
	services  int
	until     time.Time
	dice      *rand.Rand // of the one who deletes

	group     sync.WaitGroup
	mu        sync.Mutex
	failures  []error
	recreated int
}

func (c *crowd) start() {
	const clients = 20
	next := make(chan int, c.services)
	for i := range c.services {
		next <- i
	}
	close(next)
	for range clients {
		c.group.Go(func() {
			for i := range next {
				c.note(c.create(i))
			}
		})
	}
	c.group.Go(c.churn)
}

func (c *crowd) create(i int) error {
	_, err := cluster.Clientset().CoreV1().Services(c.namespace).Create(context.Background(), chaosService(i), metav1.CreateOptions{})
	return err
}

// churn deletes and recreates Services among the first tenth.
func (c *crowd) churn() {
	for time.Now().Before(c.until) {
		time.Sleep(time.Duration(c.dice.IntN(500)) * time.Millisecond)
		i := c.dice.IntN(c.services / 10)
		name := chaosService(i).Name
		if err := cluster.Clientset().CoreV1().Services(c.namespace).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			continue // not created yet
		}
		time.Sleep(time.Duration(c.dice.IntN(1000)) * time.Millisecond)
		c.note(c.create(i))
		c.recreated++
	}
}

func (c *crowd) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failures = append(c.failures, err)
	}
}

func (c *crowd) wait() error {
	c.group.Wait()
	return errors.Join(c.failures...)
}

// attacks are what has been done to controllers.
type attacks struct {
	paused        map[string]time.Time // by Pod, until when
	kills, pauses int
	log           []string
}

// attack kills and pauses controllers at random for a time, half the time the
// one that leads. It returns when none is paused any more.
func attack(t *testing.T, dice *rand.Rand, length time.Duration) *attacks {
	t.Helper()
	a := &attacks{paused: map[string]time.Time{}}
	for end := time.Now().Add(length); time.Now().Before(end); {
		time.Sleep(200*time.Millisecond + time.Duration(dice.IntN(1800))*time.Millisecond)
		a.resume(time.Now())
		pods := controllers()
		if len(pods) == 0 {
			continue // all wait to be started again
		}
		victim := pods[dice.IntN(len(pods))]
		if leads, err := leader(t.Context()); err == nil && dice.IntN(2) == 0 && slices.Contains(pods, leads) {
			victim = leads
		}
		kill, pause := dice.IntN(5) < 2, time.Duration(1+dice.IntN(15))*time.Second
		_, stopped := a.paused[victim]
		switch {
		case kill && signalled(victim, syscall.SIGKILL):
			a.kills++
			delete(a.paused, victim)
			a.note("killed %s", victim)
		case !kill && !stopped && signalled(victim, syscall.SIGSTOP):
			a.pauses++
			a.paused[victim] = time.Now().Add(pause)
			a.note("paused %s for %s", victim, pause)
		}
	}
	a.resume(time.Now().Add(time.Hour))
	return a
}

// resume lets go on whose time has come.
func (a *attacks) resume(now time.Time) {
	for pod, until := range a.paused {
		if now.After(until) {
			signalled(pod, syscall.SIGCONT)
			delete(a.paused, pod)
			a.note("resumed %s", pod)
		}
	}
}

func (a *attacks) note(format string, args ...any) {
	a.log = append(a.log, time.Now().Format(time.TimeOnly+".000 ")+fmt.Sprintf(format, args...))
}

func (a *attacks) summary() string {
	return fmt.Sprintf("%d controllers killed, %d paused", a.kills, a.pauses)
}

// controllers returns the Pods whose controller runs or is paused.
func controllers() []string {
	var pods []string
	for _, node := range cluster.Nodes() {
		processes, err := node.Processes("component=controller")
		if err != nil {
			continue // the node is dead
		}
		for _, p := range processes {
			pods = append(pods, p.Pod.Name)
		}
	}
	slices.Sort(pods)
	return pods
}
