package config

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// The annotations of a Service, without prefix. MetalLB's old prefix is read
// as well as the new one; only the new one is written.
const (
	annotationPool      = "address-pool"
	annotationAddresses = "loadBalancerIPs"
	annotationSharing   = "allow-shared-ip"
	annotationMode      = "ip-mode"

	annotationPrefix           = "metallb.io/"
	annotationPrefixDeprecated = "metallb.universe.tf/"

	// AnnotationAllocatedFrom names the pool a Service's addresses came from.
	AnnotationAllocatedFrom = annotationPrefix + "ip-allocated-from-pool"
)

// FamilyPolicy is how many families a Service asks for.
type FamilyPolicy uint8

// The policies of spec.ipFamilyPolicy; a Service that has none is single-stack.
const (
	SingleStack FamilyPolicy = iota
	PreferDualStack
	RequireDualStack
)

// Port is one (protocol, port) pair of a Service. Protocol is TCP, UDP or SCTP.
type Port struct {
	Protocol string
	Number   uint16
}

// Service is what addresses and announcements depend on of one Service.
type Service struct {
	Name types.NamespacedName
	// LoadBalancer is set for spec.type LoadBalancer; other Services are only
	// looked at to clean up after them.
	LoadBalancer bool
	// Class is spec.loadBalancerClass; empty when there is none.
	Class  string
	Labels labels.Set

	// Families are those of the ClusterIPs, primary first; none while the
	// Service has no ClusterIP.
	Families []Family
	Policy   FamilyPolicy
	// Ports are sorted and without duplicates.
	Ports []Port
	// Local is set for externalTrafficPolicy Local.
	Local bool
	// Selector is spec.selector as sorted k=v pairs joined by commas.
	Selector string

	// WantPool names the pool the Service asks for; empty for none.
	WantPool string
	// WantAddresses are the addresses it asks for, sorted; empty for none.
	WantAddresses []netip.Addr
	// SharingKey lets Services share an address; empty for none.
	SharingKey string
	// Proxy is set when the Service asks that kube-proxy leaves its addresses to
	// the load balancer (ipMode Proxy); otherwise the API server says.
	Proxy bool
	// HasSharingKey is set when the sharing annotation exists, even empty.
	HasSharingKey bool

	// Addresses are those in status.loadBalancer, in its order and each once:
	// what the Service holds, whoever wrote it.
	Addresses []netip.Addr
	// FromPool is the pool they came from as annotated; may be empty or stale.
	FromPool string

	// Problems say which of the wishes above could not be read.
	Problems []Problem
}

// ParseService reads one Service. What cannot be read is left out and listed
// in the Problems of the result.
func ParseService(svc *corev1.Service) Service {
	s := Service{
		Name:         types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name},
		LoadBalancer: svc.Spec.Type == corev1.ServiceTypeLoadBalancer,
		Labels:       svc.Labels,
		Local:        svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal,
		Selector:     labels.Set(svc.Spec.Selector).String(),
		FromPool:     svc.Annotations[AnnotationAllocatedFrom],
	}
	if svc.Spec.LoadBalancerClass != nil {
		s.Class = *svc.Spec.LoadBalancerClass
	}
	if svc.Spec.IPFamilyPolicy != nil {
		switch *svc.Spec.IPFamilyPolicy {
		case corev1.IPFamilyPolicyPreferDualStack:
			s.Policy = PreferDualStack
		case corev1.IPFamilyPolicyRequireDualStack:
			s.Policy = RequireDualStack
		case corev1.IPFamilyPolicySingleStack:
		}
	}
	for _, p := range svc.Spec.Ports {
		protocol := cmp.Or(p.Protocol, corev1.ProtocolTCP)
		s.Ports = append(s.Ports, Port{Protocol: string(protocol), Number: uint16(p.Port)})
	}
	slices.SortFunc(s.Ports, comparePorts)
	s.Ports = slices.Compact(s.Ports)

	ps := problems{kind: "Service", meta: &svc.ObjectMeta}
	s.Families = ps.clusterFamilies(svc)
	_, s.WantPool, _ = annotation(svc, annotationPool)
	_, s.SharingKey, s.HasSharingKey = annotation(svc, annotationSharing)
	s.WantAddresses = ps.wantAddresses(svc)
	s.Proxy = ps.proxy(svc)
	s.Addresses = ps.ingress(svc)
	s.Problems = ps.found
	return s
}

// BackendKey tells which Services may share an address: the same selector
// when externalTrafficPolicy is Local, any otherwise.
func (s *Service) BackendKey() string {
	if s.Local {
		return s.Selector
	}
	return ""
}

// annotation reads an annotation by its suffix and tells the key it stands
// under. The new prefix wins if the key exists at all, even empty: an empty
// value is how a user takes a wish back.
func annotation(svc *corev1.Service, suffix string) (key, value string, exists bool) {
	for _, prefix := range []string{annotationPrefix, annotationPrefixDeprecated} {
		if value, exists = svc.Annotations[prefix+suffix]; exists {
			return prefix + suffix, value, true
		}
	}
	return "", "", false
}

// IsAnnotation reports whether an annotation of a Service is read here, under
// either prefix.
func IsAnnotation(key string) bool {
	return strings.HasPrefix(key, annotationPrefix) || strings.HasPrefix(key, annotationPrefixDeprecated)
}

// DeprecatedAnnotations lists the keys of a Service that carry MetalLB's old
// prefix, sorted.
func DeprecatedAnnotations(svc *corev1.Service) []string {
	var keys []string
	for k := range svc.Annotations {
		if strings.HasPrefix(k, annotationPrefixDeprecated) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Renamed returns the key to use instead of a deprecated annotation's.
func Renamed(key string) string {
	return annotationPrefix + strings.TrimPrefix(key, annotationPrefixDeprecated)
}

// clusterFamilies reads the families of the ClusterIPs; a headless Service
// ("None") and one the API server has not finished have none.
func (p *problems) clusterFamilies(svc *corev1.Service) []Family {
	ips := svc.Spec.ClusterIPs
	if len(ips) == 0 && svc.Spec.ClusterIP != "" {
		ips = []string{svc.Spec.ClusterIP}
	}
	var out []Family
	for _, text := range ips {
		if text == "" || text == corev1.ClusterIPNone {
			continue
		}
		a, err := parseAddr(text)
		if err != nil {
			p.add("spec.clusterIPs", text, err.Error())
			continue
		}
		if f := FamilyOf(a); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// wantAddresses reads the requested addresses from whichever of the two
// places names them; both at once contradict each other.
func (p *problems) wantAddresses(svc *corev1.Service) []netip.Addr {
	key, text, _ := annotation(svc, annotationAddresses)
	field, list := "metadata.annotations["+key+"]", strings.Split(text, ",")
	if one := svc.Spec.LoadBalancerIP; one != "" {
		if text != "" {
			p.add(field, text, "contradicts spec.loadBalancerIP "+one+": set one of them")
			return nil
		}
		field, text, list = "spec.loadBalancerIP", one, []string{one}
	}
	if text == "" {
		return nil
	}
	var out []netip.Addr
	for _, part := range list {
		a, err := parseAddr(strings.TrimSpace(part))
		if err != nil {
			p.add(field, text, err.Error())
			return nil
		}
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// proxy reads the wish for an ipMode.
func (p *problems) proxy(svc *corev1.Service) bool {
	key, text, _ := annotation(svc, annotationMode)
	switch corev1.LoadBalancerIPMode(text) {
	case corev1.LoadBalancerIPModeProxy:
		return true
	case corev1.LoadBalancerIPModeVIP, "":
		return false
	default:
		p.add("metadata.annotations["+key+"]", text, "must be VIP or Proxy")
		return false
	}
}

// ingress reads the addresses in status. Hostnames are another controller's
// way of saying it and count as no address.
func (p *problems) ingress(svc *corev1.Service) []netip.Addr {
	var out []netip.Addr
	for _, in := range svc.Status.LoadBalancer.Ingress {
		if in.IP == "" {
			continue
		}
		a, err := parseAddr(in.IP)
		if err != nil {
			p.add("status.loadBalancer.ingress", in.IP, err.Error())
			continue
		}
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Number, b.Number))
}
