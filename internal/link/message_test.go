package link

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The builders below write rtnetlink messages the way the kernel does, so that
// what the parsers and the watcher do with them can be told without a kernel.

// linkMessage is an RTM_NEWLINK of an Ethernet link.
func linkMessage(index int, name string, flags uint32, attrs ...[]byte) message {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint16(b[2:], unix.ARPHRD_ETHER)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	b = append(b, attribute(unix.IFLA_IFNAME, []byte(name+"\x00"))...)
	for _, a := range attrs {
		b = append(b, a...)
	}

	return message{kind: unix.RTM_NEWLINK, body: b}
}

// addressMessage is an RTM_NEWADDR of an address without far end.
func addressMessage(index int, prefix string, flags uint32) message {
	p := netip.MustParsePrefix(prefix)
	b := addressHeader(index, p)
	b = append(b, attribute(unix.IFA_ADDRESS, p.Addr().AsSlice())...)
	if p.Addr().Is4() {
		b = append(b, attribute(unix.IFA_LOCAL, p.Addr().AsSlice())...)
	}
	b = append(b, attribute(unix.IFA_FLAGS, word(flags))...)

	return message{kind: unix.RTM_NEWADDR, body: b}
}

func addressHeader(index int, p netip.Prefix) []byte {
	b := make([]byte, unix.SizeofIfAddrmsg)
	b[0] = unix.AF_INET
	if p.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	b[1] = byte(p.Bits())
	binary.NativeEndian.PutUint32(b[4:], uint32(index))

	return b
}

// deleted turns the message that announces an object into the one that revokes it.
func deleted(m message) message {
	return message{kind: m.kind + 1, body: m.body}
}

func attribute(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}

	return b
}

func word(v uint32) []byte {
	return binary.NativeEndian.AppendUint32(nil, v)
}
