package kube

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// trimNode drops what makes Node objects big and busy: images, volumes,
// capacity, addresses, and of the conditions all but two and their heartbeats.
func trimNode(obj any) (any, error) {
	if n, ok := obj.(*corev1.Node); ok {
		var kept []corev1.NodeCondition
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeNetworkUnavailable || c.Type == corev1.NodeReady {
				kept = append(kept, corev1.NodeCondition{Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message})
			}
		}
		n.Status = corev1.NodeStatus{Conditions: kept}
		n.Spec = corev1.NodeSpec{Unschedulable: n.Spec.Unschedulable, Taints: n.Spec.Taints}
		n.ManagedFields = nil
		maps.DeleteFunc(n.Annotations, func(name, _ string) bool { return !strings.HasPrefix(name, v1beta1.GroupVersion.Group+"/") })
	}
	return obj, nil
}

// trimService keeps what a speaker reads of a Service. It writes none.
func trimService(obj any) (any, error) {
	if s, ok := obj.(*corev1.Service); ok {
		annotations := s.Annotations
		maps.DeleteFunc(annotations, func(key, _ string) bool { return !config.IsAnnotation(key) })
		s.ObjectMeta = identity(&s.ObjectMeta, s.Labels)
		s.Annotations = annotations
		s.Spec = corev1.ServiceSpec{
			Type: s.Spec.Type, LoadBalancerClass: s.Spec.LoadBalancerClass, ExternalTrafficPolicy: s.Spec.ExternalTrafficPolicy,
		}
		s.Status.Conditions = nil
	}
	return obj, nil
}

// trimEndpointSlice keeps of each endpoint its node and conditions.
func trimEndpointSlice(obj any) (any, error) {
	if s, ok := obj.(*discoveryv1.EndpointSlice); ok {
		s.ObjectMeta = identity(&s.ObjectMeta, map[string]string{discoveryv1.LabelServiceName: s.Labels[discoveryv1.LabelServiceName]})
		for i, e := range s.Endpoints {
			s.Endpoints[i] = discoveryv1.Endpoint{NodeName: e.NodeName, Conditions: e.Conditions}
		}
		s.Ports = nil
	}
	return obj, nil
}

// trimStatus keeps of a status object of ours what it says, and of whom.
func trimStatus(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
		o.SetOwnerReferences(nil)
	}
	return obj, nil
}

// identity is what every object in the cache has to have.
func identity(m *metav1.ObjectMeta, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: labels}
}
