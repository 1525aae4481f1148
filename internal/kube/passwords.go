package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/api/v1beta2"
)

// passwordSecrets has the cache hold the Secrets that can be passwords of
// peers, and of those nothing but the password: the API server sends no other.
func passwordSecrets(namespaces map[string]cache.Config) cache.ByObject {
	return cache.ByObject{
		Namespaces: namespaces,
		Field:      fields.OneTermEqualSelector("type", string(corev1.SecretTypeBasicAuth)),
		Transform:  trimSecret,
	}
}

// trimSecret keeps the password. What kubectl applied last is an annotation,
// and repeats all the others in the clear.
func trimSecret(obj any) (any, error) {
	if s, ok := obj.(*corev1.Secret); ok {
		s.ObjectMeta = identity(&s.ObjectMeta, nil)
		kept := map[string][]byte{}
		if password, ok := s.Data[corev1.BasicAuthPasswordKey]; ok {
			kept[corev1.BasicAuthPasswordKey] = password
		}
		s.Data = kept
	}
	return obj, nil
}

// readPasswords reads the Secrets that peers name.
func readPasswords(ctx context.Context, r client.Reader, peers []v1beta2.BGPPeer) ([]corev1.Secret, error) {
	named := map[types.NamespacedName]bool{}
	for i := range peers {
		if ref := peers[i].Spec.PasswordSecret; ref != nil {
			named[types.NamespacedName{Namespace: peers[i].Namespace, Name: ref.Name}] = true
		}
	}
	var all corev1.SecretList
	if err := r.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("kube: failed to list Secrets of type %s: %w", corev1.SecretTypeBasicAuth, err)
	}
	var out []corev1.Secret
	for i := range all.Items {
		if named[client.ObjectKeyFromObject(&all.Items[i])] {
			out = append(out, all.Items[i])
		}
	}
	return out, nil
}

// forgetPasswords leaves the judgement of the Secrets that peers name to those
// who may read them: the speakers. The peers are our own copies.
func forgetPasswords(peers []v1beta2.BGPPeer) {
	for i := range peers {
		peers[i].Spec.PasswordSecret = nil
	}
}
