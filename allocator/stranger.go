package allocator

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go4.org/netipx"

	"github.com/clarion-lb/clarion/config"
)

// Stranger is a host outside the cluster that was heard to use an address of
// ours. Who it is, is the word of the node that heard it.
type Stranger struct {
	// MAC is its hardware address, Interface where Node heard it.
	MAC, Interface, Node string
	// Since is when it was first heard and Heard when it last was.
	Since, Heard time.Time
}

// QuarantineTime is how long nobody is given an address after a stranger was
// last heard to use it. It ends by itself: whoever heard it may be gone.
const QuarantineTime = 10 * time.Minute

// strangerLimit is from how many addresses on a stranger makes nobody move. A
// host that claims so many is a router that answers for everything (proxy ARP,
// RFC 1027) or means harm, and would claim the next address as well.
const strangerLimit = 16

// Quarantined is for how much longer an address is given to nobody because of a
// stranger; zero or less if it no longer is.
func (c Claim) Quarantined(now time.Time) time.Duration {
	if c.Stranger == nil {
		return 0
	}
	return c.Stranger.Heard.Add(QuarantineTime).Sub(now)
}

// Quarantine returns the claims of the addresses of a pool that strangers use
// and no Service holds, in the order of the pool.
func (l *Ledger) Quarantine(p *config.Pool) []Claim {
	var out []Claim
	for _, r := range p.Ranges {
		for r.IsValid() {
			a := l.disputed.lowestInside(r, octets{}, nil)
			if !a.IsValid() {
				break
			}
			if l.tenants[a] == nil && !p.Withholds(a) {
				out = append(out, l.claims[a])
			}
			r = netipx.IPRangeFrom(a.Next(), r.To())
		}
	}
	return out
}

// intruded reports whether strangers use addresses of a pool, held or not.
func (l *Ledger) intruded(p *config.Pool) bool {
	return slices.ContainsFunc(p.Ranges, func(r netipx.IPRange) bool {
		return l.disputed.lowestInside(r, octets{}, nil).IsValid()
	})
}

// dispute notes, or forgets, that a stranger uses an address.
func (l *learned) dispute(a netip.Addr, by *Stranger) {
	if was := l.claims[a].Stranger; was != nil {
		l.disputed.remove(a)
		if l.strangers[was.MAC]--; l.strangers[was.MAC] == 0 {
			delete(l.strangers, was.MAC)
		}
	}
	if by != nil {
		l.disputed.add(a)
		l.strangers[by.MAC]++
	}
}

// disputed reports whether a stranger uses an address of the pool, and the pool
// cares.
func (s *search) disputed(p *config.Pool, a netip.Addr) bool {
	return a.IsValid() && p != nil && !p.IgnoreConflicts && s.ledger.disputed.has(a)
}

// spoilt reports whether a Service that did not ask for it had better have
// another address of the pool than this one.
func (s *search) spoilt(p *config.Pool, a netip.Addr) bool {
	return s.disputed(p, a) && s.ledger.strangers[s.ledger.claims[a].Stranger.MAC] <= strangerLimit
}

// undaunted adds what the Service holds in spite of a stranger to what was found,
// if there is nothing better of that family: one address that is defended serves
// better than none.
func (s *search) undaunted(found choice) choice {
	for _, a := range s.held {
		if found.pool == nil || !a.IsValid() || found.addrs.of(config.FamilyOf(a)).IsValid() ||
			s.poolAt(a) != found.pool || !s.serves(config.FamilyOf(a)) || !s.spoilt(found.pool, a) {
			continue
		}
		if _, taken := s.ledger.conflictAt(a, s.svc); !taken {
			found.addrs[slot(config.FamilyOf(a))] = a
		}
	}
	return found
}

// suffers says that a stranger uses an address that the Service is to hold all
// the same; the zero Refusal if none does.
func (s *search) suffers(found choice) Refusal {
	for _, a := range found.addrs {
		if s.disputed(found.pool, a) {
			return Refusal{found.pool.Name, AddressConflict, fmt.Sprintf("%s is %s", a, s.usedBy(a))}
		}
	}
	return Refusal{}
}

// usedBy says who the stranger is.
func (s *search) usedBy(a netip.Addr) string {
	by := s.ledger.claims[a].Stranger
	text := fmt.Sprintf("in use by host %s outside the cluster, seen on %s of node %s", by.MAC, by.Interface, by.Node)
	if s.ledger.strangers[by.MAC] > strangerLimit {
		text += fmt.Sprintf(", which claims more than %d addresses, as a router with proxy ARP does", strangerLimit)
	}
	return text
}

// standoff is what stands against a Service that keeps an address which a
// stranger uses.
func (s *search) standoff(found choice) []Note {
	if r := s.suffers(found); r.Reason != "" {
		return []Note{{Warning, EventAddressConflict, s.svc.Name.String() + " keeps its address: " + r.Detail}}
	}
	return nil
}

// evaded says that a Service moves because of a stranger; nothing if it does not.
func (s *search) evaded(found choice, lost, gained pair) []Note {
	if len(s.svc.WantAddresses) > 0 {
		return nil // its user has it move
	}
	for _, a := range lost {
		if now := gained.of(config.FamilyOf(a)); now.IsValid() && s.disputed(s.poolAt(a), a) {
			return []Note{{Warning, EventAddressConflict, fmt.Sprintf(
				"moved from %s to %s of %s: %s is %s", a, now, quoted(found.pool), a, s.usedBy(a))}}
		}
	}
	return nil
}
