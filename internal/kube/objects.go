package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
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

// watchConfiguration begins a reconciler that do is done for whenever an object
// changes that both programs read.
func watchConfiguration(m manager.Manager, do handler.EventHandler) *builder.Builder {
	b := builder.ControllerManagedBy(m).Named("configuration")
	for _, obj := range []client.Object{&v1beta1.L2Advertisement{}, &v1beta1.BGPAdvertisement{}, &v1beta1.Community{}, &v1beta1.BFDProfile{}} {
		b = b.Watches(obj, do, builder.WithPredicates(specOrLabelsChanged()))
	}
	for _, obj := range []client.Object{&v1beta1.IPAddressPool{}, &v1beta2.BGPPeer{}} {
		b = b.Watches(obj, do, builder.WithPredicates(annotated()))
	}
	return b
}

// readObjects reads what a Snapshot is compiled from. Controller and speaker
// look at the same objects, but for two: the controller resolves no node
// selectors, and the speaker no namespaces.
func readObjects(ctx context.Context, r client.Reader, speaker bool) (config.Objects, error) {
	var (
		pools          v1beta1.IPAddressPoolList
		l2             v1beta1.L2AdvertisementList
		advertisements v1beta1.BGPAdvertisementList
		peers          v1beta2.BGPPeerList
		communities    v1beta1.CommunityList
		profiles       v1beta1.BFDProfileList
		namespaces     corev1.NamespaceList
		nodes          corev1.NodeList
	)
	lists := []client.ObjectList{&pools, &l2, &advertisements, &peers, &communities, &profiles}
	if speaker {
		lists = append(lists, &nodes)
	} else {
		lists = append(lists, &namespaces)
	}
	if err := list(ctx, r, lists...); err != nil {
		return config.Objects{}, err
	}
	o := config.Objects{
		Pools:             pools.Items,
		L2Advertisements:  l2.Items,
		BGPAdvertisements: advertisements.Items,
		Peers:             peers.Items,
		Communities:       communities.Items,
		BFDProfiles:       profiles.Items,
		Namespaces:        namespaces.Items,
		Nodes:             nodes.Items,
	}
	if !speaker {
		forgetPasswords(o.Peers)
		return o, nil
	}
	var err error
	o.Secrets, err = readPasswords(ctx, r, o.Peers)
	return o, err
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

func indexServiceStatus(obj client.Object) []string {
	return []string{obj.GetLabels()[v1beta1.LabelServiceNamespace] + "/" + obj.GetLabels()[v1beta1.LabelServiceName]}
}
