//go:build linux

package unnumbered

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/mdlayher/ndp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// The groups that advertisements and solicitations are for (RFC 4291, section
// 2.7.1).
const (
	allNodes   = "ff02::1"
	allRouters = "ff02::2"
)

// Sockets is the Wire of the network namespace that its methods are called in.
// The zero value is ready. It needs CAP_NET_RAW.
type Sockets struct{}

// Open implements Wire.
func (Sockets) Open(link Link) (Conn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) {
			// Not to a name or a zone: those may by now be another interface's.
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, link.Index)
		}), err)
	}}
	socket, err := lc.ListenPacket(context.Background(), "ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, plain(err)
	}
	c := &conn{link: link, packets: ipv6.NewPacketConn(socket)}
	if err := c.prepare(); err != nil {
		_ = c.Close()
		return nil, plain(err)
	}
	return c, nil
}

// conn is a Conn on a raw ICMPv6 socket.
type conn struct {
	link    Link
	packets *ipv6.PacketConn
	buffer  [9216]byte // of the goroutine that receives; what is longer is cut, and so not in order
}

// prepare has the socket hear routers and those who ask for them, and nobody on
// this node hear what it sends: the kernel would take itself for its router and
// stop to look for another (RFC 4861, section 6.3.7).
func (c *conn) prepare() error {
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterAdvertisement)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	on := &net.Interface{Index: c.link.Index}
	return errors.Join(
		c.packets.SetICMPFilter(&filter),
		c.packets.SetControlMessage(ipv6.FlagHopLimit, true),
		c.packets.SetMulticastLoopback(false),
		c.packets.JoinGroup(on, group(allNodes)),
		c.packets.JoinGroup(on, group(allRouters)),
	)
}

// Receive implements Conn.
func (c *conn) Receive() (Heard, error) {
	for {
		n, control, from, err := c.packets.ReadFrom(c.buffer[:])
		if err != nil {
			return Heard{}, plain(err)
		}
		source, ok := from.(*net.IPAddr)
		if !ok || control == nil {
			continue
		}
		addr, _ := netip.AddrFromSlice(source.IP)
		if heard, ok := parse(c.buffer[:n], addr, control.HopLimit); ok && addr != c.link.LinkLocal {
			return heard, nil
		}
	}
}

// parse checks a message as RFC 4861, sections 6.1.1 and 6.1.2, ask; the kernel
// has checked its sum. Of the options only the lengths are looked at: a router
// that sends one that nobody knows is no less a router.
func parse(b []byte, from netip.Addr, hopLimit int) (Heard, bool) {
	const advertisementLen, solicitationLen = 16, 8
	if hopLimit != ndp.HopLimit || len(b) < solicitationLen || b[1] != 0 {
		return Heard{}, false // it may come from afar, or is cut, or means something else
	}
	h := Heard{From: from}
	var fixed int
	switch ipv6.ICMPType(b[0]) {
	case ipv6.ICMPTypeRouterAdvertisement:
		h.Kind, fixed = Advertisement, advertisementLen
		if !from.IsLinkLocalUnicast() {
			return Heard{}, false
		}
	case ipv6.ICMPTypeRouterSolicitation:
		h.Kind, fixed = Solicitation, solicitationLen
	default:
		return Heard{}, false
	}
	if len(b) < fixed {
		return Heard{}, false
	}
	for options := b[fixed:]; len(options) > 0; {
		if len(options) < 2 || options[1] == 0 || int(options[1])*8 > len(options) {
			return Heard{}, false
		}
		options = options[int(options[1])*8:]
	}
	return h, true
}

// Send implements Conn.
func (c *conn) Send(kind Kind) error {
	message, to := compose(kind, c.link.MAC), allNodes
	if kind == Solicitation {
		to = allRouters
	}
	b, err := ndp.MarshalMessage(message)
	if err != nil {
		return fmt.Errorf("failed to encode: %w", err)
	}
	control := &ipv6.ControlMessage{
		HopLimit: ndp.HopLimit, Src: c.link.LinkLocal.AsSlice(), IfIndex: c.link.Index,
	}
	_, err = c.packets.WriteTo(b, control, group(to))
	return plain(err)
}

// compose returns a message. An advertisement that has nothing but the sender's
// hardware address leaves every parameter of every host as it is (RFC 4861,
// section 6.3.4).
func compose(kind Kind, mac [6]byte) ndp.Message {
	var options []ndp.Option
	if mac != [6]byte{} {
		options = append(options, &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: mac[:]})
	}
	if kind == Solicitation {
		return &ndp.RouterSolicitation{Options: options}
	}
	return &ndp.RouterAdvertisement{Options: options}
}

// group returns a group as the library wants it.
func group(name string) *net.IPAddr {
	return &net.IPAddr{IP: netip.MustParseAddr(name).AsSlice()} //nolint:forbidigo // the library's edge
}

// Close implements Conn.
func (c *conn) Close() error {
	if err := c.packets.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return plain(err)
	}
	return nil
}

// plain returns what is wrong without the names of calls and addresses that the
// sentence around it does not need.
func plain(err error) error {
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		err = operation.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return err
}
