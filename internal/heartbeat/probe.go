package heartbeat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// TCPProbe returns an Options.Probe that connects from a source address to the
// port where the speakers listen. It is the kernel there that answers: with an
// acknowledgement where a process listens, even one that is stopped, and with a
// reset where none does any more. A firewall that lets the speakers talk lets
// this through too, and it crosses routers, which an ARP request would not.
func TCPProbe(source netip.Addr) func(context.Context, netip.AddrPort) bool {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))}
	return func(ctx context.Context, addr netip.AddrPort) bool {
		conn, err := dialer.DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // nothing was said, so nothing has to arrive
		}
		_ = conn.Close() // it has served its purpose
		return true
	}
}
