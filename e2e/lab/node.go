package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/e2e/kubelet"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/process"
)

// Node is a machine of the cluster. It may be dead; Boot brings it back as a new machine with the old name and addresses.
type Node struct {
	lab    *Lab
	number int
	name   string

	mu      sync.Mutex // guards what follows; all nil while the node is dead
	host    *network.Host
	kubelet *kubelet.Kubelet
	proxy   *process.Process
	stop    context.CancelFunc
	ended   chan struct{}
}

// Name returns the name of the node, its host and its switch port.
func (n *Node) Name() string { return n.name }

// Host returns the node's host, nil while the node is dead.
func (n *Node) Host() *network.Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host
}

// Boot starts the node, unless it runs. It returns when kubelet and kube-proxy have started; WaitReady waits for more.
func (n *Node) Boot(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.host != nil {
		return nil
	}
	host, err := n.lab.newHost(n.name, firstNodeNumber+n.number, true)
	if err != nil {
		return err
	}
	if err := n.startOn(host); err != nil { //nolint:contextcheck // a node outlives the call that boots it
		host.Close()
		return fmt.Errorf("lab: failed to boot %s: %w", n.name, err)
	}
	return nil
}

func (n *Node) startOn(host *network.Host) error {
	if err := n.lab.addPodRoutes(host); err != nil {
		return err
	}
	identity, err := n.lab.plane.NodeIdentity(host)
	if err != nil {
		return err
	}
	agent, err := kubelet.New(kubelet.Options{
		Host:     host,
		PodCIDRs: podCIDRs(n.number),
		Identity: identity,
		Images:   n.lab.images,
		Box:      n.lab.options.Programs.Box,
		Dir:      filepath.Join(stateDirectory, "nodes", n.name),
		Service:  apiService(),
		Log:      n.lab.log,
	})
	if err != nil {
		return err
	}
	proxy, err := process.Start(process.Options{
		Name:    "kube-proxy on " + n.name,
		Args:    append([]string{n.lab.options.Programs.Kube, "kube-proxy"}, n.proxyFlags()...),
		LogFile: n.proxyLog(),
		Start:   host.Start,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := agent.Run(ctx); err != nil && ctx.Err() == nil {
			n.lab.log.Error("kubelet ended", "node", n.name, "error", err)
		}
	}()
	n.host, n.kubelet, n.proxy, n.stop, n.ended = host, agent, proxy, cancel, ended
	return nil
}

func (n *Node) proxyFlags() []string {
	return []string{
		"--kubeconfig=" + n.lab.plane.Kubeconfig("kube-proxy"),
		"--hostname-override=" + n.name,
		"--proxy-mode=nftables",
		"--cluster-cidr=" + join(clusterCIDRs()),
		"--metrics-bind-address=127.0.0.1:10249",
		// The size of the connection table belongs to the machine, not to a namespace; leave it alone.
		"--conntrack-max-per-core=0", "--conntrack-min=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		"--profiling=false",
	}
}

func (n *Node) proxyLog() string {
	return filepath.Join(stateDirectory, "nodes", n.name, "kube-proxy.log")
}

// Kill makes the node crash: from one moment to the next it is silent on the wire, and everything that ran on it is gone. A dead node
// stays dead.
func (n *Node) Kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.host == nil {
		return nil
	}
	// The cable first, so that no process can say goodbye while it dies.
	err := n.host.CutCable()
	n.stop()
	n.proxy.Kill()
	<-n.ended
	n.host.Close()
	n.host, n.kubelet, n.proxy, n.stop, n.ended = nil, nil, nil, nil, nil
	return err
}

// CutCable pulls the node's network cable: its carrier is gone, its processes live on.
func (n *Node) CutCable() error {
	host := n.Host()
	if host == nil {
		return n.dead()
	}
	return host.CutCable()
}

// PlugCable undoes CutCable.
func (n *Node) PlugCable() error {
	host := n.Host()
	if host == nil {
		return n.dead()
	}
	return host.PlugCable()
}

// Exec runs a command in the node's network and returns its standard output.
func (n *Node) Exec(ctx context.Context, name string, args ...string) (string, error) {
	host := n.Host()
	if host == nil {
		return "", n.dead()
	}
	return host.Exec(ctx, name, args...)
}

func (n *Node) dead() error { return fmt.Errorf("lab: %s is dead", n.name) }

// Processes returns the running containers of the Pods on this node that a label selector matches, such as "component=speaker".
func (n *Node) Processes(selector string) ([]kubelet.Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kubelet == nil {
		return nil, n.dead()
	}
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("lab: bad selector: %w", err)
	}
	return n.kubelet.Processes(parsed), nil
}

// Signal sends a signal to the containers of the Pods on this node that a label selector matches, and fails if there are none.
// SIGKILL is a crash, after which the container restarts; SIGSTOP is a hang, until SIGCONT.
func (n *Node) Signal(selector string, signal os.Signal) error {
	processes, err := n.Processes(selector)
	if err != nil {
		return err
	}
	if len(processes) == 0 {
		return fmt.Errorf("lab: nothing on %s matches %s", n.name, selector)
	}
	for _, p := range processes {
		if err := p.Signal(signal); err != nil {
			return err
		}
	}
	return nil
}

// CrashAndHold kills the containers of the Pods on this node that a label selector matches, and keeps them from restarting until
// release is called.
func (n *Node) CrashAndHold(selector string) (release func(), err error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("lab: bad selector: %w", err)
	}
	n.mu.Lock()
	agent := n.kubelet
	n.mu.Unlock()
	if agent == nil {
		return nil, n.dead()
	}
	release = agent.Hold(parsed)
	if err := n.Signal(selector, os.Kill); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// WaitReady waits until every node that is not dead is Ready, without taints, and Pods can be made.
func (l *Lab) WaitReady(ctx context.Context) error {
	return l.Until(ctx, "all nodes are ready", func(ctx context.Context) (bool, error) {
		if _, err := l.clients.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return false, nil //nolint:nilerr // tried again
		}
		nodes, err := l.clients.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, nil //nolint:nilerr // tried again
		}
		ready := map[string]bool{}
		for _, node := range nodes.Items {
			for _, condition := range node.Status.Conditions {
				if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
					ready[node.Name] = len(node.Spec.Taints) == 0
				}
			}
		}
		for _, node := range l.nodes {
			if node.Host() != nil && !ready[node.name] {
				return false, nil
			}
		}
		return true, nil
	})
}
