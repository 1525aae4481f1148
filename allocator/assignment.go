package allocator

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// Assignment is the addresses that one Service holds. The zero value is none.
// Assignments are shared between outcomes and the ledger: do not modify
// Addresses.
type Assignment struct {
	// Addresses are at most one per family, IPv4 first.
	Addresses []netip.Addr
	// Pool is the name of the one pool they all belong to.
	Pool string
}

// Equal reports whether both are the same addresses from the same pool.
func (a Assignment) Equal(o Assignment) bool {
	return a.Pool == o.Pool && slices.Equal(a.Addresses, o.Addresses)
}

// pair is at most one address of each family, IPv4 first. A family without an
// address has the zero one, which is not valid.
type pair [2]netip.Addr

// slot is the place of a family in a pair.
func slot(f config.Family) int {
	if f == config.IPv6 {
		return 1
	}
	return 0
}

// pairOf takes the first address of each family.
func pairOf(addrs []netip.Addr) pair {
	var p pair
	for _, a := range addrs {
		if at := &p[slot(config.FamilyOf(a))]; !at.IsValid() {
			*at = a
		}
	}
	return p
}

// of returns the address of a family, the zero one if there is none.
func (p pair) of(f config.Family) netip.Addr { return p[slot(f)] }

// has reports whether the address is in the pair.
func (p pair) has(a netip.Addr) bool { return a.IsValid() && (p[0] == a || p[1] == a) }

// minus returns the addresses of p that are not in o.
func (p pair) minus(o pair) pair {
	for i := range p {
		if p[i] == o[i] {
			p[i] = netip.Addr{}
		}
	}
	return p
}

// list returns the addresses there are; nil if none.
func (p pair) list() []netip.Addr {
	var out []netip.Addr
	for _, a := range p {
		if a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// len counts the addresses there are.
func (p pair) len() int {
	n := 0
	for _, a := range p {
		if a.IsValid() {
			n++
		}
	}
	return n
}

// String joins the addresses as a sentence does.
func (p pair) String() string { return sentence(p[:]) }

// sentence writes the valid ones of the addresses as "192.0.2.1 and 2001:db8::1".
func sentence(addrs []netip.Addr) string {
	text := ""
	for _, a := range addrs {
		switch {
		case !a.IsValid():
		case text == "":
			text = a.String()
		default:
			text += " and " + a.String()
		}
	}
	return text
}
