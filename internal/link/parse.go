package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var (
	errShort     = errors.New("message is too short")
	errAttribute = errors.New("attribute has an impossible length")
)

// device is one RTM_NEWLINK or RTM_DELLINK.
type device struct {
	// Link lacks Master and the addresses: the message has only the master's
	// index and no address.
	Link
	master int
	// partial marks messages that do not describe the link: those of a bridge
	// about its port, and those of a wireless driver about a scan.
	partial bool
}

func parseDevice(b []byte) (device, error) {
	if len(b) < unix.SizeofIfInfomsg {
		return device{}, errShort
	}

	// struct ifinfomsg: family, pad, type u16, index i32, flags u32, change u32.
	kind := binary.NativeEndian.Uint16(b[2:])
	index := int(int32(binary.NativeEndian.Uint32(b[4:])))
	flags := binary.NativeEndian.Uint32(b[8:])
	d := device{
		Link: Link{
			Index:     index,
			Up:        flags&unix.IFF_UP != 0,
			Carrier:   flags&unix.IFF_LOWER_UP != 0,
			Broadcast: flags&unix.IFF_BROADCAST != 0,
			NoARP:     flags&unix.IFF_NOARP != 0,
			Loopback:  flags&unix.IFF_LOOPBACK != 0,
		},
		// A bridge reports its ports to the same group under its own family;
		// there RTM_DELLINK says that the port was released, not deleted.
		partial: b[0] != unix.AF_UNSPEC,
	}

	err := eachAttribute(b[unix.SizeofIfInfomsg:], func(which uint16, v []byte) (err error) {
		switch which {
		case unix.IFLA_IFNAME:
			d.Name = text(v)
		case unix.IFLA_ADDRESS:
			if kind == unix.ARPHRD_ETHER && len(v) == len(d.MAC) {
				d.MAC = [6]byte(v)
			}
		case unix.IFLA_MTU:
			d.MTU = int(number(v))
		case unix.IFLA_MASTER:
			d.master = int(number(v))
		case unix.IFLA_LINKINFO:
			d.MasterKind, err = parseMasterKind(v)
		case unix.IFLA_WIRELESS:
			d.partial = true
		}

		return err
	})
	if err != nil {
		return device{}, fmt.Errorf("link %d: %w", index, err)
	}

	return d, nil
}

func parseMasterKind(b []byte) (kind string, err error) {
	err = eachAttribute(b, func(which uint16, v []byte) error {
		if which == nl.IFLA_INFO_SLAVE_KIND {
			kind = text(v)
		}

		return nil
	})

	return kind, err
}

// address is one RTM_NEWADDR or RTM_DELADDR.
type address struct {
	prefix netip.Prefix
	// peer tells apart the addresses of a point-to-point link, which may have
	// the same prefix.
	peer   netip.Addr
	usable bool
}

// same reports whether two messages are about one address.
func (a address) same(b address) bool {
	return a.prefix == b.prefix && a.peer == b.peer
}

func parseAddress(b []byte) (index int, addr address, err error) {
	if len(b) < unix.SizeofIfAddrmsg {
		return 0, address{}, errShort
	}

	// struct ifaddrmsg: family, prefix length, flags u8, scope, index u32.
	bits := int(b[1])
	flags := uint32(b[2])
	index = int(int32(binary.NativeEndian.Uint32(b[4:])))

	var local netip.Addr
	err = eachAttribute(b[unix.SizeofIfAddrmsg:], func(which uint16, v []byte) error {
		switch which {
		case unix.IFA_ADDRESS:
			addr.peer, _ = netip.AddrFromSlice(v)
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_FLAGS:
			// All 32 bits; the header has room for eight.
			flags = number(v)
		}

		return nil
	})
	if err != nil {
		return 0, address{}, fmt.Errorf("address on link %d: %w", index, err)
	}

	// IFA_ADDRESS is the far end on a point-to-point link, and the prefix
	// length is then that of the far end's network. Elsewhere it repeats
	// IFA_LOCAL (IPv4) or stands alone (IPv6).
	if !local.IsValid() {
		local = addr.peer
	}
	if local != addr.peer {
		bits = local.BitLen()
	}

	addr.prefix = netip.PrefixFrom(local, bits)
	if !addr.prefix.IsValid() {
		return 0, address{}, fmt.Errorf("address on link %d: %v/%d is not a prefix", index, local, bits)
	}

	addr.usable = flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0

	return index, addr, nil
}

// eachAttribute calls f for every attribute until it fails. (The library's
// parser panics when the padding of the last one is missing.)
func eachAttribute(b []byte, f func(which uint16, value []byte) error) error {
	// The upper bits of the type are flags: NLA_F_NESTED, NLA_F_NET_BYTEORDER.
	const typeMask = 0x3fff

	for len(b) >= unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return errAttribute
		}
		if err := f(binary.NativeEndian.Uint16(b[2:])&typeMask, b[unix.SizeofRtAttr:n]); err != nil {
			return err
		}
		padded := (n + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1)
		b = b[min(padded, len(b)):]
	}

	return nil
}

// text reads a string attribute, whose terminating zero is part of the value.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")

	return s
}

// number reads a 32-bit attribute; a value of another length is no number and
// reads as zero.
func number(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}

	return binary.NativeEndian.Uint32(b)
}
