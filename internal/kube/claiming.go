package kube

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// The order of these steps is what keeps one address from two Services; the
// argument is in docs/design/claims.md. In short: an address is written into a
// status only over the version of the Service that its claim names, and an
// entry leaves a claim only when that version is seen to have passed.

var (
	// errTaken tells that an address turned out to be another's.
	errTaken = errors.New("kube: the address is taken")
	// errUnsettled tells that an address is another's by its claim and not by
	// what we know of that other.
	errUnsettled = errors.New("kube: the claim is not settled")
	// errOutdated tells that a Service has changed since it was read.
	errOutdated = errors.New("kube: the Service has changed")
)

// claimAll claims the addresses of an assignment for the Service as it was read.
func (a *assigner) claimAll(ctx context.Context, obj *corev1.Service, svc config.Service, to allocator.Assignment) error {
	for _, addr := range to.Addresses {
		if err := a.claim(ctx, obj, svc, addr); err != nil {
			return err
		}
	}
	return nil
}

// claim makes the Service a holder of an address for the version that was read.
func (a *assigner) claim(ctx context.Context, obj *corev1.Service, svc config.Service, addr netip.Addr) error {
	want := allocator.NewHolder(&svc, obj.ResourceVersion)
	for range claimAttempts {
		c := a.known(addr)
		if have, ok := c.Of(svc.Name); ok {
			// An address that the status shows is not written there again.
			shown := slices.Contains(svc.Addresses, addr)
			if have.SameTerms(want) && (shown || have.Version == want.Version) {
				return nil
			}
			if err := a.unchanged(ctx, obj); err != nil {
				return err
			}
		}
		if c.Foreign != "" && slices.Contains(svc.Addresses, addr) {
			return nil // held since before the other owner came: a mistake takes nothing away
		}
		next, err := c.With(want)
		if err != nil {
			a.meet(c, svc.Name)
			return errTaken
		}
		if err := a.replace(ctx, c, next); !errors.Is(err, errStale) {
			return err
		}
		if err := a.relearn(ctx, addr); err != nil {
			return err
		}
	}
	return fmt.Errorf("kube: the claim of %s changes too often", addr)
}

// settle brings the claims in line that a Service has already, when it cannot
// get the one it is to have: what they say may be just what another Service
// waits for. It is then looked at again.
func (a *assigner) settle(ctx context.Context, obj *corev1.Service, svc config.Service) (reconcile.Result, error) {
	for _, addr := range svc.Addresses {
		if _, mine := a.known(addr).Of(svc.Name); !mine {
			continue
		}
		err := a.claim(ctx, obj, svc, addr)
		if err != nil && !errors.Is(err, errTaken) && !errors.Is(err, errOutdated) {
			return reconcile.Result{}, err
		}
	}
	_, err := a.tidy(ctx, svc.Name, true)
	return reconcile.Result{RequeueAfter: unsettledDelay}, err
}

// unchanged fails unless the Service is still as it was read. An entry for
// another version is then one for an earlier version, which has passed.
func (a *assigner) unchanged(ctx context.Context, obj *corev1.Service) error {
	live, err := a.services.live(ctx, types.NamespacedName{Namespace: obj.Namespace, Name: obj.Name})
	if err != nil {
		return err
	}
	if live == nil || live.ResourceVersion != obj.ResourceVersion {
		return errOutdated
	}
	return nil
}

// tidy lets go of the addresses that are claimed for a Service and not its own
// any more, and of those that were kept for it long enough. A Service of
// another's class may be about to be given what is claimed for it; it is not
// ours to stop that.
func (a *assigner) tidy(ctx context.Context, name types.NamespacedName, ours bool) (reconcile.Result, error) {
	a.mu.Lock()
	surplus := a.ledger.Surplus(name)
	a.mu.Unlock()
	for _, addr := range surplus {
		if err := a.leave(ctx, name, addr, ours); err != nil {
			return reconcile.Result{}, err
		}
	}
	return a.expire(ctx, name)
}

// leave takes a Service out of the claim of an address.
func (a *assigner) leave(ctx context.Context, name types.NamespacedName, addr netip.Addr, ours bool) error {
	for range claimAttempts {
		c := a.known(addr)
		entry, ok := c.Of(name)
		if !ok {
			return nil
		}
		// Read after the claim: an entry is made for a version that exists.
		live, err := a.services.live(ctx, name)
		if err != nil {
			return err
		}
		if live != nil && shows(live, addr) {
			return nil // the watch is late; it will bring us back
		}
		if live != nil && live.ResourceVersion == entry.Version {
			if passed, err := a.pass(ctx, live, ours); err != nil || !passed {
				return err
			}
		}
		next := c.Without(name, time.Now(), a.keep(c, live))
		if err := a.replace(ctx, c, next); !errors.Is(err, errStale) {
			return err
		}
		if err := a.relearn(ctx, addr); err != nil {
			return err
		}
	}
	return fmt.Errorf("kube: the claim of %s changes too often", addr)
}

// keep is for how long the address is kept: for a Service that was deleted, as
// long as the pool says.
func (a *assigner) keep(c allocator.Claim, live *corev1.Service) time.Duration {
	if live != nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return c.Keep(a.snap)
}

// annotationPassed is written to end a version of a Service, for which another
// controller may still be about to write an address.
const annotationPassed = "metallb.io/claim-withdrawn"

// pass ends the version at which a Service is, and reports whether it has
// passed by our doing.
func (a *assigner) pass(ctx context.Context, live *corev1.Service, ours bool) (bool, error) {
	if !ours {
		return false, nil
	}
	next := live.DeepCopy()
	if next.Annotations == nil {
		next.Annotations = map[string]string{}
	}
	next.Annotations[annotationPassed] = time.Now().UTC().Format(time.RFC3339Nano)
	return a.services.write(ctx, live, next)
}

// expire ends the keeping of addresses for a Service that did not come back in
// time, and asks to be called when the next one is due.
func (a *assigner) expire(ctx context.Context, name types.NamespacedName) (reconcile.Result, error) {
	var next time.Duration
	a.mu.Lock()
	kept, snap := a.ledger.KeptFor(name), a.snap
	a.mu.Unlock()
	for _, addr := range kept {
		c := a.known(addr)
		if left := c.Remaining(snap, time.Now()); left > 0 {
			if next == 0 || left < next {
				next = left
			}
			continue
		}
		err := a.replace(ctx, c, allocator.Claim{Address: addr, Version: c.Version, Stranger: c.Stranger})
		if errors.Is(err, errStale) {
			err = a.relearn(ctx, addr)
		}
		if err != nil {
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{RequeueAfter: next}, nil
}

// replace puts one version of a claim in place of another; one that says nothing
// is none. It fails with errStale if the claim is no longer as last.
func (a *assigner) replace(ctx context.Context, last, next allocator.Claim) error {
	anew := becomesAnothers(last, next)
	if next.Empty() || anew {
		if err := a.claims.remove(ctx, last); err != nil {
			return err
		}
		a.unlearn(last.Address)
		if !anew {
			return nil
		}
		// An object cannot change the Service it names as its parent.
		next.Version = ""
	}
	written, err := a.claims.write(ctx, next)
	if err == nil {
		a.learn(written)
	}
	return err
}

// becomesAnothers reports whether somebody gets an address that was only kept
// for another, or back from a stranger.
func becomesAnothers(last, next allocator.Claim) bool {
	switch {
	case last.Version == "" || len(next.Holders) == 0:
		return false
	case len(last.Holders) == 0:
		return true
	default:
		return !last.Released.IsZero() && next.Holders[0].Service != last.Holders[0].Service
	}
}

// relearn asks what the claim of an address says now.
func (a *assigner) relearn(ctx context.Context, addr netip.Addr) error {
	c, err := a.claims.read(ctx, addr)
	if err != nil {
		return err
	}
	if c.Version == "" {
		a.unlearn(addr)
		return nil
	}
	a.learn(c)
	return nil
}

func (a *assigner) known(addr netip.Addr) allocator.Claim {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ledger.Claim(addr)
}

func (a *assigner) learn(c allocator.Claim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.Learn(c)
	a.wake()
}

// foreignFor is how long a claim of another owner counts before it is looked
// for again: nobody tells us when it goes.
const foreignFor = 5 * time.Minute

// meet takes note of a claim that stood in a Service's way.
func (a *assigner) meet(c allocator.Claim, svc types.NamespacedName) {
	a.learn(c)
	if c.Foreign == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.foreign = time.Now()
	a.queue.add(svc, foreignFor)
}

// forgetForeign has the addresses of other owners tried again after a while.
// a.mu is held.
func (a *assigner) forgetForeign() {
	if !a.foreign.IsZero() && time.Since(a.foreign) >= foreignFor {
		a.foreign = time.Time{}
		a.ledger.UnlearnForeign()
	}
}

func (a *assigner) unlearn(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ledger.Unlearn(addr)
	a.wake()
}

// heard takes note of what the watch says about the claim of an address; the
// zero Claim of it that it is gone. What is older than what we know, because
// we wrote it, is no news.
func (a *assigner) heard(c allocator.Claim) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.ledger.Claim(c.Address)
	switch {
	case c.Version == before.Version || older(c.Version, before.Version):
		return
	case c.Version == "":
		a.ledger.Unlearn(c.Address)
	default:
		a.ledger.Learn(c)
	}
	a.wakeHolders(before)
	a.wakeHolders(c)
	a.wake()
}

// wakeHolders has the Services in a claim looked at. a.mu is held.
func (a *assigner) wakeHolders(c allocator.Claim) {
	for _, h := range c.Holders {
		a.queue.add(h.Service, 0)
	}
}

// shows reports whether the status of a Service shows an address.
func shows(obj *corev1.Service, addr netip.Addr) bool {
	return slices.ContainsFunc(obj.Status.LoadBalancer.Ingress, func(in corev1.LoadBalancerIngress) bool {
		shown, err := netip.ParseAddr(in.IP)
		return err == nil && shown.Unmap() == addr
	})
}
