package kube

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// TestTrimService: what a speaker asks of a Service is the same after most of it
// is gone.
func TestTrimService(t *testing.T) {
	t.Parallel()

	class, rank := "example.org/own", int64(1)
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "web", UID: "u-1", ResourceVersion: "7", Generation: rank,
			Labels: map[string]string{"tier": "front"},
			Annotations: map[string]string{
				config.AnnotationAllocatedFrom:     "premium",
				corev1.LastAppliedConfigAnnotation: `{"much": "text"}`,
			},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class,
			ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
			Ports:                 []corev1.ServicePort{{Port: 80}}, Selector: map[string]string{"app": "web"},
			ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1"},
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.1"}}}},
	}
	before := config.ParseService(svc)
	trimmed, err := trimService(svc)
	if err != nil || trimmed != any(svc) {
		t.Fatal(trimmed, err)
	}
	want := config.Service{
		Name: types.NamespacedName{Namespace: "default", Name: "web"}, LoadBalancer: true, Class: class,
		Labels: before.Labels, Local: true, Addresses: before.Addresses, FromPool: "premium",
	}
	if diff := cmp.Diff(want, config.ParseService(svc), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if svc.UID == "" || svc.ResourceVersion == "" || len(svc.Annotations) != 1 || svc.ManagedFields != nil || svc.Spec.Ports != nil {
		t.Errorf("%+v", svc)
	}
	if svc.Labels["tier"] != "front" {
		t.Error("serviceSelectors look at labels")
	}
}
