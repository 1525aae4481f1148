package lab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// webPort is where the Pods of a Workload listen, TCP and UDP.
const webPort = 8080

// Workload is a Deployment of web servers and a Service of the same name in front of it.
type Workload struct {
	Namespace   string             // "" means default
	Name        string             // required
	Replicas    int32              // 0 means one
	Nodes       []string           // where the Pods may run; nil means anywhere
	Type        corev1.ServiceType // "" means LoadBalancer
	Annotations map[string]string  // of the Service
	Port        int32              // of the Service, TCP and UDP; 0 means 80
	Local       bool               // externalTrafficPolicy: Local
	Families    []corev1.IPFamily  // nil means IPv4; two ask for both
	// Of is the name of another workload whose Pods the Service selects; then there is no Deployment. It makes many Services cheap.
	Of string
}

// AddWorkload makes a workload and returns when its Pods are ready. It does not wait for an address: see WaitAddresses.
func (l *Lab) AddWorkload(ctx context.Context, w Workload) error {
	if w.Namespace == "" {
		w.Namespace = metav1.NamespaceDefault
	}
	if _, err := l.clients.CoreV1().Services(w.Namespace).Create(ctx, w.service(), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("lab: failed to make workload %s: %w", w.Name, err)
	}
	if w.Of != "" {
		return nil
	}
	if _, err := l.clients.AppsV1().Deployments(w.Namespace).Create(ctx, w.deployment(), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("lab: failed to make workload %s: %w", w.Name, err)
	}
	return l.WaitWorkload(ctx, w.Namespace, w.Name)
}

// WaitWorkload waits until as many Pods of a Deployment are ready as it asks for, and no others are left.
func (l *Lab) WaitWorkload(ctx context.Context, namespace, name string) error {
	return l.Until(ctx, "the Pods of "+name+" are ready", func(ctx context.Context) (bool, error) {
		deployment, err := l.clients.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		status := deployment.Status
		return status.ObservedGeneration == deployment.Generation && status.ReadyReplicas == *deployment.Spec.Replicas &&
			status.UpdatedReplicas == status.ReadyReplicas && status.Replicas == status.ReadyReplicas, nil
	})
}

// MoveWorkload makes the Pods of a workload run on the given nodes, and returns when they do.
func (l *Lab) MoveWorkload(ctx context.Context, namespace, name string, nodes []string) error {
	deployments := l.clients.AppsV1().Deployments(namespace)
	deployment, err := deployments.Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		deployment.Spec.Template.Spec.Affinity = onNodes(nodes)
		_, err = deployments.Update(ctx, deployment, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("lab: failed to move workload %s: %w", name, err)
	}
	return l.WaitWorkload(ctx, namespace, name)
}

// WaitAddresses waits until a Service has as many load-balancer addresses as families, and returns them, IPv4 first.
func (l *Lab) WaitAddresses(ctx context.Context, namespace, name string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	err := l.Until(ctx, "Service "+name+" has its addresses", func(ctx context.Context) (bool, error) {
		service, err := l.clients.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		addresses = Addresses(service)
		return len(addresses) == len(service.Spec.IPFamilies), nil
	})
	return addresses, err
}

// Addresses returns the load-balancer addresses of a Service, IPv4 first; none while it is pending.
func Addresses(service *corev1.Service) []netip.Addr {
	var addresses []netip.Addr
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if addr, err := netip.ParseAddr(ingress.IP); err == nil {
			addresses = append(addresses, addr)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return addresses
}

func (w Workload) service() *corev1.Service {
	selected := w.Name
	if w.Of != "" {
		selected = w.Of
	}
	port := w.Port
	if port == 0 {
		port = 80
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name, Annotations: w.Annotations},
		Spec: corev1.ServiceSpec{
			Type:       corev1.ServiceTypeLoadBalancer,
			Selector:   map[string]string{"app": selected},
			IPFamilies: w.Families,
			Ports: []corev1.ServicePort{
				{Name: "tcp", Protocol: corev1.ProtocolTCP, Port: port, TargetPort: intstr.FromInt32(webPort)},
				{Name: "udp", Protocol: corev1.ProtocolUDP, Port: port, TargetPort: intstr.FromInt32(webPort)},
			},
		},
	}
	if w.Type != "" {
		service.Spec.Type = w.Type
	}
	if w.Local {
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}
	if len(w.Families) == 2 {
		service.Spec.IPFamilyPolicy = new(corev1.IPFamilyPolicyRequireDualStack)
	}
	return service
}

func (w Workload) deployment() *appsv1.Deployment {
	labels := map[string]string{"app": w.Name}
	pod := corev1.PodSpec{
		// A Pod that a test removes should be gone at once, not after it has been polite.
		TerminationGracePeriodSeconds: new(int64(2)),
		AutomountServiceAccountToken:  new(false),
		Containers: []corev1.Container{{
			Name:  "web",
			Image: WebImage,
			Ports: []corev1.ContainerPort{
				{ContainerPort: webPort, Protocol: corev1.ProtocolTCP}, {ContainerPort: webPort, Protocol: corev1.ProtocolUDP},
			},
			ReadinessProbe: &corev1.Probe{
				ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(webPort)}},
				PeriodSeconds: 1,
			},
		}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		}},
	}
	if len(w.Nodes) > 0 {
		pod.Affinity = onNodes(w.Nodes)
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: w.Name},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(max(w.Replicas, 1)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod},
		},
	}
}

// onNodes binds Pods to the nodes with these names.
func onNodes(names []string) *corev1.Affinity {
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: names}},
		}}},
	}}
}
