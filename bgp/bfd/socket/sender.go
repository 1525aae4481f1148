//go:build linux

package socket

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// sender is a bfd.Sender on any kind of socket. It costs no allocation per
// packet.
type sender struct {
	io.Closer
	raw   syscall.RawConn
	to    unix.Sockaddr
	scope int

	packet []byte
	err    error
	call   func(fd uintptr) // made once: a literal per packet would be garbage
}

func newSender(c io.Closer, raw syscall.RawConn, to unix.Sockaddr, scope int) *sender {
	s := &sender{Closer: c, raw: raw, to: to, scope: scope}
	s.call = func(fd uintptr) {
		// Do not wait for room: a late packet is worth less than the next.
		s.err = unix.Sendto(int(fd), s.packet, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, s.to)
	}
	return s
}

// Send implements bfd.Sender.
func (s *sender) Send(packet []byte) error {
	s.packet = packet
	if err := s.raw.Control(s.call); err != nil {
		return plain(err)
	}
	return s.err
}

// Scope implements bfd.Sender.
func (s *sender) Scope() int { return s.scope }
