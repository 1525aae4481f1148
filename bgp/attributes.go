package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

// Route is a destination and what is said about it. Its next hop is the local
// address of each session.
type Route struct {
	// Prefix is masked: no host bits.
	Prefix netip.Prefix
	// Attributes are shared among routes that are equal in them; nil means the
	// zero value. Never change one that is in use.
	Attributes *Attributes
}

// Equal reports whether r and o say the same of the same destination.
func (r Route) Equal(o Route) bool {
	return r.Prefix == o.Prefix && r.Attributes.Equal(o.Attributes)
}

// Attributes are the optional path attributes of a route. The zero value has
// none.
type Attributes struct {
	// LocalPref is told to routers of the own autonomous system only
	// (RFC 4271, section 5.1.5); 0 means 100, which is what they would assume.
	LocalPref uint32
	// Communities, LargeCommunities and ExtendedCommunities are each sorted,
	// without duplicates.
	Communities         []Community
	LargeCommunities    []LargeCommunity
	ExtendedCommunities []ExtendedCommunity
}

// Key returns a text that is the same for equal attributes only, for use in maps;
// nil is the zero value.
func (a *Attributes) Key() string {
	if a == nil {
		a = &Attributes{}
	}
	k := binary.BigEndian.AppendUint32(nil, a.LocalPref)
	k = binary.BigEndian.AppendUint32(k, uint32(len(a.Communities)))
	for _, c := range a.Communities {
		k = binary.BigEndian.AppendUint32(k, uint32(c))
	}
	k = binary.BigEndian.AppendUint32(k, uint32(len(a.LargeCommunities)))
	for _, c := range a.LargeCommunities {
		k = binary.BigEndian.AppendUint32(k, c.Global)
		k = binary.BigEndian.AppendUint32(k, c.Local1)
		k = binary.BigEndian.AppendUint32(k, c.Local2)
	}
	for _, c := range a.ExtendedCommunities {
		k = append(k, c[:]...)
	}
	return string(k)
}

// Equal reports whether a and o are the same; nil is the zero value.
func (a *Attributes) Equal(o *Attributes) bool {
	if a == o {
		return true
	}
	var zero Attributes
	if a == nil {
		a = &zero
	}
	if o == nil {
		o = &zero
	}
	return a.LocalPref == o.LocalPref &&
		slices.Equal(a.Communities, o.Communities) &&
		slices.Equal(a.LargeCommunities, o.LargeCommunities) &&
		slices.Equal(a.ExtendedCommunities, o.ExtendedCommunities)
}

// Community is a standard community (RFC 1997): the upper 16 bits name an
// autonomous system, the lower 16 a meaning within it.
type Community uint32

// The well-known communities that users call by name.
const (
	GracefulShutdown  Community = 0xFFFF0000 // RFC 8326
	AcceptOwn         Community = 0xFFFF0001 // RFC 7611
	LLGRStale         Community = 0xFFFF0006 // RFC 9494
	NoLLGR            Community = 0xFFFF0007 // RFC 9494
	Blackhole         Community = 0xFFFF029A // RFC 7999
	NoExport          Community = 0xFFFFFF01 // RFC 1997
	NoAdvertise       Community = 0xFFFFFF02 // RFC 1997
	NoExportSubconfed Community = 0xFFFFFF03 // RFC 1997
	NoPeer            Community = 0xFFFFFF04 // RFC 3765
)

// String returns the community as users write it, such as 64496:100.
func (c Community) String() string { return fmt.Sprintf("%d:%d", c>>16, c&0xFFFF) }

// LargeCommunity is a large community (RFC 8092).
type LargeCommunity struct{ Global, Local1, Local2 uint32 }

// String returns the community as users write it, such as large:64496:1:2.
func (c LargeCommunity) String() string {
	return fmt.Sprintf("large:%d:%d:%d", c.Global, c.Local1, c.Local2)
}

// ExtendedCommunity is an extended community (RFC 4360) as its eight octets
// stand on the wire.
type ExtendedCommunity [8]byte
