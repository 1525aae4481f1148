package kube

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretKey is the key in the memberlist Secret that holds the key material.
const secretKey = "secretkey"

// memberlistSecret makes the Secret by which speakers trust each other.
type memberlistSecret struct {
	client                      client.Client
	live                        client.Reader
	log                         *slog.Logger
	namespace, name, deployment string
}

// ensure creates the Secret if there is none. One that exists is never
// touched: whoever made it may have handed the key to others.
func (s *memberlistSecret) ensure(ctx context.Context) error {
	if s.name == "" {
		return nil
	}
	var found corev1.Secret
	err := s.live.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: s.name}, &found)
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("kube: failed to look for Secret %s/%s: %w", s.namespace, s.name, err)
	}
	secret, err := s.generate(ctx)
	if err != nil {
		return err
	}
	err = s.client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kube: failed to create Secret %s/%s: %w", s.namespace, s.name, err)
	}
	s.log.Info("memberlist secret created", "secret", s.namespace+"/"+s.name)
	return nil
}

func (s *memberlistSecret) generate(ctx context.Context) (*corev1.Secret, error) {
	// 24 random bytes are 32 characters, all of which become the AES-256 key
	// (MetalLB pads what is shorter with a constant).
	key := make([]byte, 24)
	_, _ = rand.Read(key) // never fails, by its contract
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name},
		Data:       map[string][]byte{secretKey: []byte(base64.RawURLEncoding.EncodeToString(key))},
	}
	if s.deployment == "" {
		return secret, nil
	}
	var d appsv1.Deployment
	if err := s.live.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: s.deployment}, &d); err != nil {
		return nil, fmt.Errorf("kube: failed to read our own Deployment %s/%s: %w", s.namespace, s.deployment, err)
	}
	secret.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: d.Name, UID: d.UID}}
	return secret, nil
}
