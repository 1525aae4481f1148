//go:build linux

package gobgp

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp"
)

// path says where a connected socket runs. index is that of its interface where
// the caller knows it, else 0.
func path(socket *net.TCPConn, remote netip.AddrPort, index int) (bgp.Path, error) {
	at, ok := socket.LocalAddr().(*net.TCPAddr)
	if !ok {
		return bgp.Path{}, fmt.Errorf("no local address: %w", syscall.ENOTCONN)
	}
	local := at.AddrPort()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	all, err := addresses()
	if err != nil {
		return bgp.Path{}, fmt.Errorf("failed to list this node's addresses: %w", err)
	}
	p := choose(all, local.Addr().WithZone(""), index)
	if index != 0 { // net's name for it may be that of yesterday
		local = netip.AddrPortFrom(local.Addr().WithZone(remote.Addr().Zone()), local.Port())
	}
	p.Local, p.Remote = local, remote
	return p, nil
}

// address is one of this node's addresses.
type address struct {
	netip.Prefix
	index int    // of its interface
	flags uint32 // unix.IFA_F_*
	scope uint8  // unix.RT_SCOPE_*
}

// unusable are the flags of addresses that nobody should send to: not yet
// certain to be ours alone, found to be somebody else's, or about to go
// (RFC 4862, sections 5.4 and 5.5.4).
const unusable = unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED

// second is the flag of an address for privacy, and of another IPv4 address in
// the same subnet.
const second = unix.IFA_F_TEMPORARY | unix.IFA_F_SECONDARY

// choose returns what can be a next hop on the interface with the given index, or
// if that is 0, on the one that has the local address of a session: the session's
// own address where it is of that kind, or else the best.
func choose(all []address, local netip.Addr, index int) bgp.Path {
	if index == 0 {
		for _, a := range all {
			if a.Addr() == local && (index == 0 || a.index < index) {
				index = a.index
			}
		}
	}
	var v4, v6, linkLocal []address
	for _, a := range all {
		switch addr := a.Addr(); {
		case a.index != index || addr.IsLoopback():
		case addr == local || a.flags&unusable != 0: // the former is put first below
		case addr.Is6() && addr.IsLinkLocalUnicast():
			linkLocal = append(linkLocal, a)
		case a.scope != unix.RT_SCOPE_UNIVERSE && a.scope != unix.RT_SCOPE_SITE:
		case addr.Is4():
			v4 = append(v4, a)
		default:
			v6 = append(v6, a)
		}
	}
	p := bgp.Path{IPv4: best(v4), IPv6: best(v6), LinkLocal: best(linkLocal)}
	switch {
	case local.Is4():
		p.IPv4 = local
	case local.IsLinkLocalUnicast():
		p.LinkLocal = local
	default:
		p.IPv6 = local
	}
	return p
}

// best returns the same one of addrs every time: one with a subnet before one
// that stands alone, such as the address of a service that somebody has put on
// the interface; one to stay before one that changes for privacy (RFC 8981), and
// the first of an IPv4 subnet before others; then the lowest.
func best(addrs []address) netip.Addr {
	if len(addrs) == 0 {
		return netip.Addr{}
	}
	return slices.MinFunc(addrs, func(a, b address) int {
		return cmp.Or(
			order(a.IsSingleIP(), b.IsSingleIP()),
			order(a.flags&second != 0, b.flags&second != 0),
			a.Addr().Compare(b.Addr()),
		)
	}).Addr()
}

// order sorts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// addresses lists this node's addresses as the kernel knows them: net.Interfaces
// does not tell which of them are not to be used.
func addresses() ([]address, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETADDR, unix.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	var out []address
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
			continue
		}
		a, err := parseAddress(m)
		if err != nil {
			return nil, err
		}
		if a.IsValid() {
			out = append(out, a)
		}
	}
	return out, nil
}

// parseAddress reads one entry; the result is not valid if it has no address.
func parseAddress(m syscall.NetlinkMessage) (address, error) {
	header := (*unix.IfAddrmsg)(unsafe.Pointer(&m.Data[0]))
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return address{}, err
	}
	var own, far netip.Addr
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.IFA_LOCAL: // ours on a point-to-point link, where IFA_ADDRESS is the other's
			own, _ = netip.AddrFromSlice(a.Value)
		case unix.IFA_ADDRESS:
			far, _ = netip.AddrFromSlice(a.Value)
		}
	}
	if !own.IsValid() {
		own = far
	}
	return address{
		Prefix: netip.PrefixFrom(own, int(header.Prefixlen)),
		index:  int(header.Index),
		flags:  uint32(header.Flags),
		scope:  header.Scope,
	}, nil
}
