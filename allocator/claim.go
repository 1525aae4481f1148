package allocator

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// Claim is the public page of one address: which Services may show it in their
// status, and on what terms. It is kept where every controller reads it, and
// whoever changes it proves to have read its last version; so two controllers
// that both believe they lead cannot both write. The zero Claim of an address
// is one that nobody has made.
//
// docs/design/claims.md says why no order of events gives one address to two
// Services. It rests on [Claim.With] and on the meaning of [Holder.Version].
type Claim struct {
	Address netip.Addr
	// Holders are sorted by Service.
	Holders []Holder
	// Released is when the last holder left an address that is kept for it; it
	// is then the only one listed, and has no right to the address any more.
	Released time.Time
	// Stranger is a host outside the cluster that uses the address; nil for none.
	// A claim may say just that, and list no Holders.
	Stranger *Stranger
	// Foreign says whose the address is if none of ours made the claim.
	Foreign string
	// Version is that of the record, opaque; empty if there is none.
	Version string
}

// Holder is one Service's entry in a claim.
type Holder struct {
	Service types.NamespacedName
	// Version is the resourceVersion of the Service that the decision was made
	// for: the address is written into its status over this version only. While
	// the Service is at this version its entry is not removed.
	Version string
	// Requested tells that the Service asks for this very address.
	Requested bool
	// Key, Backend and Ports are the terms on which it shares; Key is empty, and
	// so are the others, if it does not.
	Key, Backend string
	Ports        []config.Port
}

// NewHolder returns the entry of a Service as it was read at a version.
func NewHolder(svc *config.Service, version string) Holder {
	h := Holder{Service: svc.Name, Version: version, Requested: len(svc.WantAddresses) > 0}
	if id := identityOf(svc); id.key != "" {
		h.Key, h.Backend, h.Ports = id.key, id.backend, svc.Ports
	}
	return h
}

// SameTerms reports whether both entries share the address alike.
func (h Holder) SameTerms(o Holder) bool {
	return h.Key == o.Key && h.Backend == o.Backend && slices.Equal(h.Ports, o.Ports)
}

// refuses says why two Services may not both hold the address; empty if they may.
func (h Holder) refuses(o Holder) string {
	switch {
	case h.Key == "" || h.Key != o.Key:
		return noCommonKey
	case h.Backend != o.Backend:
		return differentBackends
	}
	for _, p := range h.Ports {
		if slices.Contains(o.Ports, p) {
			return wantedTwice(p)
		}
	}
	return ""
}

// Of returns the entry of a Service, if it has a right to the address.
func (c Claim) Of(svc types.NamespacedName) (Holder, bool) {
	i := c.index(svc)
	if i < 0 || !c.Released.IsZero() {
		return Holder{}, false
	}
	return c.Holders[i], true
}

// With returns the claim with the entry added, or put in place of the former
// one of the same Service. It fails if the entries of others forbid it. An
// address that is only kept for somebody is free to be taken.
func (c Claim) With(h Holder) (Claim, error) {
	if c.Foreign != "" {
		return c, fmt.Errorf("allocator: %s is held by %s", c.Address, c.Foreign)
	}
	next := Claim{Address: c.Address, Version: c.Version, Stranger: c.Stranger}
	if c.Released.IsZero() {
		for _, o := range c.Holders {
			if o.Service == h.Service {
				continue
			}
			if rule := h.refuses(o); rule != "" {
				return c, fmt.Errorf("allocator: %s is %s", c.Address, conflict{o.Service.String(), rule})
			}
			next.Holders = append(next.Holders, o)
		}
	}
	next.Holders = append(next.Holders, h)
	slices.SortFunc(next.Holders, func(a, b Holder) int { return compareNames(a.Service, b.Service) })
	return next, nil
}

// Without returns the claim once a Service has left it. If that was the last,
// and did not ask for the address by itself, the address is kept for it from
// now on, unless keep is zero. A claim without Holders
// and without a Stranger is to be deleted.
func (c Claim) Without(svc types.NamespacedName, now time.Time, keep time.Duration) Claim {
	next := c
	next.Holders = slices.DeleteFunc(slices.Clone(c.Holders), func(h Holder) bool { return h.Service == svc })
	if left, ok := c.Of(svc); ok && len(next.Holders) == 0 && !left.Requested && keep > 0 {
		next.Holders, next.Released = []Holder{left}, now
	}
	return next
}

// Keep is for how long the address is kept for a Service that is deleted, as
// its pool says; not at all if no pool in force contains it.
func (c Claim) Keep(snap *config.Snapshot) time.Duration {
	if p := snap.PoolOf([]netip.Addr{c.Address}, ""); p != nil {
		return p.Retention
	}
	return 0
}

// Remaining is how much longer a released address is kept; zero or less if it
// is to be given up.
func (c Claim) Remaining(snap *config.Snapshot, now time.Time) time.Duration {
	return c.Released.Add(c.Keep(snap)).Sub(now)
}

// Empty reports whether the claim says nothing, and is to be deleted.
func (c Claim) Empty() bool { return len(c.Holders) == 0 && c.Stranger == nil && c.Foreign == "" }

func (c Claim) index(svc types.NamespacedName) int {
	return slices.IndexFunc(c.Holders, func(h Holder) bool { return h.Service == svc })
}

// elder orders released claims: the longest kept first.
func elder(a, b Claim) int {
	return cmp.Or(a.Released.Compare(b.Released), a.Address.Compare(b.Address))
}
