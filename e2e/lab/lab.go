package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/controlplane"
	"github.com/clarion-lb/clarion/e2e/kubelet"
	"github.com/clarion-lb/clarion/e2e/network"
)

// stateDirectory is inside the sandbox's own /run, so it is memory and vanishes with the lab.
const stateDirectory = "/run/lab"

// Options describe a lab. Programs is required; Main provides it.
type Options struct {
	Programs artifacts.Set
	// Nodes is how many nodes there are, 1 to 26. 0 means 3.
	Nodes int
	// Images says what container images hold, by reference. nil means DefaultImages.
	Images map[string]kubelet.Image
	// Flags are added to those of kube-apiserver, kube-controller-manager and kube-scheduler, by name of the program.
	Flags map[string][]string
	// Log receives what the lab itself has to say. nil discards it.
	Log *slog.Logger
}

// Lab is a running lab.
type Lab struct {
	options Options
	images  *kubelet.Images
	log     *slog.Logger

	sw      *network.Switch
	cp      *network.Host
	client  *network.Host
	router  *network.Host
	wan     *network.Switch
	remote  *network.Host
	plane   *controlplane.ControlPlane
	nodes   []*Node
	config  *rest.Config
	clients kubernetes.Interface
	objects dynamic.Interface
}

// Start makes a lab and returns when its nodes are ready. There is one lab per sandbox.
func Start(ctx context.Context, options Options) (*Lab, error) {
	if options.Nodes == 0 {
		options.Nodes = 3
	}
	if options.Nodes < 1 || options.Nodes > maxNodes {
		return nil, fmt.Errorf("lab: %d nodes, must be 1 to %d", options.Nodes, maxNodes)
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lab{options: options, log: options.Log}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Stop(context.WithoutCancel(ctx)))
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	if err := l.prepareFiles(); err != nil {
		return err
	}
	if err := l.buildNetwork(ctx); err != nil {
		return err
	}
	l.log.Info("network is up")
	var err error
	l.plane, err = controlplane.Start(ctx, controlplane.Options{
		Kube: l.options.Programs.Kube, Host: l.cp, Dir: filepath.Join(stateDirectory, "control-plane"), ServiceCIDRs: serviceCIDRs(),
		Flags: l.options.Flags,
	})
	if err != nil {
		return err
	}
	l.log.Info("control plane is up")
	if err := l.makeClients(); err != nil {
		return err
	}
	failures := make([]error, l.options.Nodes)
	var group sync.WaitGroup
	for i := range l.options.Nodes {
		node := &Node{lab: l, number: i, name: nodeName(i)}
		l.nodes = append(l.nodes, node)
		group.Go(func() { failures[i] = node.Boot(ctx) })
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if err := l.WaitReady(ctx); err != nil {
		return err
	}
	l.log.Info("nodes are ready", "count", len(l.nodes))
	return nil
}

// prepareFiles lays out the state directory: bin/kubectl for shells, and the images.
func (l *Lab) prepareFiles() error {
	bin := filepath.Join(stateDirectory, "bin")
	err := os.MkdirAll(bin, 0o755)
	if err == nil {
		err = os.Symlink(l.options.Programs.Kube, filepath.Join(bin, "kubectl"))
	}
	if err != nil {
		return fmt.Errorf("lab: failed to prepare its files: %w", err)
	}
	images := l.options.Images
	if images == nil {
		if images, err = DefaultImages(l.options.Programs); err != nil {
			return err
		}
	}
	l.images = kubelet.NewImages(images)
	return nil
}

func (l *Lab) buildNetwork(ctx context.Context) (err error) {
	if l.sw, err = network.NewSwitch(ctx, "switch"); err != nil {
		return err
	}
	if l.router, err = l.newHost("tor", routerNumber, true); err != nil {
		return err
	}
	if l.cp, err = l.newHost("cp", controlPlaneNumber, false); err != nil {
		return err
	}
	if l.client, err = l.newHost("client", clientNumber, false); err != nil {
		return err
	}
	for _, prefix := range LoadBalancerPrefixes() {
		if err := l.client.AddRoute(prefix, netip.Addr{}); err != nil {
			return err
		}
	}
	if err := l.buildRemote(ctx); err != nil {
		return err
	}
	// The API server reaches Pods, which serve webhooks, through the nodes they are on.
	return l.addPodRoutes(l.cp)
}

// buildRemote puts a network with one host behind the router.
func (l *Lab) buildRemote(ctx context.Context) (err error) {
	if l.wan, err = network.NewSwitch(ctx, "wan"); err != nil {
		return err
	}
	if err := l.router.Connect(l.wan, "eth1", remoteAddresses(routerNumber)); err != nil {
		return err
	}
	options := network.HostOptions{Name: "remote", MAC: segmentMAC(remoteNumber), Addresses: remoteAddresses(remoteNumber)}
	for _, prefix := range remoteAddresses(routerNumber) {
		options.Gateways = append(options.Gateways, prefix.Addr())
	}
	l.remote, err = network.NewHost(l.wan, options)
	return err
}

func (l *Lab) newHost(name string, number int, forward bool) (*network.Host, error) {
	options := network.HostOptions{Name: name, MAC: segmentMAC(number), Addresses: segmentAddresses(number), Forward: forward}
	if number != routerNumber {
		for _, prefix := range segmentAddresses(routerNumber) {
			options.Gateways = append(options.Gateways, prefix.Addr())
		}
	}
	return network.NewHost(l.sw, options)
}

// addPodRoutes tells a host where the Pods of every node are, except its own.
func (l *Lab) addPodRoutes(host *network.Host) error {
	for node := range l.options.Nodes {
		if host.Name() == nodeName(node) {
			continue
		}
		for i, prefix := range podCIDRs(node) {
			if err := host.AddRoute(prefix, segmentAddresses(firstNodeNumber + node)[i].Addr()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) makeClients() (err error) {
	if l.config, err = l.plane.AdminConfig(); err != nil {
		return err
	}
	if l.clients, err = kubernetes.NewForConfig(l.config); err != nil {
		return fmt.Errorf("lab: failed to make a client: %w", err)
	}
	if l.objects, err = dynamic.NewForConfig(l.config); err != nil {
		return fmt.Errorf("lab: failed to make a client: %w", err)
	}
	return nil
}

// Stop takes the lab down. A program that is about to end need not call it: the sandbox ends everything at once.
func (l *Lab) Stop(ctx context.Context) error {
	var failures []error
	for _, node := range l.nodes {
		failures = append(failures, node.Kill())
	}
	if l.plane != nil {
		l.plane.Stop(ctx)
	}
	for _, host := range []*network.Host{l.client, l.remote, l.router, l.cp} {
		if host != nil {
			host.Close()
		}
	}
	for _, sw := range []*network.Switch{l.sw, l.wan} {
		if sw != nil {
			sw.Close()
		}
	}
	return errors.Join(append(failures, os.RemoveAll(stateDirectory))...)
}

// Clientset returns a client with every right. Its requests come from the control plane's own host, so no fault on the network
// reaches them.
func (l *Lab) Clientset() kubernetes.Interface { return l.clients }

// Dynamic is Clientset for objects without Go types here, such as those of metallb.io.
func (l *Lab) Dynamic() dynamic.Interface { return l.objects }

// APIServer returns the part of the control plane that can be stopped, started and asked who wrote what.
func (l *Lab) APIServer() *controlplane.APIServer { return l.plane.API() }

// Images returns the images that nodes can run, for adding to: an upgrade is a new image and a changed manifest.
func (l *Lab) Images() *kubelet.Images { return l.images }

// Switch returns the middle of the network.
func (l *Lab) Switch() *network.Switch { return l.sw }

// Client returns the host that uses the cluster from outside.
func (l *Lab) Client() *network.Host { return l.client }

// Router returns the top-of-rack router: default gateway of all other hosts.
func (l *Lab) Router() *network.Host { return l.router }

// Remote returns a host on another network, behind the router. It reaches a load balancer's address only if the router has a route to
// it: learned by BGP, or added with Router().AddRoute(prefix, netip.Addr{}) for a prefix that is on the segment.
func (l *Lab) Remote() *network.Host { return l.remote }

// ControlPlane returns the host of the control plane.
func (l *Lab) ControlPlane() *network.Host { return l.cp }

// Nodes returns all nodes, in the order of their names.
func (l *Lab) Nodes() []*Node { return l.nodes }

// Node returns a node by name. It panics if there is none: a misspelt name is a mistake in the program, not an event.
func (l *Lab) Node(name string) *Node {
	for _, node := range l.nodes {
		if node.name == name {
			return node
		}
	}
	panic(fmt.Sprintf("lab: no node %q among %d", name, len(l.nodes)))
}

// Host returns any host by name: a node, cp, client, tor or remote. ok is false if there is none, or a node that is dead.
func (l *Lab) Host(name string) (host *network.Host, ok bool) {
	for _, host := range []*network.Host{l.cp, l.client, l.router, l.remote} {
		if host.Name() == name {
			return host, true
		}
	}
	for _, node := range l.nodes {
		if node.name == name && node.Host() != nil {
			return node.Host(), true
		}
	}
	return nil, false
}

// Partition drops traffic between two sets of hosts, given by name, as cut says, until heal is called.
func (l *Lab) Partition(ctx context.Context, from, to []string, cut network.Cut) (heal func(context.Context) error, err error) {
	return l.sw.Partition(ctx, from, to, cut)
}

// Until calls check, ten times a second, until it reports true. It fails when check does, or when ctx or two minutes end; what names
// the thing waited for.
func (l *Lab) Until(ctx context.Context, what string, check func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := check(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("lab: failed to wait until %s: %w", what, err)
		}
		if done {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("lab: waited in vain until %s: %w", what, context.Cause(ctx))
		}
	}
}
