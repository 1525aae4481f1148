//go:build linux

package socket

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

// listener is a bfd.Listener on a UDP socket.
type listener struct {
	waiter
	conn    *net.UDPConn
	closed  func()
	message message
	ipv6    bool
}

func newListener(c *net.UDPConn, ipv6 bool) (*listener, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	l := &listener{conn: c, ipv6: ipv6}
	l.initWaiter(c, raw)
	l.message.init()
	return l, nil
}

// Receive implements bfd.Listener.
func (l *listener) Receive(p *bfd.Packet) (bool, error) {
	ok, err := l.message.receive(l.raw)
	if !ok || err != nil {
		return false, err
	}
	m := &l.message
	*p = bfd.Packet{Payload: m.payload[:m.n]}
	if l.ipv6 {
		p.Source = netip.AddrFrom16((*unix.RawSockaddrInet6)(unsafe.Pointer(&m.name)).Addr)
	} else {
		p.Source = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&m.name)).Addr)
	}
	for rest := m.oob[:m.header.Controllen]; len(rest) >= unix.SizeofCmsghdr; {
		var h unix.Cmsghdr
		var data []byte
		if h, data, rest, err = unix.ParseOneSocketControlMessage(rest); err != nil {
			return false, err
		}
		ipv4, ipv6 := h.Level == unix.IPPROTO_IP, h.Level == unix.IPPROTO_IPV6
		switch {
		case ipv4 && h.Type == unix.IP_TTL && len(data) >= 4,
			ipv6 && h.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
			p.TTL = uint8(binary.NativeEndian.Uint32(data))
		case ipv4 && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.Interface = int(binary.NativeEndian.Uint32(data))
			p.Destination = netip.AddrFrom4([4]byte(data[8:12]))
		case ipv6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.Destination = netip.AddrFrom16([16]byte(data[:16]))
			p.Interface = int(binary.NativeEndian.Uint32(data[16:]))
		}
	}
	return true, nil
}

// Close implements bfd.Listener.
func (l *listener) Close() error {
	l.closed()
	return l.waiter.Close()
}

// waiter waits for a socket without receiving from it.
type waiter struct {
	raw    syscall.RawConn
	closer io.Closer
	poll   []unix.PollFd
	asked  bool                  // in this Wait
	ready  func(fd uintptr) bool // made once: a literal per wait would be garbage
}

func (w *waiter) initWaiter(c io.Closer, raw syscall.RawConn) {
	w.closer, w.raw, w.poll = c, raw, make([]unix.PollFd, 1)
	w.ready = func(fd uintptr) bool {
		if w.asked { // so the runtime has seen the socket become readable
			return true
		}
		w.asked = true
		w.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		n, err := unix.Poll(w.poll, 0)
		return n != 0 || err != nil
	}
}

// Wait implements bfd.Listener.
func (w *waiter) Wait() error {
	w.asked = false
	return plain(w.raw.Read(w.ready))
}

// Close implements bfd.Listener.
func (w *waiter) Close() error { return plain(w.closer.Close()) }

// message is what recvmsg(2) fills. It is used over and over: nothing is
// allocated per packet, which the calls of the standard library and of x/sys
// cannot promise while they do not block.
type message struct {
	payload [256]byte // of which a control packet takes at most 255
	oob     [128]byte
	name    unix.RawSockaddrAny
	header  unix.Msghdr
	iov     unix.Iovec

	n     int
	errno unix.Errno
	call  func(fd uintptr)
}

func (m *message) init() {
	m.iov.Base = &m.payload[0]
	m.iov.SetLen(len(m.payload))
	m.header.Iov = &m.iov
	m.header.SetIovlen(1)
	m.header.Name = (*byte)(unsafe.Pointer(&m.name))
	m.header.Control = &m.oob[0]
	m.call = func(fd uintptr) {
		m.header.Namelen = uint32(unsafe.Sizeof(m.name))
		m.header.SetControllen(len(m.oob))
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&m.header)), unix.MSG_DONTWAIT)
		m.n, m.errno = int(n), errno
	}
}

// receive reports whether there was a packet, which is then in m.
func (m *message) receive(raw syscall.RawConn) (bool, error) {
	for {
		if err := raw.Control(m.call); err != nil {
			return false, plain(err)
		}
		switch m.errno {
		case 0:
			return true, nil
		case unix.EAGAIN, unix.ENETDOWN: // the latter once when a packet socket's interface goes down
			return false, nil
		case unix.EINTR:
		default:
			return false, m.errno
		}
	}
}
