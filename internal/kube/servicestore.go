package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// serviceStore is where Services are. What is read is not to be modified.
type serviceStore interface {
	// cached returns the Service as the watch has told it, which may be late;
	// nil if it knows of none.
	cached(ctx context.Context, name types.NamespacedName) (*corev1.Service, error)
	// live returns the Service as it is now; nil if there is none.
	live(ctx context.Context, name types.NamespacedName) (*corev1.Service, error)
	// write makes the status and annotations of the Service those of next, over
	// the version of last and no other, and puts the new version into next. It
	// reports whether it did: not if the Service has changed or is gone.
	write(ctx context.Context, last, next *corev1.Service) (bool, error)
}

// services are the Services of the cluster.
type services struct {
	client client.Client
	reader client.Reader // past the cache
}

func (s *services) cached(ctx context.Context, name types.NamespacedName) (*corev1.Service, error) {
	return readService(ctx, s.client, name)
}

func (s *services) live(ctx context.Context, name types.NamespacedName) (*corev1.Service, error) {
	return readService(ctx, s.reader, name)
}

func readService(ctx context.Context, r client.Reader, name types.NamespacedName) (*corev1.Service, error) {
	var obj corev1.Service
	err := r.Get(ctx, name, &obj)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // a Service that is not there is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("kube: failed to read Service %s: %w", name, err)
	}
	return &obj, nil
}

func (s *services) write(ctx context.Context, last, next *corev1.Service) (bool, error) {
	patch := client.MergeFromWithOptions(last, client.MergeFromWithOptimisticLock{})
	err := s.client.Status().Patch(ctx, next, patch)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("kube: failed to write the status of Service %s/%s: %w", last.Namespace, last.Name, err)
	}
	return true, nil
}
