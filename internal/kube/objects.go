package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// everything is the one request of reconcilers that read all configuration at
// once, whichever object changed.
func everything() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: "everything"}}
}

// list fills the lists from the cache.
func list(ctx context.Context, r client.Reader, lists ...client.ObjectList) error {
	for _, l := range lists {
		if err := r.List(ctx, l); err != nil {
			return fmt.Errorf("kube: failed to list %T: %w", l, err)
		}
	}
	return nil
}

// readObjects reads what a Snapshot is compiled from. The controller passes
// withNodes false: it resolves no node selectors.
func readObjects(ctx context.Context, r client.Reader, withNodes bool) (config.Objects, error) {
	var (
		pools      v1beta1.IPAddressPoolList
		l2         v1beta1.L2AdvertisementList
		namespaces corev1.NamespaceList
		nodes      corev1.NodeList
	)
	lists := []client.ObjectList{&pools, &l2}
	if withNodes {
		lists = append(lists, &nodes)
	} else {
		lists = append(lists, &namespaces)
	}
	if err := list(ctx, r, lists...); err != nil {
		return config.Objects{}, err
	}
	return config.Objects{
		Pools:            pools.Items,
		L2Advertisements: l2.Items,
		Namespaces:       namespaces.Items,
		Nodes:            nodes.Items,
	}, nil
}

// serviceOf returns the Service an EndpointSlice belongs to.
func serviceOf(_ context.Context, obj client.Object) []reconcile.Request {
	name := obj.GetLabels()[discoveryv1.LabelServiceName]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}}}
}

// byService is the cache index that finds what belongs to a Service, named
// namespace/name, without walking all there is.
const byService = "service"

func indexEndpointSlice(obj client.Object) []string {
	return []string{obj.GetNamespace() + "/" + obj.GetLabels()[discoveryv1.LabelServiceName]}
}

func indexServiceL2Status(obj client.Object) []string {
	return []string{obj.GetLabels()[v1beta1.LabelServiceNamespace] + "/" + obj.GetLabels()[v1beta1.LabelServiceName]}
}
