package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/allocator"
)

// errStale tells that a claim has changed since it was read.
var errStale = errors.New("kube: the claim has changed")

// claimStore is where claims are kept. Every write names the version it
// replaces, none meaning that there is no claim yet; of several that name the
// same one, at most one succeeds and the others get errStale.
type claimStore interface {
	// read returns the claim of an address as it is now, the zero Claim of it if
	// there is none.
	read(ctx context.Context, a netip.Addr) (allocator.Claim, error)
	// write makes a claim or replaces it, and returns it with its new version.
	write(ctx context.Context, c allocator.Claim) (allocator.Claim, error)
	// remove takes a claim away.
	remove(ctx context.Context, c allocator.Claim) error
}

// sharedClaims are claims that all controllers see: IPAddress objects, whose
// creation and replacement etcd decides.
type sharedClaims struct {
	client client.Client
	// live reads past the cache.
	live client.Reader
}

func (s *sharedClaims) read(ctx context.Context, a netip.Addr) (allocator.Claim, error) {
	var obj networkingv1.IPAddress
	err := s.live.Get(ctx, types.NamespacedName{Name: a.String()}, &obj)
	if apierrors.IsNotFound(err) {
		return allocator.Claim{Address: a}, nil
	}
	if err != nil {
		return allocator.Claim{}, fmt.Errorf("kube: failed to read IPAddress %s: %w", a, err)
	}
	return parseClaim(&obj)
}

func (s *sharedClaims) write(ctx context.Context, c allocator.Claim) (allocator.Claim, error) {
	var obj *networkingv1.IPAddress
	var err error
	if c.Version == "" {
		if obj, err = newClaimObject(c); err == nil {
			err = s.client.Create(ctx, obj)
		}
	} else {
		obj, err = s.replace(ctx, c)
	}
	if err != nil {
		return c, unwritten(c, err)
	}
	c.Version = obj.ResourceVersion
	return c, nil
}

// say writes of a claim only who else uses the address: all that a speaker has
// to say.
func (s *sharedClaims) say(ctx context.Context, c allocator.Claim) error {
	if c.Version == "" {
		_, err := s.write(ctx, c)
		return err
	}
	text, err := conflictAnnotation(c.Stranger)
	if err == nil {
		_, err = s.annotate(ctx, c, map[string]*string{annotationConflict: text})
	}
	if err != nil {
		return unwritten(c, err)
	}
	return nil
}

// unwritten says that a claim could not be written, or that another version of
// it had to be read first.
func unwritten(c allocator.Claim, err error) error {
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return errStale
	}
	return fmt.Errorf("kube: failed to write IPAddress %s: %w", c.Address, err)
}

// replace sends what changes, so that labels and annotations of others stay.
func (s *sharedClaims) replace(ctx context.Context, c allocator.Claim) (*networkingv1.IPAddress, error) {
	annotations, err := claimAnnotations(c)
	if err != nil {
		return nil, err
	}
	return s.annotate(ctx, c, annotations)
}

// annotate replaces annotations, and removes those that are nil, of just the
// version of a claim that was read.
func (s *sharedClaims) annotate(ctx context.Context, c allocator.Claim, annotations map[string]*string) (*networkingv1.IPAddress, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": c.Version, "annotations": annotations,
	}})
	if err != nil {
		return nil, fmt.Errorf("kube: failed to write the patch of IPAddress %s: %w", c.Address, err)
	}
	obj := &networkingv1.IPAddress{ObjectMeta: metav1.ObjectMeta{Name: c.Address.String()}}
	return obj, s.client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, patch))
}

func (s *sharedClaims) remove(ctx context.Context, c allocator.Claim) error {
	obj := &networkingv1.IPAddress{ObjectMeta: metav1.ObjectMeta{Name: c.Address.String()}}
	err := s.client.Delete(ctx, obj, client.Preconditions{ResourceVersion: &c.Version})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return errStale
	case err != nil:
		return fmt.Errorf("kube: failed to delete IPAddress %s: %w", c.Address, err)
	}
	return nil
}

// ownClaims are claims that only this process sees: for API servers without
// IPAddress objects, where the Lease alone keeps controllers apart.
type ownClaims struct {
	mu     sync.Mutex
	writes int
	claims map[netip.Addr]allocator.Claim
}

func (o *ownClaims) read(_ context.Context, a netip.Addr) (allocator.Claim, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.at(a), nil
}

func (o *ownClaims) at(a netip.Addr) allocator.Claim {
	if c, ok := o.claims[a]; ok {
		return c
	}
	return allocator.Claim{Address: a}
}

func (o *ownClaims) write(_ context.Context, c allocator.Claim) (allocator.Claim, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at(c.Address).Version != c.Version {
		return c, errStale
	}
	if o.claims == nil {
		o.claims = map[netip.Addr]allocator.Claim{}
	}
	o.writes++
	c.Version = strconv.Itoa(o.writes)
	o.claims[c.Address] = c
	return c, nil
}

func (o *ownClaims) remove(_ context.Context, c allocator.Claim) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at(c.Address).Version != c.Version {
		return errStale
	}
	o.writes++
	delete(o.claims, c.Address)
	return nil
}
