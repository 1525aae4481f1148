package kube

import (
	"context"
	"fmt"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
)

// servesClaims reports whether the API server has IPAddress objects, as all
// have from Kubernetes 1.33 on.
func servesClaims(mapper meta.RESTMapper) (bool, error) {
	kind := schema.GroupKind{Group: networkingv1.GroupName, Kind: "IPAddress"}
	_, err := mapper.RESTMapping(kind, networkingv1.SchemeGroupVersion.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("kube: failed to ask the API server for IPAddress objects: %w", err)
	}
	return true, nil
}

// watchClaims hears of claims that others change.
func (a *assigner) watchClaims(m manager.Manager) error {
	r := m.GetClient()
	return builder.ControllerManagedBy(m).Named("claims").
		For(&networkingv1.IPAddress{}).
		WithOptions(controller.Options{EnableWarmup: new(true)}).
		Complete(a.metered(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
			return a.reconcileClaim(ctx, r, request)
		}))
}

func (a *assigner) reconcileClaim(ctx context.Context, r client.Reader, request reconcile.Request) (reconcile.Result, error) {
	if _, err := a.prepare(ctx, false); err != nil {
		return reconcile.Result{}, err
	}
	addr, err := netip.ParseAddr(request.Name)
	if err != nil {
		return reconcile.Result{}, nil //nolint:nilerr // the API server admits no such name
	}
	c := allocator.Claim{Address: addr}
	var obj networkingv1.IPAddress
	switch err := r.Get(ctx, request.NamespacedName, &obj); {
	case err == nil:
		if c, err = parseClaim(&obj); err != nil {
			return reconcile.Result{}, err
		}
	case !apierrors.IsNotFound(err):
		return reconcile.Result{}, fmt.Errorf("kube: failed to read IPAddress %s: %w", request.Name, err)
	}
	a.heard(c)
	later, err := a.lift(ctx, addr)
	return reconcile.Result{RequeueAfter: later}, err
}

// listClaims returns all claims of ours that the cache holds.
func listClaims(ctx context.Context, r client.Reader) ([]allocator.Claim, error) {
	var objects networkingv1.IPAddressList
	if err := r.List(ctx, &objects, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("kube: failed to list IPAddresses: %w", err)
	}
	claims := make([]allocator.Claim, 0, len(objects.Items))
	for i := range objects.Items {
		c, err := parseClaim(&objects.Items[i])
		if err != nil {
			return nil, err
		}
		claims = append(claims, c)
	}
	return claims, nil
}
