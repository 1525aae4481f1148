package kube

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/config"
)

// TestTrimService: what a speaker asks of a Service is the same after most of it
// is gone.
func TestTrimService(t *testing.T) {
	t.Parallel()

	class := "example.org/own"
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "web", UID: "u-1", ResourceVersion: "7", Generation: 1,
			Labels: map[string]string{"tier": "front"},
			Annotations: map[string]string{
				config.AnnotationAllocatedFrom:        "premium",
				"metallb.universe.tf/allow-shared-ip": "",
				corev1.LastAppliedConfigAnnotation:    `{"much": "text"}`,
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
	// What no announcement depends on may be gone.
	want := before
	want.Families, want.Policy, want.Ports, want.Selector = nil, 0, nil, ""
	if diff := cmp.Diff(want, config.ParseService(svc), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !want.HasSharingKey || want.FromPool == "" || !want.Local || len(want.Addresses) == 0 || len(want.Labels) == 0 || want.Class == "" {
		t.Errorf("the Service tries too little: %+v", want)
	}
	if svc.UID == "" || svc.ResourceVersion == "" || len(svc.Annotations) != 2 || svc.ManagedFields != nil || svc.Spec.Ports != nil {
		t.Errorf("%+v", svc)
	}
}
