package kube

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownerFunc returns the owner reference that our own objects carry, so that
// they vanish with the product.
type ownerFunc func(context.Context) ([]metav1.OwnerReference, error)

// workloadOwner returns the workload that runs the named pod: its controller
// (the DaemonSet or ReplicaSet), or the pod itself if nothing controls it. The
// workload and not the pod owns our objects, because they outlive a restart:
// what they say is still true when the next pod reads it. The answer is asked
// for once.
func workloadOwner(r client.Reader, namespace, pod string) ownerFunc {
	var (
		mu    sync.Mutex
		owner []metav1.OwnerReference
	)
	return func(ctx context.Context) ([]metav1.OwnerReference, error) {
		mu.Lock()
		defer mu.Unlock()
		if owner != nil || pod == "" {
			return owner, nil
		}
		var p corev1.Pod
		if err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: pod}, &p); err != nil {
			return nil, fmt.Errorf("kube: failed to read our own Pod %s/%s: %w", namespace, pod, err)
		}
		ref := metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID}
		if c := metav1.GetControllerOf(&p); c != nil {
			ref = metav1.OwnerReference{APIVersion: c.APIVersion, Kind: c.Kind, Name: c.Name, UID: c.UID}
		}
		owner = []metav1.OwnerReference{ref}
		return owner, nil
	}
}
