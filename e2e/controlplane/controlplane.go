package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/process"
)

// port of the API server, on every address of its host.
const port = "6443"

// Options describe a control plane. All fields but the last are required.
type Options struct {
	Kube         string         // the program made from cmd/kube
	Host         *network.Host  // where it runs
	Dir          string         // for keys, logs and the database; must not exist yet
	ServiceCIDRs []netip.Prefix // IPv4 first

	Flags map[string][]string // in addition, by program
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	options   Options
	authority *authority
	etcd      *process.Process
	api       *APIServer
}

// Start starts a control plane and returns when its API is ready.
func Start(ctx context.Context, options Options) (*ControlPlane, error) {
	if err := os.MkdirAll(options.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("controlplane: failed to make its directory: %w", err)
	}
	c := &ControlPlane{options: options}
	if err := c.start(ctx); err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context) error {
	if err := c.makeIdentities(); err != nil {
		return err
	}
	var err error
	if c.etcd, err = c.run("etcd", etcdFlags(c.options.Dir)); err != nil { //nolint:contextcheck // it outlives the call that starts it
		return err
	}
	c.api = &APIServer{plane: c}
	return c.api.Start(ctx)
}

// makeIdentities makes the authority, the API server's certificate and a kubeconfig file for everyone who lives on this host.
func (c *ControlPlane) makeIdentities() (err error) {
	if c.authority, err = newAuthority(c.options.Dir); err != nil {
		return err
	}
	server := subject{
		user: "kube-apiserver", server: true,
		dns: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		ips: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()},
	}
	for _, v6 := range []bool{false, true} {
		server.ips = append(server.ips, c.options.Host.Address(v6))
	}
	for _, prefix := range c.options.ServiceCIDRs {
		// The first address of the range is the Service named kubernetes.
		server.ips = append(server.ips, prefix.Addr().Next())
	}
	if err := c.authority.issueFiles("apiserver", server); err != nil {
		return err
	}
	if err := c.authority.issueFiles("kubelet-client", subject{user: "kube-apiserver-kubelet-client", group: "system:masters"}); err != nil {
		return err
	}
	if err := c.authority.signingKey("service-account"); err != nil {
		return err
	}
	for file, s := range map[string]subject{
		"admin": {user: "kubernetes-admin", group: "system:masters"},
		// In system:masters so that its controllers may share one identity instead of a ServiceAccount each.
		"kube-controller-manager": {user: "system:kube-controller-manager", group: "system:masters"},
		"kube-scheduler":          {user: "system:kube-scheduler"},
		"kube-proxy":              {user: "system:kube-proxy"},
	} {
		if err := c.writeKubeconfig(file, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *ControlPlane) writeKubeconfig(name string, s subject) error {
	identity, err := c.authority.issue(s)
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: c.URL(), CertificateAuthorityData: c.authority.pem()}
	config.AuthInfos[s.user] = &clientcmdapi.AuthInfo{ClientCertificateData: identity.Certificate, ClientKeyData: identity.Key}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: s.user}
	config.CurrentContext = "lab"
	if err := clientcmd.WriteToFile(*config, c.Kubeconfig(name)); err != nil {
		return fmt.Errorf("controlplane: failed to write the kubeconfig of %s: %w", name, err)
	}
	return nil
}

// run starts one program of the control plane on its host.
func (c *ControlPlane) run(name string, flags []string) (*process.Process, error) {
	return process.Start(process.Options{
		Name:    name,
		Args:    slices.Concat([]string{c.options.Kube, name}, flags, c.options.Flags[name]),
		LogFile: c.LogFile(name),
		Start:   c.options.Host.Start,
	})
}

// URL is how every host of the network reaches the API.
func (c *ControlPlane) URL() string {
	return "https://" + net.JoinHostPort(c.options.Host.Address(false).String(), port)
}

// Kubeconfig returns the path of a kubeconfig file: "admin" or "kube-proxy".
func (c *ControlPlane) Kubeconfig(name string) string {
	return filepath.Join(c.options.Dir, name+".kubeconfig")
}

// LogFile returns the path of a program's log: "etcd", "kube-apiserver", "kube-controller-manager" or "kube-scheduler".
func (c *ControlPlane) LogFile(name string) string {
	return filepath.Join(c.options.Dir, "logs", name+".log")
}

// API returns the API server.
func (c *ControlPlane) API() *APIServer { return c.api }

// AdminConfig returns a client configuration that may do everything. Its connections start on the control plane's own host, so
// no fault on the network reaches them.
func (c *ControlPlane) AdminConfig() (*rest.Config, error) {
	return c.config(subject{user: "kubernetes-admin", group: "system:masters"}, c.options.Host)
}

// Node is what a node needs to join the cluster.
type Node struct {
	Config  *rest.Config // as the node, from the node
	Serving Identity     // for the node's own HTTPS endpoint
	CA      []byte       // who signs the API server's certificate, and clients'
}

// NodeIdentity returns what the node that lives on the host needs to join the cluster.
func (c *ControlPlane) NodeIdentity(host *network.Host) (Node, error) {
	user := "system:node:" + host.Name()
	config, err := c.config(subject{user: user, group: "system:nodes"}, host)
	if err != nil {
		return Node{}, err
	}
	serving, err := c.authority.issue(subject{
		user: user, group: "system:nodes", server: true, dns: []string{host.Name()},
		ips: []netip.Addr{host.Address(false), host.Address(true)},
	})
	return Node{Config: config, Serving: serving, CA: c.authority.pem()}, err
}

func (c *ControlPlane) config(s subject, from *network.Host) (*rest.Config, error) {
	identity, err := c.authority.issue(s)
	if err != nil {
		return nil, err
	}
	return &rest.Config{
		Host: c.URL(),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.authority.pem(), CertData: identity.Certificate, KeyData: identity.Key,
		},
		Dial: from.DialContext,
		QPS:  -1, // the API server's own fairness is limit enough
	}, nil
}

// Stop ends the control plane, politely.
func (c *ControlPlane) Stop(ctx context.Context) {
	c.api.Stop(ctx)
	c.etcd.Stop(ctx, 2*time.Second)
}

// Kill ends whatever runs of the control plane, at once.
func (c *ControlPlane) Kill() {
	if c.api != nil {
		c.api.Kill()
	}
	if c.etcd != nil {
		c.etcd.Kill()
	}
}
