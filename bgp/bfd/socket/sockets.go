//go:build linux

package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

const (
	// maxTTL shows the peer that a packet was not forwarded (RFC 5881, section 5).
	maxTTL = 255
	// echoTTL shows it that an echo packet comes back.
	echoTTL = maxTTL - 1
	// trafficClass is CS6, network control, so that a full link drops others first.
	trafficClass = 0xc0
	// receiveBuffer is how much may wait to be read, in bytes as the kernel counts
	// them (some 800 for a packet). The kernel grants at most
	// net.core.rmem_max, twice. The engine counts on less than 4,096 packets.
	receiveBuffer = 1 << 20
)

// Sockets is the bfd.Wire of the network namespace that its methods are called
// in. The zero value is ready. Its methods are for one goroutine.
type Sockets struct {
	open map[*listener]bfd.Port
}

// Listen implements bfd.Wire.
func (w *Sockets) Listen(port bfd.Port) (bfd.Listener, error) {
	c, err := bindPort(port, false)
	if errors.Is(err, unix.EADDRINUSE) {
		c, err = w.shareWithOurselves(port, err)
	}
	if err != nil {
		return nil, plain(err)
	}
	l, err := newListener(c, port.IPv6)
	if err != nil {
		_ = c.Close()
		return nil, plain(err)
	}
	if w.open == nil {
		w.open = make(map[*listener]bfd.Port)
	}
	w.open[l] = port
	l.closed = func() { delete(w.open, l) }
	return l, nil
}

// shareWithOurselves binds a port that this process has bound for another device
// already. The kernel calls that a conflict where one of the two is not bound to
// a device, unless both sockets agree to share. They do so for a moment only:
// left that way, they would share with another BFD daemon, and each would hear
// half of the packets.
func (w *Sockets) shareWithOurselves(port bfd.Port, inUse error) (*net.UDPConn, error) {
	var ours []*listener
	for l, other := range w.open {
		if other.Device != port.Device && other.Number() == port.Number() && other.IPv6 == port.IPv6 {
			ours = append(ours, l)
		}
	}
	if len(ours) == 0 {
		return nil, inUse
	}
	for _, l := range ours {
		if err := setReuse(l.raw, 1); err != nil {
			return nil, err
		}
	}
	c, err := bindPort(port, true)
	for _, l := range ours {
		err = errors.Join(err, setReuse(l.raw, 0))
	}
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	return c, errors.Join(err, setReuse(raw, 0))
}

func setReuse(raw syscall.RawConn, on int) error {
	return control(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, on) })
}

func bindPort(port bfd.Port, reuse bool) (*net.UDPConn, error) {
	everywhere := netip.IPv4Unspecified()
	if port.IPv6 {
		everywhere = netip.IPv6Unspecified()
	}
	return bind(netip.AddrPortFrom(everywhere, port.Number()), func(fd int) error {
		errs := []error{bindToDevice(fd, port.Device)}
		if reuse {
			errs = append(errs, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		}
		if port.IPv6 {
			errs = append(errs,
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1))
		} else {
			errs = append(errs,
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTTL, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
		}
		// A small buffer loses packets under load, which is no reason not to open.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		return errors.Join(errs...)
	})
}

// Dial implements bfd.Wire.
func (w *Sockets) Dial(r bfd.Route) (bfd.Sender, error) {
	local := r.Local
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
		if r.Peer.Is6() {
			local = netip.IPv6Unspecified()
		}
	}
	if local.IsLinkLocalUnicast() && local.Is6() && local.Zone() == "" {
		local = local.WithZone(r.Peer.Zone())
	}
	to, scope, err := sockaddr(r)
	if err != nil {
		return nil, plain(err)
	}
	ttl := maxTTL
	if r.Port.Echo {
		ttl = echoTTL
	}
	c, err := bind(netip.AddrPortFrom(local, r.SourcePort), func(fd int) error {
		errs := []error{bindToDevice(fd, r.Port.Device)}
		if r.Peer.Is6() {
			errs = append(errs,
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, trafficClass))
		} else {
			errs = append(errs,
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl),
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, trafficClass))
		}
		// Nobody reads what strangers send to this port.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
		return errors.Join(errs...)
	})
	if err != nil {
		return nil, plain(err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		_ = c.Close()
		return nil, plain(err)
	}
	return newSender(c, raw, to, scope), nil
}

// sockaddr returns where to send to, and the interface that the peer's zone names.
func sockaddr(r bfd.Route) (unix.Sockaddr, int, error) {
	port := int(r.Port.Number())
	if r.Peer.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: r.Peer.As4()}, 0, nil
	}
	scope := 0
	if zone := r.Peer.Zone(); zone != "" {
		ifi, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, 0, err
		}
		scope = ifi.Index
	}
	return &unix.SockaddrInet6{Port: port, Addr: r.Peer.As16(), ZoneId: uint32(scope)}, scope, nil
}

// bind returns a socket with options set before it is bound and hears anything.
func bind(at netip.AddrPort, options func(fd int) error) (*net.UDPConn, error) {
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return control(raw, options) }}
	// Nothing here waits: the address is no name.
	c, err := config.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

func bindToDevice(fd int, device string) error {
	if device == "" {
		return nil
	}
	return unix.BindToDevice(fd, device)
}

// control calls f with the file descriptor of raw.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// plain returns the system's error inside err without the names of calls and
// addresses around it, which the caller's sentence does not need.
func plain(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}
