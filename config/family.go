package config

import "net/netip"

// Family is an IP address family.
type Family uint8

// The families in the order in which addresses are handed out and listed.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// FamilyOf returns the family of a valid address; IPv4-mapped IPv6 addresses
// never pass the door (see [ParseService]) and count as IPv6 here.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// String returns "IPv4" or "IPv6", the words of the Kubernetes API.
func (f Family) String() string {
	if f == IPv4 {
		return "IPv4"
	}
	return "IPv6"
}
