package kube

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
)

// Process is what controller and speaker have in common.
type Process struct {
	// Namespace holds all configuration objects.
	Namespace string
	// Classes are the loadBalancerClass values to handle; the empty string
	// stands for Services without a class. None given means just those.
	Classes []string
	// MetricsPort serves /metrics over HTTPS to whom the API server lets;
	// 0 serves none.
	MetricsPort int
	// HealthAddress serves /healthz and /readyz over HTTP, host:port.
	HealthAddress string
	// Meter counts; required.
	Meter Meter
	Log   *slog.Logger
}

// Meter counts what every operator of the product watches.
type Meter interface {
	// Update counts one object handled, and whether handling it failed.
	Update(err error)
	// Config tells that the configuration was read, with so many problems.
	Config(problems int)
}

// Handles reports whether Services of that class are this installation's;
// the empty class is that of Services without one.
func (p *Process) Handles(class string) bool {
	if len(p.Classes) == 0 {
		return class == ""
	}
	return slices.Contains(p.Classes, class)
}

// election names the Lease by which one of several controllers is chosen.
const election = "metallb-controller"

// A controller that crashes is replaced once its Lease has run out. Until then
// addresses stay reachable and only new Services wait, so there is no need to
// be hasty; and two controllers at once do no harm, so none to be slow.
const (
	leaseDuration = 8 * time.Second
	renewDeadline = 5 * time.Second
	retryPeriod   = 2 * time.Second
)

// managing is what controller and speaker want of a manager each.
type managing struct {
	// elect lets one of several processes work at a time.
	elect bool
	// ready says what readiness means.
	ready healthz.Checker
	// cached says what the cache keeps of objects that the other never reads.
	cached map[client.Object]cache.ByObject
}

// userAgent is what the API server's audit log calls this program.
func userAgent() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = strings.Trim(info.Main.Version, "()")
	}
	return fmt.Sprintf("clarion-%s/%s (%s/%s)", filepath.Base(os.Args[0]), version, goruntime.GOOS, goruntime.GOARCH)
}

// newManager returns a manager whose cache holds what the product reads and
// nothing more.
func (p *Process) newManager(want managing) (manager.Manager, error) {
	restConfig, err := clientconfig.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("kube: failed to find the API server: %w", err)
	}
	// The API server's priority and fairness decides how fast we may go; a
	// limit of our own only delays bulk changes.
	restConfig.QPS = -1
	restConfig.UserAgent = userAgent()

	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	metrics := metricsserver.Options{BindAddress: "0"}
	if p.MetricsPort != 0 {
		metrics = metricsserver.Options{
			BindAddress:    ":" + strconv.Itoa(p.MetricsPort),
			SecureServing:  true,
			FilterProvider: authorized,
		}
	}
	mapper, err := newMapper(restConfig)
	if err != nil {
		return nil, err
	}
	claims, err := servesClaims(mapper)
	if err != nil {
		return nil, err
	}
	m, err := manager.New(restConfig, manager.Options{
		Scheme:                        scheme,
		MapperProvider:                func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return mapper, nil },
		Cache:                         p.cacheOptions(want.cached, claims),
		Metrics:                       metrics,
		HealthProbeBindAddress:        p.HealthAddress,
		LeaderElection:                want.elect,
		LeaderElectionID:              election,
		LeaderElectionNamespace:       p.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 new(leaseDuration),
		RenewDeadline:                 new(renewDeadline),
		RetryPeriod:                   new(retryPeriod),
	})
	if err != nil {
		return nil, fmt.Errorf("kube: failed to set up the connection to the API server: %w", err)
	}
	if err := m.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("kube: failed to set up /healthz: %w", err)
	}
	if err := m.AddReadyzCheck("synced", want.ready); err != nil {
		return nil, fmt.Errorf("kube: failed to set up /readyz: %w", err)
	}
	return m, nil
}

// newMapper returns what knows which kinds the API server has.
func newMapper(restConfig *rest.Config) (meta.RESTMapper, error) {
	client, err := rest.HTTPClientFor(restConfig)
	if err != nil {
		return nil, fmt.Errorf("kube: failed to set up the connection to the API server: %w", err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(restConfig, client)
	if err != nil {
		return nil, fmt.Errorf("kube: failed to set up the connection to the API server: %w", err)
	}
	return mapper, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1beta1.AddToScheme, v1beta2.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("kube: failed to register types: %w", err)
		}
	}
	return scheme, nil
}

// cacheOptions keep the memory of the cache proportional to what is read: one
// namespace of configuration, and no part of an object that no one looks at.
// Claims may only be named where the API server has them.
func (p *Process) cacheOptions(own map[client.Object]cache.ByObject, claims bool) cache.Options {
	here := p.here()
	all := map[client.Object]cache.ByObject{
		&v1beta1.IPAddressPool{}:      {Namespaces: here},
		&v1beta1.L2Advertisement{}:    {Namespaces: here},
		&v1beta1.BGPAdvertisement{}:   {Namespaces: here},
		&v1beta2.BGPPeer{}:            {Namespaces: here},
		&v1beta1.Community{}:          {Namespaces: here},
		&v1beta1.BFDProfile{}:         {Namespaces: here},
		&v1beta1.ConfigurationState{}: {Namespaces: here},
		&corev1.Pod{}:                 {Namespaces: here},
		&corev1.Node{}:                {Transform: trimNode},
		&corev1.Namespace{}:           {Transform: cache.TransformStripManagedFields()},
		&discoveryv1.EndpointSlice{}:  {Transform: trimEndpointSlice},
	}
	if claims {
		all[&networkingv1.IPAddress{}] = cache.ByObject{Label: labels.SelectorFromSet(labels.Set{labelManagedBy: managedByUs})}
	}
	maps.Copy(all, own)
	return cache.Options{DefaultTransform: cache.TransformStripManagedFields(), ByObject: all}
}

// here is the one namespace that holds all configuration.
func (p *Process) here() map[string]cache.Config {
	return map[string]cache.Config{p.Namespace: {}}
}
