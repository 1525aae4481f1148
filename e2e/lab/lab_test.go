//nolint:paralleltest // all tests share one lab
package lab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
)

// cluster is the one lab that all tests of this package share.
var cluster *lab.Lab

func TestMain(m *testing.M) {
	//nolint:forbidigo // it is the main function of the tests
	os.Exit(lab.TestMain(m, lab.Options{}, func(_ context.Context, l *lab.Lab) error {
		cluster = l
		return nil
	}))
}

// fresh gives a test the lab as new.
func fresh(t *testing.T) {
	t.Helper()
	if err := cluster.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(cluster.Report(context.Background()))
		}
	})
}

// web makes a workload that is reached at port 30080 of every node.
func web(t *testing.T, replicas int32) {
	t.Helper()
	err := cluster.AddWorkload(t.Context(), lab.Workload{
		Name: "web", Replicas: replicas, Type: corev1.ServiceTypeNodePort, Families: []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nodePort returns the port of the nodes that leads to web.
func nodePort(t *testing.T) uint16 {
	t.Helper()
	service, err := cluster.Clientset().CoreV1().Services("default").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return uint16(service.Spec.Ports[0].NodePort)
}

// get fetches a page from a host.
func get(from *network.Host, addr netip.Addr, port uint16, path string) (string, error) {
	response, err := from.HTTPClient(2 * time.Second).Get("http://" + netip.AddrPortFrom(addr, port).String() + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read from
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// eventually waits until web answers at a node, or does not.
func eventually(t *testing.T, node string, answers bool) {
	t.Helper()
	eventuallyAt(t, node, nodePort(t), answers)
}

func eventuallyAt(t *testing.T, node string, port uint16, answers bool) {
	t.Helper()
	addr := cluster.Node(node).Host().Address(false)
	err := cluster.Until(t.Context(), fmt.Sprintf("%s answers: %v", node, answers), func(context.Context) (bool, error) {
		_, err := get(cluster.Client(), addr, port, "/")
		return (err == nil) == answers, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServiceAnswersOnEveryNodeInBothFamilies(t *testing.T) {
	fresh(t)
	web(t, 3)
	port := nodePort(t)
	for _, node := range cluster.Nodes() {
		for _, v6 := range []bool{false, true} {
			pods := map[string]bool{}
			err := cluster.Until(t.Context(), fmt.Sprintf("all Pods answer through %s", node.Host().Address(v6)), func(context.Context) (bool, error) {
				body, err := get(cluster.Client(), node.Host().Address(v6), port, "/")
				if err == nil {
					pods[strings.Fields(body)[0]] = true
				}
				return len(pods) == 3, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestKubectlLogsBySelector(t *testing.T) {
	fresh(t)
	web(t, 3)
	out, err := cluster.Kubectl(t.Context(), "logs", "-l", "app=web", "--tail=1")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out, "serving 8080/TCP,8080/UDP as web-"); got != 3 {
		t.Errorf("want a line from each of 3 Pods, got %d:\n%s", got, out)
	}
}

func TestKubectlLogsFollowUntilTheContainerEnds(t *testing.T) {
	fresh(t)
	web(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	followed := make(chan error, 1)
	go func() {
		out, err := cluster.Kubectl(ctx, "logs", "-f", "deployment/web")
		if err == nil && !strings.Contains(out, "serving") {
			err = errors.New("followed a log without its lines: " + out)
		}
		followed <- err
	}()
	time.Sleep(time.Second) // long enough to be following; being late would only make the test easier
	for _, node := range cluster.Nodes() {
		_ = node.Signal("app=web", syscall.SIGKILL) // the others have none
	}
	if err := <-followed; err != nil {
		t.Error(err)
	}
}

func TestKilledNodeIsSilentAndBootsAgain(t *testing.T) {
	fresh(t)
	web(t, 3)
	eventually(t, "node-b", true)
	capture, err := frames.Watch(cluster.Switch())
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Node("node-b").Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	if host := cluster.Node("node-b").Host(); host != nil {
		t.Error("a dead node still has a host")
	}
	time.Sleep(time.Second)
	records, err := capture.Stop()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Port == "node-b" && r.At.After(killed) {
			t.Errorf("a dead node sent %s", r)
		}
	}
	if err := cluster.Node("node-b").Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "node-b", true)
}

// A machine that comes back knows nothing of the addresses it gave its Pods: they get others, the cluster hears of them, and the
// Pods can still be deleted.
func TestPodsOutliveACrashOfTheirNode(t *testing.T) {
	fresh(t)
	if err := cluster.AddWorkload(t.Context(), lab.Workload{Name: "web", Nodes: []string{"node-b"}}); err != nil {
		t.Fatal(err)
	}
	only := func(ctx context.Context) (pod corev1.Pod, err error) {
		pods, err := cluster.Clientset().CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		if err != nil {
			return pod, err
		}
		if len(pods.Items) != 1 {
			return pod, fmt.Errorf("want one Pod, got %d", len(pods.Items))
		}
		return pods.Items[0], nil
	}
	// One that has been replaced has not the first address of its node.
	if _, err := cluster.Kubectl(t.Context(), "delete", "pod", "-l", "app=web"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitWorkload(t.Context(), "default", "web"); err != nil {
		t.Fatal(err)
	}
	before, err := only(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Node("node-b").Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Node("node-b").Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = cluster.Until(t.Context(), "the Pod has other addresses", func(ctx context.Context) (bool, error) {
		after, err := only(ctx)
		if err == nil && after.UID != before.UID {
			err = errors.New("the Pod was replaced")
		}
		return !slices.Equal(after.Status.PodIPs, before.Status.PodIPs), err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := cluster.Kubectl(t.Context(), "delete", "deployment/web"); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Kubectl(t.Context(), "wait", "--for=delete", "pod", "-l", "app=web", "--timeout=60s"); err != nil {
		t.Error(err)
	}
}

func TestCutCableLeavesProcessesAlone(t *testing.T) {
	fresh(t)
	web(t, 3)
	eventually(t, "node-a", true)
	before, err := cluster.Node("node-a").Processes("app=web")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Node("node-a").CutCable(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "node-a", false)
	if err := cluster.Node("node-a").PlugCable(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "node-a", true)
	after, err := cluster.Node("node-a").Processes("app=web")
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 1 || len(after) != 1 || before[0].PID != after[0].PID {
		t.Errorf("processes before %v, after %v", before, after)
	}
}

func TestPartitionIsSelective(t *testing.T) {
	fresh(t)
	web(t, 3)
	eventually(t, "node-a", true)
	heal, err := cluster.Partition(t.Context(), []string{"client"}, []string{"node-a"}, network.Cut{Protocol: "tcp", Port: nodePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "node-a", false)
	eventually(t, "node-b", true)
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "node-a", true)
}

func TestClusterServesWithoutItsAPI(t *testing.T) {
	fresh(t)
	web(t, 3)
	port := nodePort(t)
	eventuallyAt(t, "node-c", port, true)
	cluster.APIServer().Stop(t.Context())
	if _, err := cluster.Kubectl(t.Context(), "get", "nodes", "--request-timeout=2s"); err == nil {
		t.Error("kubectl works without an API server")
	}
	eventuallyAt(t, "node-c", port, true)
	if err := cluster.APIServer().Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Kubectl(t.Context(), "scale", "deployment/web", "--replicas=5"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitWorkload(t.Context(), "default", "web"); err != nil {
		t.Error(err)
	}
}

func TestCrashedContainerRestarts(t *testing.T) {
	fresh(t)
	web(t, 3)
	node := cluster.Node("node-a")
	before, err := node.Processes("app=web")
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Signal("app=web", syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err = cluster.Until(t.Context(), "the container runs again", func(context.Context) (bool, error) {
		after, err := node.Processes("app=web")
		return len(after) == 1 && after[0].PID != before[0].PID, err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = cluster.Until(t.Context(), "the restart is counted", func(ctx context.Context) (bool, error) {
		pod, err := cluster.Clientset().CoreV1().Pods("default").Get(ctx, before[0].Pod.Name, metav1.GetOptions{})
		return err == nil && pod.Status.ContainerStatuses[0].RestartCount == 1 && pod.Status.ContainerStatuses[0].Ready, err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHeldContainerStaysDown(t *testing.T) {
	fresh(t)
	web(t, 3)
	node := cluster.Node("node-a")
	release, err := node.CrashAndHold("app=web")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	if held, err := node.Processes("app=web"); err != nil || len(held) != 0 {
		t.Errorf("a held container runs: %v, %v", held, err)
	}
	release()
	err = cluster.Until(t.Context(), "the container runs again", func(context.Context) (bool, error) {
		running, err := node.Processes("app=web")
		return len(running) == 1, err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDeletedPodEndsPolitely(t *testing.T) {
	fresh(t)
	web(t, 1)
	begin := time.Now()
	if _, err := cluster.Kubectl(t.Context(), "delete", "pod", "-l", "app=web", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitWorkload(t.Context(), "default", "web"); err != nil {
		t.Fatal(err)
	}
	t.Logf("replaced in %s", time.Since(begin).Round(10*time.Millisecond))
}

// A Pod that asks for little gets exactly that, and what the API has for it.
func TestPodSeesWhatItAskedFor(t *testing.T) {
	fresh(t)
	manifests, err := os.ReadFile("testdata/modest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Apply(t.Context(), string(manifests)); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Kubectl(t.Context(), "wait", "--for=condition=Ready", "pod/modest", "--timeout=60s"); err != nil {
		t.Fatal(err)
	}
	pod, err := cluster.Clientset().CoreV1().Pods("default").Get(t.Context(), "modest", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	host, _ := cluster.Host(pod.Spec.NodeName)
	file := func(path string) string {
		t.Helper()
		body, err := get(host, netip.MustParseAddr(pod.Status.PodIP), 8080, "/files"+path)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	got := map[string]string{}
	for line := range strings.Lines(file("/proc/self/status")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "Uid", "CapBnd", "NoNewPrivs":
			got[key] = strings.Fields(value)[0]
		}
	}
	for entry := range strings.SplitSeq(file("/proc/self/environ"), "\x00") {
		if key, value, _ := strings.Cut(entry, "="); strings.HasPrefix(key, "LAB_") {
			got[key] = value
		}
	}
	got["namespace"] = file("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	got["config"] = file("/etc/config/greeting")
	got["secret"] = file("/etc/secret/renamed")
	got["token is a token"] = fmt.Sprint(strings.Count(file("/var/run/secrets/kubernetes.io/serviceaccount/token"), ".") == 2)
	got["ca is a certificate"] = fmt.Sprint(strings.Contains(file("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"), "BEGIN CERTIFICATE"))
	want := map[string]string{
		"Uid": "65534", "CapBnd": "0000000000002000", "NoNewPrivs": "1",
		"LAB_NODE": pod.Spec.NodeName, "LAB_IP": pod.Status.PodIP, "LAB_PASSWORD": "hunter2", "LAB_GREETING": "hello modest", "LAB_WORD": "hello",
		"namespace": "default", "config": "hello", "secret": "hunter2", "token is a token": "true", "ca is a certificate": "true",
	}
	if users, err := os.ReadFile("/proc/self/uid_map"); err == nil && strings.HasSuffix(string(users), " 1\n") {
		want["Uid"] = "0" // the sandbox of an ordinary user has no other
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the Pod sees (-want +got):\n%s", diff)
	}
}

func TestIdleClusterWritesNothingButHeartbeats(t *testing.T) {
	fresh(t)
	time.Sleep(3 * time.Second) // what Reset started dies down
	begin := time.Now()
	time.Sleep(12 * time.Second)
	writes, err := cluster.APIServer().Writes(begin)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writes {
		if w.Resource != "leases" {
			t.Errorf("%s %s %s/%s by %s", w.Verb, w.Resource, w.Namespace, w.Name, w.User)
		}
	}
	if len(writes) == 0 {
		t.Error("no heartbeats: the log does not see writes")
	}
}

func TestRemoteIsBehindTheRouter(t *testing.T) {
	fresh(t)
	web(t, 3)
	port := nodePort(t)
	for _, v6 := range []bool{false, true} {
		err := cluster.Until(t.Context(), "remote reaches node-a", func(context.Context) (bool, error) {
			_, err := get(cluster.Remote(), cluster.Node("node-a").Host().Address(v6), port, "/")
			return err == nil, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := cluster.Router().CutCable(); err != nil {
		t.Fatal(err)
	}
	if _, err := get(cluster.Remote(), cluster.Node("node-a").Host().Address(false), port, "/"); err == nil {
		t.Error("remote reaches node-a without the router")
	}
}
