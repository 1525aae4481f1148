//go:build linux

package gobgp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/clarion-lb/clarion/bgp"
)

// Network is the bgp.Wire of the network namespace that its methods are called
// in. The zero value is ready. It needs no capability: it listens nowhere and
// only ever calls.
type Network struct{}

// Dial implements bgp.Wire. These causes of a failure are told apart by
// errors.Is:
//
//	syscall.ECONNREFUSED                        nothing listens there
//	syscall.EHOSTUNREACH, syscall.ENETUNREACH   no route, or no neighbour
//	context.DeadlineExceeded, syscall.ETIMEDOUT no answer; so it is too with
//	                                            another password than the router's
//	context.Canceled                            ctx ended
//	syscall.EADDRNOTAVAIL                       the node does not have Source
//	syscall.ENODEV                              the node does not have Device, or
//	                                            the interface in Remote's zone
//	syscall.EINVAL                              the target cannot be, such as one
//	                                            with a password over 80 octets
func (Network) Dial(ctx context.Context, t bgp.Target) (bgp.Conn, error) {
	c, err := dial(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("bgp/gobgp: failed to connect to %s: %w", t.Remote, plain(err))
	}
	return c, nil
}

func dial(ctx context.Context, t bgp.Target) (*conn, error) {
	if err := ctx.Err(); err != nil { // which net notices only if it has to wait
		return nil, err
	}
	index, err := check(t)
	if err != nil {
		return nil, err
	}
	remote, local := numbered(t.Remote, index), netip.AddrPort{}
	if t.Source.IsValid() {
		local = numbered(netip.AddrPortFrom(t.Source, 0), index)
	}
	network := "tcp6"
	if remote.Addr().Is4() { // no mapped addresses: MD5 keys would not match them
		network = "tcp4"
	}
	d := net.Dialer{
		KeepAlive: -1, // BGP has its own
		Control:   func(_, _ string, raw syscall.RawConn) error { return prepare(raw, t, index) },
	}
	socket, err := d.DialTCP(ctx, network, local, remote)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no answer: %w", context.DeadlineExceeded)
	case err != nil:
		return nil, err
	}
	at, err := path(socket, t.Remote, index)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return newConn(socket, at), nil
}

// check looks for what the kernel would not say, or not clearly, and returns the
// index of the interface in the zone of a link-local remote address; else 0.
func check(t bgp.Target) (index int, err error) {
	switch addr := t.Remote.Addr(); {
	case !addr.IsValid() || addr.Is4In6() || addr.IsUnspecified() || addr.IsMulticast():
		return 0, fmt.Errorf("not the address of a router: %w", syscall.EINVAL)
	case t.Source.IsValid() && t.Source.Is4() != addr.Is4():
		return 0, fmt.Errorf("the source %s is of the other family: %w", t.Source, syscall.EINVAL)
	case len(t.Password) > maxKey:
		return 0, fmt.Errorf("the password has %d octets, %d are possible: %w", len(t.Password), maxKey, syscall.EINVAL)
	case !addr.IsLinkLocalUnicast() || addr.Is4():
		return 0, nil
	case addr.Zone() == "":
		return 0, fmt.Errorf("a link-local address needs a zone: %w", syscall.EINVAL)
	default:
		// Not left to net, which remembers for a minute which index a name had.
		link, err := net.InterfaceByName(addr.Zone())
		if err != nil {
			return 0, fmt.Errorf("no interface %s: %w", addr.Zone(), syscall.ENODEV)
		}
		return link.Index, nil
	}
}

// numbered returns a with the index as its zone if it is link-local.
func numbered(a netip.AddrPort, index int) netip.AddrPort {
	if index == 0 || !a.Addr().IsLinkLocalUnicast() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(strconv.Itoa(index)), a.Port())
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
