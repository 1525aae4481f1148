package kube

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
)

// lift ends the quarantine of an address once no stranger has been heard there
// for long enough, and deletes a claim that says nothing any more. It returns
// when to look again. The controller does so, because the speaker that heard the
// stranger may be gone, and may delete no claim.
func (a *assigner) lift(ctx context.Context, addr netip.Addr) (later time.Duration, err error) {
	c := a.known(addr)
	if left := c.Quarantined(time.Now()); left > 0 {
		return left, nil
	}
	if c.Version == "" || c.Stranger == nil && !c.Empty() {
		return 0, nil
	}
	next := c
	next.Stranger = nil
	err = a.replace(ctx, c, next)
	if errors.Is(err, errStale) {
		return 0, a.relearn(ctx, addr) // the watch brings what changed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wakeHolders(c)
	return 0, err
}

// quarantineShown is how many addresses the status of a pool lists.
const quarantineShown = 100

// quarantined says in the status of a pool who uses its addresses.
func quarantined(claims []allocator.Claim) []v1beta1.QuarantinedAddress {
	out := make([]v1beta1.QuarantinedAddress, 0, min(len(claims), quarantineShown))
	for _, c := range claims[:cap(out)] {
		out = append(out, v1beta1.QuarantinedAddress{Address: c.Address.String(), MAC: c.Stranger.MAC, Node: c.Stranger.Node})
	}
	return out
}
