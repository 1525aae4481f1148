package link

import (
	"cmp"
	"net/netip"
	"slices"
)

// Link is what the kernel says about one network interface. A published Link
// is never modified again.
type Link struct {
	// Name is unique at any instant, but may move to another interface.
	Name string
	// Index identifies the interface until it is deleted. An interface that is
	// deleted and created again under its old name has a new Index.
	Index int
	// MAC is the hardware address, zero unless the link is Ethernet.
	MAC [6]byte
	// MTU is in bytes.
	MTU int
	// Up says that the administrator wants the link up (IFF_UP).
	Up bool
	// Carrier says that the lower layer is up (IFF_LOWER_UP): a cable that is
	// plugged in, a veth whose peer is up, a bridge with a live port.
	Carrier bool
	// Broadcast, NoARP and Loopback are the interface flags of these names.
	Broadcast, NoARP, Loopback bool
	// Master is the name of the bridge, bond or VRF the link is a member of,
	// empty if none.
	Master string
	// MasterKind is the kernel's word for the master's driver, such as
	// "bridge", "bond", "vrf" or "team"; empty if there is no master.
	MasterKind string
	// LinkLocal is the lowest usable IPv6 link-local address, without zone;
	// the zero Addr if there is none.
	LinkLocal netip.Addr
	// Addrs are the usable addresses with their prefix lengths, sorted. An
	// IPv6 address is not usable, and so not listed, while duplicate address
	// detection runs or once it has failed (RFC 4862 section 5.4). The address
	// of a point-to-point link has the full prefix length.
	Addrs []netip.Prefix
}

// Equal reports whether the two links agree in every fact.
func (l Link) Equal(o Link) bool {
	return l.sameDevice(o) && l.LinkLocal == o.LinkLocal && slices.Equal(l.Addrs, o.Addrs)
}

// sameDevice compares everything except the addresses.
func (l Link) sameDevice(o Link) bool {
	return l.Name == o.Name &&
		l.Index == o.Index &&
		l.MAC == o.MAC &&
		l.MTU == o.MTU &&
		l.Up == o.Up &&
		l.Carrier == o.Carrier &&
		l.Broadcast == o.Broadcast &&
		l.NoARP == o.NoARP &&
		l.Loopback == o.Loopback &&
		l.Master == o.Master &&
		l.MasterKind == o.MasterKind
}

// byName orders links by name. Two links have the same name only in the moment
// between two events of a rename.
func byName(a, b Link) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Index, b.Index))
}
