package frames

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/e2e/network"
)

// Sender sends frames from a host's eth0 as they are, past its kernel.
type Sender struct {
	host  *network.Host
	file  *os.File
	index int
}

// NewSender opens a host for sending.
func NewSender(host *network.Host) (*Sender, error) {
	s := &Sender{host: host}
	err := host.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		s.file = os.NewFile(uintptr(fd), "packet")
		return nil
	})
	if err == nil {
		s.index, err = host.Index()
	}
	if err != nil {
		return nil, fmt.Errorf("frames: failed to send from %s: %w", host.Name(), err)
	}
	return s, nil
}

// Send sends one frame, Ethernet header included. It need not be a valid one.
func (s *Sender) Send(frame []byte) error {
	if err := unix.Sendto(int(s.file.Fd()), frame, 0, &unix.SockaddrLinklayer{Ifindex: s.index}); err != nil {
		return fmt.Errorf("frames: failed to send from %s: %w", s.host.Name(), os.NewSyscallError("sendto", err))
	}
	return nil
}

// Close closes the sender.
func (s *Sender) Close() error { return s.file.Close() }

// Ask asks the segment who has an address, as the host's kernel would if it had forgotten: a broadcast ARP request, or a neighbor
// solicitation to the solicited-node group. The answer goes to the host; a Capture sees it.
func (s *Sender) Ask(addr netip.Addr) error { return s.Send(s.Question(addr)) }

// AskEvery asks again and again until ctx ends.
func (s *Sender) AskEvery(ctx context.Context, addr netip.Addr, period time.Duration) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if err := s.Ask(addr); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Question returns the frame that Ask sends, for a test to spoil.
func (s *Sender) Question(addr netip.Addr) []byte {
	mac := MAC(s.host.MAC())
	if addr.Is4() {
		return arpRequest(mac, s.host.Address(false), addr)
	}
	return solicitation(mac, s.host.Address(true), addr)
}

// arpRequest returns a broadcast request (RFC 826).
func arpRequest(mac MAC, sender, target netip.Addr) []byte {
	everybody := Broadcast()
	frame := append(everybody[:], mac[:]...)
	frame = binary.BigEndian.AppendUint16(frame, etherTypeARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, their lengths, request
	frame = append(append(frame, mac[:]...), sender.AsSlice()...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	return append(frame, target.AsSlice()...)
}

// solicitation returns a neighbor solicitation to the solicited-node group of the target (RFC 4861 section 4.3).
func solicitation(mac MAC, sender, target netip.Addr) []byte {
	bytes := target.As16()
	// RFC 4291 section 2.7.1 and RFC 2464 section 7.
	group := [16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff, 13: bytes[13], 14: bytes[14], 15: bytes[15]}
	frame := append([]byte{0x33, 0x33}, group[12:]...)
	frame = binary.BigEndian.AppendUint16(append(frame, mac[:]...), etherTypeIPv6)

	message := make([]byte, 8, 32)
	message[0] = typeNeighborSolicitation
	message = append(message, target.AsSlice()...)
	message = append(append(message, 1, 1), mac[:]...) // source link-layer address, 8 octets
	pseudo := append(append([]byte(nil), sender.AsSlice()...), group[:]...)
	pseudo = append(pseudo, 0, 0, 0, byte(len(message)), 0, 0, 0, unix.IPPROTO_ICMPV6)
	binary.BigEndian.PutUint16(message[2:], checksum(append(pseudo, message...)))

	frame = append(frame, 0x60, 0, 0, 0, 0, byte(len(message)), unix.IPPROTO_ICMPV6, 255)
	frame = append(append(frame, sender.AsSlice()...), group[:]...)
	return append(frame, message...)
}

// checksum is the Internet checksum (RFC 1071) of an even number of octets.
func checksum(data []byte) uint16 {
	var sum uint32
	for i := 0; i < len(data); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(data[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
