//go:build linux

package gobgp

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp"
)

const (
	// maxKey is the kernel's limit for a key of RFC 2385, in octets.
	maxKey = unix.TCP_MD5SIG_MAXKEYLEN
	// control is class selector 6 in the place of the type of service, which
	// keeps sessions up on a network that is full (RFC 4594, section 3.1).
	control = 0xC0
	// priority is the same within this host, the most that needs no capability.
	priority = 6
)

// prepare sets the options of a socket that is neither bound nor connected.
func prepare(raw syscall.RawConn, t bgp.Target, index int) error {
	var err error
	if failed := raw.Control(func(fd uintptr) { err = setOptions(int(fd), t, index) }); failed != nil {
		return failed
	}
	return err
}

func setOptions(fd int, t bgp.Target, index int) error {
	if t.Device != "" {
		if err := unix.BindToDevice(fd, t.Device); err != nil {
			return fmt.Errorf("failed to bind to device %s: %w", t.Device, err)
		}
	}
	if t.Password != "" {
		if err := setKey(fd, t.Remote, index, string(t.Password)); err != nil {
			return fmt.Errorf("failed to set the password: %w", err)
		}
	}
	level, ttl, minTTL, class := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_MINTTL, unix.IP_TOS
	if t.Remote.Addr().Is6() {
		level, ttl, minTTL, class = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_MINHOPCOUNT, unix.IPV6_TCLASS
	}
	if t.TTL != 0 {
		if err := unix.SetsockoptInt(fd, level, ttl, int(t.TTL)); err != nil {
			return fmt.Errorf("failed to set TTL %d: %w", t.TTL, err)
		}
	}
	if t.MinTTL != 0 {
		// A security measure: without it there is no session (RFC 5082).
		if err := unix.SetsockoptInt(fd, level, minTTL, int(t.MinTTL)); err != nil {
			return fmt.Errorf("failed to demand TTL %d: %w", t.MinTTL, err)
		}
	}
	// A network that treats our packets like any others is no reason to stay away.
	_ = unix.SetsockoptInt(fd, level, class, control)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priority)
	return nil
}

// setKey makes the kernel sign what goes to remote, and take from there only what
// is signed (RFC 2385).
func setKey(fd int, remote netip.AddrPort, index int, key string) error {
	sig := unix.TCPMD5Sig{Keylen: uint16(len(key))}
	if copy(sig.Key[:], key) != len(key) {
		return errors.New("too long")
	}
	// The kernel reads the address as the struct sockaddr of its family.
	if addr := remote.Addr(); addr.Is4() {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sig.Addr))
		sa.Family, sa.Addr = unix.AF_INET, addr.As4()
	} else {
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&sig.Addr))
		sa.Family, sa.Addr, sa.Scope_id = unix.AF_INET6, addr.As16(), uint32(index)
	}
	return unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig)
}
