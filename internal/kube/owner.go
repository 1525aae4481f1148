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

// ownerFunc returns the owner reference that our own objects carry: they vanish
// with what they speak of. No Pod is an owner, because what is written outlives
// a restart: it is still true when the next Pod reads it.
type ownerFunc func(context.Context) ([]metav1.OwnerReference, error)

// nodeOwner returns the named node. What a speaker says of its node is true of
// no other, and a node that has left the cluster has left nobody behind who
// could take it back.
func nodeOwner(r client.Reader, node string) ownerFunc {
	return func(ctx context.Context) ([]metav1.OwnerReference, error) {
		var n corev1.Node
		if err := r.Get(ctx, types.NamespacedName{Name: node}, &n); err != nil {
			return nil, fmt.Errorf("kube: failed to read our own Node %s: %w", node, err)
		}
		return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: n.Name, UID: n.UID}}, nil
	}
}

// workloadOwner returns the workload that runs the named pod: its controller
// (the ReplicaSet), or the pod itself if nothing controls it. The answer is
// asked for once.
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
