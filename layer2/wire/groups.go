//go:build linux

package wire

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/layer2"
)

// Groups implements layer2.Wire.
func (Sockets) Groups(link layer2.Interface) (layer2.Groups, error) {
	return &groups{index: link.Index, member: make(map[netip.Addr]int)}, nil
}

// groups holds memberships by sockets that are bound to nothing and so receive
// nothing: the packet socket does. A socket holds only so many (the memory for
// them is limited by net.core.optmem_max, to some 350 with older kernels'
// default), so that there is a new one whenever all are full.
type groups struct {
	index   int
	sockets []int              // file descriptors
	member  map[netip.Addr]int // the descriptor that joined the group
}

// Join implements layer2.Groups.
func (g *groups) Join(group netip.Addr) error {
	for _, fd := range g.sockets {
		err := g.request(fd, unix.IPV6_JOIN_GROUP, group)
		if !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := g.request(fd, unix.IPV6_JOIN_GROUP, group); err != nil {
		_ = unix.Close(fd)
		return err
	}
	g.sockets = append(g.sockets, fd)
	return nil
}

// Leave implements layer2.Groups.
func (g *groups) Leave(group netip.Addr) error {
	return g.request(g.member[group], unix.IPV6_LEAVE_GROUP, group)
}

func (g *groups) request(fd, option int, group netip.Addr) error {
	err := unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, option,
		&unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(g.index)})
	switch {
	case err != nil:
	case option == unix.IPV6_JOIN_GROUP:
		g.member[group] = fd
	default:
		delete(g.member, group)
	}
	return err
}

// Close implements layer2.Groups. The kernel drops the memberships of a socket
// that is closed.
func (g *groups) Close() error {
	var errs []error
	for _, fd := range g.sockets {
		errs = append(errs, unix.Close(fd))
	}
	g.sockets, g.member = nil, nil
	return errors.Join(errs...)
}
