package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// identity tells who may share an address: Services with equal identities, as
// long as no port is wanted twice. The zero value shares with nobody.
type identity struct {
	key     string // the allow-shared-ip annotation, never empty
	backend string // what the traffic policy demands to be equal
}

func identityOf(svc *config.Service) identity {
	if svc.SharingKey == "" {
		return identity{}
	}
	return identity{key: svc.SharingKey, backend: svc.BackendKey()}
}

// use is one port taken on the addresses of an identity.
type use struct {
	identity identity
	port     config.Port
}

// tenancy is one address in use.
type tenancy struct {
	// holders are sorted by name; several only if they all have the identity.
	holders  []types.NamespacedName
	identity identity
	// ports tells who has which; nil while the address cannot be shared.
	ports map[config.Port]types.NamespacedName
	// pool is the one the address was last assigned from.
	pool string
}

// conflict is why a Service may not have an address: who holds it, and the
// rule that keeps the two apart.
type conflict struct{ holder, rule string }

// The rules.
const (
	noCommonKey       = "they have no sharing key in common"
	differentBackends = "their traffic policies or selectors differ"
	claimUnsettled    = "by a claim that is not settled yet"
)

func wantedTwice(p config.Port) string {
	return fmt.Sprintf("both want port %d/%s", p.Number, p.Protocol)
}

func (c conflict) String() string {
	return fmt.Sprintf("held by %s: %s", c.holder, c.rule)
}

// conflictAt says what keeps a Service from an address; ok is false if nothing
// does. What the Service itself holds there is no obstacle: the only user of
// an address may change its key, policy and ports freely.
func (l *Ledger) conflictAt(a netip.Addr, svc *config.Service) (c conflict, ok bool) {
	if l.unsettled.has(a) {
		// Those that a claim admits together are in nobody's way, be they known
		// yet or not: after a start none is.
		_, refused := l.claims[a].With(NewHolder(svc, ""))
		if who, ok := l.stranger(a, svc.Name); ok && refused != nil {
			return conflict{who, claimUnsettled}, true
		}
	}
	t := l.tenants[a]
	if t == nil {
		return conflict{}, false
	}
	i := slices.IndexFunc(t.holders, func(n types.NamespacedName) bool { return n != svc.Name })
	if i < 0 {
		return conflict{}, false
	}
	other, mine := t.holders[i].String(), identityOf(svc)
	switch {
	case mine.key == "" || mine.key != t.identity.key:
		return conflict{other, noCommonKey}, true
	case mine.backend != t.identity.backend:
		return conflict{other, differentBackends}, true
	}
	for _, p := range svc.Ports {
		if who, taken := t.ports[p]; taken && who != svc.Name {
			return conflict{who.String(), wantedTwice(p)}, true
		}
	}
	return conflict{}, false
}
