//go:build linux

package socket

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

const (
	controlPort = 3784
	echoPort    = 3785
	udpLen      = 8
	ipv4Len     = 20
	ipv6Len     = 40
)

var errNoNeighbor = errors.New("the peer's hardware address is not known yet")

// echo is both ends of an echo path, on one packet socket. It hears the peer's
// control packets too, and learns from them where on the link the peer is.
type echo struct {
	*sender
	waiter
	message message
	route   bfd.EchoRoute
	to      *unix.SockaddrLinklayer
	frame   []byte // reused
	number  uint16
}

// Echo implements bfd.Wire.
func (w *Sockets) Echo(r bfd.EchoRoute) (bfd.Listener, bfd.Sender, error) {
	etherType := uint16(unix.ETH_P_IP)
	if r.Local.Is6() {
		etherType = unix.ETH_P_IPV6
	}
	// Without a protocol the socket hears nothing until its filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(etherType), Ifindex: r.Interface}
	if err := errors.Join(attach(fd, filter(r.Local.Is6())), unix.Bind(fd, to)); err != nil {
		_ = unix.Close(fd)
		return nil, nil, plain(err)
	}
	file := os.NewFile(uintptr(fd), "bfd echo")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, nil, plain(err)
	}
	e := &echo{route: r, to: to, sender: newSender(file, raw, to, 0)}
	e.initWaiter(file, raw)
	e.message.init()
	return e, e, nil
}

// Send implements bfd.Sender.
func (e *echo) Send(payload []byte) error {
	if e.to.Halen == 0 {
		return errNoNeighbor
	}
	e.number++
	e.frame = appendDatagram(e.frame[:0], e.route.Local, e.number, payload)
	return e.sender.Send(e.frame)
}

// Receive implements bfd.Listener.
func (e *echo) Receive(p *bfd.Packet) (bool, error) {
	for {
		ok, err := e.message.receive(e.waiter.raw)
		if !ok || err != nil {
			return false, err
		}
		d, ok := parseDatagram(e.message.payload[:e.message.n])
		switch {
		case !ok:
		case d.port == controlPort && d.source == e.route.Peer:
			from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&e.message.name))
			e.to.Halen, e.to.Addr = from.Halen, from.Addr
		case d.port == echoPort && d.destination == e.route.Local:
			*p = bfd.Packet{
				Source: d.source, Destination: d.destination, Interface: e.route.Interface,
				TTL: d.ttl, Payload: d.payload,
			}
			return true, nil
		}
	}
}

// Close implements bfd.Listener and bfd.Sender: the second time does nothing.
func (e *echo) Close() error {
	if err := e.waiter.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// filter returns the program that passes incoming UDP packets to the two ports.
func filter(ipv6 bool) []bpf.Instruction {
	head := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.PACKET_HOST, SkipTrue: 9},
	}
	protocol, port := bpf.Instruction(bpf.LoadAbsolute{Off: 9, Size: 1}), bpf.Instruction(bpf.LoadIndirect{Off: 2, Size: 2})
	header, fragment := bpf.Instruction(bpf.LoadMemShift{Off: 0}), bpf.Instruction(bpf.LoadAbsolute{Off: 6, Size: 2})
	if ipv6 { // an extension header or a fragment is not UDP here
		protocol, port = bpf.LoadAbsolute{Off: 6, Size: 1}, bpf.LoadIndirect{Off: 2, Size: 2}
		header, fragment = bpf.LoadConstant{Dst: bpf.RegX, Val: ipv6Len}, bpf.LoadConstant{Dst: bpf.RegA, Val: 0}
	}
	return append(head,
		protocol,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 7},
		fragment,
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 5},
		header,
		port,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: controlPort, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: echoPort, SkipTrue: 1},
		bpf.RetConstant{Val: 256},
		bpf.RetConstant{Val: 0},
	)
}

func attach(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filters[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]})
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

// datagram is what matters of a received IP packet with UDP in it.
type datagram struct {
	source, destination netip.Addr
	ttl                 uint8
	port                uint16 // of the destination
	payload             []byte
}

// parseDatagram reads an IP packet. Its checksums are for the echo's own key to
// replace: what is damaged on the way does not come back as ours.
func parseDatagram(b []byte) (datagram, bool) {
	var d datagram
	switch {
	case len(b) >= ipv4Len && b[0]>>4 == 4:
		header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if header < ipv4Len || total < header+udpLen || total > len(b) {
			return d, false
		}
		d.source, d.destination = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		d.ttl, b = b[8], b[header:total]
	case len(b) >= ipv6Len+udpLen && b[0]>>4 == 6:
		total := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
		if total < ipv6Len+udpLen || total > len(b) {
			return d, false
		}
		d.source, d.destination = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		d.ttl, b = b[7], b[ipv6Len:total]
	default:
		return d, false
	}
	d.port = binary.BigEndian.Uint16(b[2:])
	d.payload = b[udpLen:]
	return d, true
}

// appendDatagram appends an IP packet from addr to addr and from the echo port to
// the echo port.
func appendDatagram(b []byte, addr netip.Addr, number uint16, payload []byte) []byte {
	length := uint16(udpLen + len(payload))
	start := len(b)
	if addr.Is4() {
		b = append(b, 0x45, trafficClass)
		b = binary.BigEndian.AppendUint16(b, ipv4Len+length)
		b = binary.BigEndian.AppendUint16(b, number)
		b = append(b, 0x40, 0, maxTTL, unix.IPPROTO_UDP, 0, 0) // may not be fragmented
	} else {
		b = append(b, 0x60|trafficClass>>4, trafficClass<<4&0xff, 0, 0)
		b = binary.BigEndian.AppendUint16(b, length)
		b = append(b, unix.IPPROTO_UDP, maxTTL)
	}
	addrs := len(b)
	for range 2 {
		a := addr.As16()
		if addr.Is4() {
			b = append(b, a[12:]...)
		} else {
			b = append(b, a[:]...)
		}
	}
	udp := len(b)
	if addr.Is4() {
		binary.BigEndian.PutUint16(b[start+10:], checksum(0, b[start:udp]))
	}
	b = binary.BigEndian.AppendUint16(b, echoPort)
	b = binary.BigEndian.AppendUint16(b, echoPort)
	b = binary.BigEndian.AppendUint16(b, length)
	b = append(b, 0, 0)
	b = append(b, payload...)
	// The pseudo header: both addresses, the protocol, and the length once more.
	sum := checksum(uint32(unix.IPPROTO_UDP)+uint32(length), b[addrs:])
	if sum == 0 {
		sum = 0xffff // zero means none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[udp+6:], sum)
	return b
}

// checksum is the Internet checksum of b (RFC 1071), on top of sum.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
