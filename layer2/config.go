package layer2

import (
	"net/netip"
	"slices"
)

// Config is the complete desired state of an Engine. The zero Config owns
// nothing. An engine keeps the Config it is given: do not change it afterwards.
type Config struct {
	// Interfaces are the links to be present on, sorted by Name, each Name once.
	// A link without carrier does not belong here: its return is then seen as an
	// interface that appears, and announced.
	Interfaces []Interface
	// Announcements are the addresses to answer for, sorted by Addr, each Addr
	// once.
	Announcements []Announcement
	// Speakers are the hardware addresses of the other speakers of this cluster,
	// sorted. Whoever else claims an address announced is a stranger.
	Speakers []MAC
	// Watched are addresses that nobody should have, sorted by Addr, each Addr
	// once and none that is announced. They are asked for at a slow rate; Status
	// tells which of them a stranger has.
	Watched []Announcement
}

// Interface is one link as it is now.
type Interface struct {
	// Name is the interface's name, such as eth0.
	Name string
	// Index is the kernel's number for the interface. A new index under an old
	// name is another interface.
	Index int
	// MAC is the hardware address that answers give out.
	MAC MAC
	// ARP and NDP say which of the two protocols is spoken on this link. NDP
	// needs IPv6 to be enabled on it.
	ARP, NDP bool
	// LinkLocal is the interface's own IPv6 address on the link, from which
	// memberships are reported. Without one the kernel alone does.
	LinkLocal netip.Addr
}

// Announcement is one address and the links it is answered on.
type Announcement struct {
	// Addr is the address owned: IPv4 (never as IPv4-mapped IPv6) is answered by
	// ARP, IPv6 (without a zone) by NDP.
	Addr netip.Addr
	// Interfaces are names out of Config.Interfaces, sorted. A name that is not
	// there, or whose protocol is off, is not answered on; none means nowhere.
	Interfaces []string
	// Before are the hardware addresses of speakers that would be the owner rather
	// than this node if they lived, sorted. One that claims the address after all
	// is right: this node stands back.
	Before []MAC
	// New says that the address has just been given to somebody and was never
	// announced: before it is, the segment is asked whether it is free
	// (RFC 5227, 2.1; RFC 4862, 5.4).
	New bool
}

// Equal reports whether c and o ask for the same.
func (c Config) Equal(o Config) bool {
	return slices.Equal(c.Interfaces, o.Interfaces) &&
		slices.Equal(c.Speakers, o.Speakers) &&
		slices.EqualFunc(c.Announcements, o.Announcements, Announcement.Equal) &&
		slices.EqualFunc(c.Watched, o.Watched, Announcement.Equal)
}

// Announcement returns what c says of an address, nil if it is not to be answered.
func (c Config) Announcement(addr netip.Addr) *Announcement {
	i, found := slices.BinarySearchFunc(c.Announcements, addr, func(a Announcement, addr netip.Addr) int { return a.Addr.Compare(addr) })
	if !found {
		return nil
	}
	return &c.Announcements[i]
}

// without returns the addresses of a that are not in b.
func without(a, b []Announcement) []netip.Addr {
	var out []netip.Addr
	for i := range a {
		for len(b) > 0 && b[0].Addr.Less(a[i].Addr) {
			b = b[1:]
		}
		if len(b) == 0 || b[0].Addr != a[i].Addr {
			out = append(out, a[i].Addr)
		}
	}
	return out
}

// Equal reports whether a and o ask for the same.
func (a Announcement) Equal(o Announcement) bool {
	return a.Addr == o.Addr && a.New == o.New &&
		slices.Equal(a.Interfaces, o.Interfaces) && slices.Equal(a.Before, o.Before)
}
