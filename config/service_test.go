package config_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// addrText makes cmp show addresses as text.
var addrText = cmp.Transformer("text", netip.Addr.String)

func TestParseService(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, yaml string
		want       config.Service
	}{
		{
			name: "the guide's",
			yaml: `
metadata:
  name: trading-api
  namespace: default
  labels: {tier: premium}
  annotations:
    metallb.universe.tf/address-pool: premium-ips
spec:
  type: LoadBalancer
  selector: {app: trading-api}
  clusterIPs: [10.96.0.7]
  ipFamilyPolicy: SingleStack
  externalTrafficPolicy: Cluster
  ports: [{port: 443, targetPort: 8443, protocol: TCP}]
status: {}
`,
			want: config.Service{
				Name:         types.NamespacedName{Namespace: "default", Name: "trading-api"},
				LoadBalancer: true,
				Labels:       labels.Set{"tier": "premium"},
				Families:     []config.Family{config.IPv4},
				Ports:        []config.Port{{Protocol: "TCP", Number: 443}},
				Selector:     "app=trading-api",
				WantPool:     "premium-ips",
			},
		},
		{
			name: "everything at once",
			yaml: `
metadata:
  name: web
  namespace: shop
  annotations:
    metallb.io/address-pool: prod
    metallb.io/loadBalancerIPs: "2001:db8::7, 192.0.2.7"
    metallb.io/allow-shared-ip: front
    metallb.io/ip-allocated-from-pool: prod
spec:
  type: LoadBalancer
  loadBalancerClass: example.com/lb
  selector: {b: "2", a: "1"}
  clusterIPs: ["fd00::9", 10.96.0.9]
  ipFamilyPolicy: RequireDualStack
  externalTrafficPolicy: Local
  ports:
  - {port: 53, protocol: UDP}
  - {port: 443, protocol: TCP}
  - {port: 53, protocol: TCP}
  - {port: 80}
status:
  loadBalancer:
    ingress: [{ip: "2001:db8::7"}, {ip: 192.0.2.7}]
`,
			want: config.Service{
				Name:         types.NamespacedName{Namespace: "shop", Name: "web"},
				LoadBalancer: true, Class: "example.com/lb",
				Families: []config.Family{config.IPv6, config.IPv4}, Policy: config.RequireDualStack,
				Ports: []config.Port{{"TCP", 53}, {"TCP", 80}, {"TCP", 443}, {"UDP", 53}},
				Local: true, Selector: "a=1,b=2",
				WantPool: "prod", WantAddresses: addrsOf("192.0.2.7 2001:db8::7"),
				SharingKey: "front", HasSharingKey: true,
				Addresses: addrsOf("2001:db8::7 192.0.2.7"), FromPool: "prod",
			},
		},
		{
			name: "another type, and nothing else",
			yaml: "spec: {type: ClusterIP, clusterIP: None, clusterIPs: [None]}",
			want: config.Service{},
		},
		{
			name: "ClusterIP where ClusterIPs are missing",
			yaml: "spec: {type: NodePort, clusterIP: 10.96.0.9, ipFamilyPolicy: PreferDualStack}",
			want: config.Service{Families: []config.Family{config.IPv4}, Policy: config.PreferDualStack},
		},
		{
			name: "only hostnames in status is no address",
			yaml: "status: {loadBalancer: {ingress: [{hostname: lb.example.com}]}}",
			want: config.Service{},
		},
		{
			name: "status keeps its order, each address once, IPv4-mapped is IPv4",
			yaml: `status: {loadBalancer: {ingress: [{ip: "2001:DB8:0::1"}, {ip: "::ffff:192.0.2.1"}, {hostname: x.example.com, ip: 192.0.2.1}]}}`,
			want: config.Service{Addresses: addrsOf("2001:db8::1 192.0.2.1")},
		},
		{
			name: "the allocated-from annotation is known by its new prefix only",
			yaml: "metadata: {annotations: {metallb.universe.tf/ip-allocated-from-pool: old}}",
			want: config.Service{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			svc := decode[corev1.Service](t, []byte(tt.yaml))
			got := config.ParseService(&svc)
			if diff := cmp.Diff(tt.want, got, addrText, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ParseService (-want +got):\n%s", diff)
			}
		})
	}
}

// TestServiceWishes covers the two prefixes, the two places of an address
// request, and what is said when a wish cannot be read.
func TestServiceWishes(t *testing.T) {
	t.Parallel()

	type wishes struct {
		Pool, Addresses, Key string
		HasKey               bool
		Problems             []string
	}
	tests := []struct {
		name           string
		annotations    map[string]string
		loadBalancerIP string
		want           wishes
	}{
		{name: "none"},
		{
			name: "new prefix",
			annotations: map[string]string{
				"metallb.io/address-pool": "a", "metallb.io/loadBalancerIPs": "192.0.2.1", "metallb.io/allow-shared-ip": "k",
			},
			want: wishes{Pool: "a", Addresses: "192.0.2.1", Key: "k", HasKey: true},
		},
		{
			name: "old prefix",
			annotations: map[string]string{
				"metallb.universe.tf/address-pool": "a", "metallb.universe.tf/loadBalancerIPs": "192.0.2.1",
				"metallb.universe.tf/allow-shared-ip": "k",
			},
			want: wishes{Pool: "a", Addresses: "192.0.2.1", Key: "k", HasKey: true},
		},
		{
			name: "the new prefix wins",
			annotations: map[string]string{
				"metallb.io/address-pool": "new", "metallb.universe.tf/address-pool": "old",
				"metallb.io/allow-shared-ip": "new", "metallb.universe.tf/allow-shared-ip": "old",
				"metallb.io/loadBalancerIPs": "192.0.2.1", "metallb.universe.tf/loadBalancerIPs": "nonsense",
			},
			want: wishes{Pool: "new", Addresses: "192.0.2.1", Key: "new", HasKey: true},
		},
		{
			name: "the new prefix wins even when empty",
			annotations: map[string]string{
				"metallb.io/address-pool": "", "metallb.universe.tf/address-pool": "old",
				"metallb.io/allow-shared-ip": "", "metallb.universe.tf/allow-shared-ip": "old",
				"metallb.io/loadBalancerIPs": "", "metallb.universe.tf/loadBalancerIPs": "192.0.2.1",
			},
			want: wishes{HasKey: true},
		},
		{name: "spec.loadBalancerIP", loadBalancerIP: "192.0.2.1", want: wishes{Addresses: "192.0.2.1"}},
		{
			name:           "spec.loadBalancerIP beside an empty annotation",
			annotations:    map[string]string{"metallb.io/loadBalancerIPs": ""},
			loadBalancerIP: "192.0.2.1",
			want:           wishes{Addresses: "192.0.2.1"},
		},
		{
			name:           "both places contradict each other, even when they agree",
			annotations:    map[string]string{"metallb.io/loadBalancerIPs": "192.0.2.1"},
			loadBalancerIP: "192.0.2.1",
			want: wishes{Problems: []string{
				`Service web: metadata.annotations[metallb.io/loadBalancerIPs]: invalid value "192.0.2.1": contradicts spec.loadBalancerIP 192.0.2.1: set one of them`,
			}},
		},
		{
			name:        "two addresses, sorted, without blanks",
			annotations: map[string]string{"metallb.io/loadBalancerIPs": " 2001:DB8::0001 ,\t192.0.2.1 "},
			want:        wishes{Addresses: "192.0.2.1 2001:db8::1"},
		},
		{
			name:        "one address written in two ways",
			annotations: map[string]string{"metallb.io/loadBalancerIPs": "192.0.2.1,::ffff:192.0.2.1"},
			want:        wishes{Addresses: "192.0.2.1"},
		},
		{
			name:        "one bad address spoils the request",
			annotations: map[string]string{"metallb.universe.tf/loadBalancerIPs": "192.0.2.1,192.0.2.300"},
			want: wishes{Problems: []string{
				`Service web: metadata.annotations[metallb.universe.tf/loadBalancerIPs]: invalid value "192.0.2.1,192.0.2.300": "192.0.2.300" is not an IP address`,
			}},
		},
		{
			name:        "a comma too many",
			annotations: map[string]string{"metallb.io/loadBalancerIPs": "192.0.2.1,"},
			want: wishes{Problems: []string{
				`Service web: metadata.annotations[metallb.io/loadBalancerIPs]: invalid value "192.0.2.1,": "" is not an IP address`,
			}},
		},
		{
			name:           "an address with a zone",
			loadBalancerIP: "fe80::1%eth0",
			want: wishes{Problems: []string{
				`Service web: spec.loadBalancerIP: invalid value "fe80::1%eth0": "fe80::1%eth0" is not an IP address`,
			}},
		},
		{
			name:           "spec.loadBalancerIP holds one address",
			loadBalancerIP: "192.0.2.1,2001:db8::1",
			want: wishes{Problems: []string{
				`Service web: spec.loadBalancerIP: invalid value "192.0.2.1,2001:db8::1": "192.0.2.1,2001:db8::1" is not an IP address`,
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			var svc corev1.Service
			svc.Name, svc.Annotations, svc.Spec.LoadBalancerIP = "web", tt.annotations, tt.loadBalancerIP
			s := config.ParseService(&svc)
			got := wishes{Pool: s.WantPool, Key: s.SharingKey, HasKey: s.HasSharingKey, Problems: texts(s.Problems)}
			for i, a := range s.WantAddresses {
				if i > 0 {
					got.Addresses += " "
				}
				got.Addresses += a.String()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("wishes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServiceWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()

	svc := decode[corev1.Service](t, []byte(`
metadata: {name: web, namespace: shop}
spec:
  clusterIPs: [10.96.0.300, "fd00::9"]
status:
  loadBalancer:
    ingress: [{ip: nowhere}, {ip: 192.0.2.1}]
`))
	got := config.ParseService(&svc)
	want := []config.Problem{
		{Kind: "Service", Namespace: "shop", Name: "web", Field: "spec.clusterIPs", Value: "10.96.0.300", Reason: `"10.96.0.300" is not an IP address`},
		{Kind: "Service", Namespace: "shop", Name: "web", Field: "status.loadBalancer.ingress", Value: "nowhere", Reason: `"nowhere" is not an IP address`},
	}
	if diff := cmp.Diff(want, got.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]config.Family{config.IPv6}, got.Families); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(addrsOf("192.0.2.1"), got.Addresses, addrText); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestBackendKey(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name string
		svc  config.Service
		want string
	}{
		{"Cluster", config.Service{Selector: "app=web"}, ""},
		{"Local", config.Service{Selector: "app=web", Local: true}, "app=web"},
		{"Local without selector shares like Cluster", config.Service{Local: true}, ""},
	} {
		if got := tt.svc.BackendKey(); got != tt.want {
			t.Errorf("%s: BackendKey() = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDeprecatedAnnotations(t *testing.T) {
	t.Parallel()

	var svc corev1.Service
	svc.Annotations = map[string]string{
		"metallb.universe.tf/loadBalancerIPs": "", "metallb.universe.tf/address-pool": "a",
		"metallb.io/address-pool": "b", "example.com/metallb.universe.tf": "c",
	}
	want := []string{"metallb.universe.tf/address-pool", "metallb.universe.tf/loadBalancerIPs"}
	got := config.DeprecatedAnnotations(&svc)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DeprecatedAnnotations (-want +got):\n%s", diff)
	}
	if got := config.Renamed(got[0]); got != "metallb.io/address-pool" {
		t.Errorf("Renamed = %s", got)
	}
}
