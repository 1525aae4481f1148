package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clarion-lb/clarion/e2e/network"
)

// Reset undoes what a test may have done, so that the next finds the lab as new, in a second or two instead of the many that a new lab
// takes: faults are healed, dead nodes boot, the API server runs, and every Service, workload, namespace and metallb.io configuration
// that was added is gone. The product stays installed, with whatever state its processes have.
func (l *Lab) Reset(ctx context.Context) error {
	if err := l.repair(ctx); err != nil {
		return err
	}
	if err := l.deleteObjects(ctx); err != nil {
		return err
	}
	if err := l.WaitReady(ctx); err != nil {
		return err
	}
	return l.client.ForgetNeighbours(ctx)
}

// repair heals the network and the machines.
func (l *Lab) repair(ctx context.Context) error {
	if err := l.sw.Heal(ctx); err != nil {
		return err
	}
	for _, host := range []*network.Host{l.cp, l.client, l.router, l.remote} {
		if err := host.PlugCable(); err != nil {
			return err
		}
	}
	if err := l.APIServer().Start(ctx); err != nil {
		return err
	}
	for _, node := range l.nodes {
		if node.Host() == nil {
			if err := node.Boot(ctx); err != nil {
				return err
			}
			continue
		}
		if err := node.PlugCable(); err != nil {
			return err
		}
	}
	return nil
}

// deleteObjects deletes what tests add, and returns when it is gone.
func (l *Lab) deleteObjects(ctx context.Context) error {
	var failures []error
	for _, plural := range []string{"ipaddresspools", "l2advertisements", "bgpadvertisements", "bgppeers", "communities", "bfdprofiles"} {
		resource := schema.GroupVersionResource{Group: "metallb.io", Version: "v1beta1", Resource: plural}
		if plural == "bgppeers" {
			resource.Version = "v1beta2"
		}
		err := l.objects.Resource(resource).Namespace(ProductNamespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		if !apierrors.IsNotFound(err) { // without the product there is no such kind
			failures = append(failures, err)
		}
	}
	failures = append(failures, l.deleteNamespaces(ctx), l.emptyDefault(ctx))
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("lab: failed to delete what a test left: %w", err)
	}
	return l.Until(ctx, "what a test left is gone", func(ctx context.Context) (bool, error) {
		pods, err := l.clients.CoreV1().Pods(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, nil //nolint:nilerr // tried again
		}
		services, err := l.added(ctx)
		return err == nil && len(pods.Items) == 0 && len(services) == 0, nil
	})
}

// emptyDefault deletes the workloads and Services of namespace default.
func (l *Lab) emptyDefault(ctx context.Context) error {
	const namespace = metav1.NamespaceDefault
	apps, core := l.clients.AppsV1(), l.clients.CoreV1()
	all, now := metav1.ListOptions{}, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}
	background := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
	failures := []error{
		apps.Deployments(namespace).DeleteCollection(ctx, background, all),
		apps.ReplicaSets(namespace).DeleteCollection(ctx, background, all),
		apps.DaemonSets(namespace).DeleteCollection(ctx, background, all),
		apps.StatefulSets(namespace).DeleteCollection(ctx, background, all),
		core.Pods(namespace).DeleteCollection(ctx, now, all),
		core.Secrets(namespace).DeleteCollection(ctx, now, all),
		core.ConfigMaps(namespace).DeleteCollection(ctx, now, metav1.ListOptions{FieldSelector: "metadata.name!=kube-root-ca.crt"}),
	}
	services, err := l.added(ctx)
	failures = append(failures, err)
	for _, name := range services {
		failures = append(failures, core.Services(namespace).Delete(ctx, name, metav1.DeleteOptions{}))
	}
	return errors.Join(failures...)
}

// added returns the names of the Services in namespace default that were not there at the start.
func (l *Lab) added(ctx context.Context) ([]string, error) {
	services, err := l.clients.CoreV1().Services(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, service := range services.Items {
		if service.Name != "kubernetes" {
			names = append(names, service.Name)
		}
	}
	return names, nil
}

// deleteNamespaces deletes the namespaces that were not there at the start. They take their time; their names should not be used again
// soon.
func (l *Lab) deleteNamespaces(ctx context.Context) error {
	keep := []string{metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease, ProductNamespace}
	namespaces, err := l.clients.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var failures []error
	for _, namespace := range namespaces.Items {
		if !slices.Contains(keep, namespace.Name) && namespace.DeletionTimestamp == nil {
			failures = append(failures, l.clients.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{}))
		}
	}
	return errors.Join(failures...)
}
