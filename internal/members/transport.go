package members

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	// receiveBuffer is asked for, the kernel grants what net.core.rmem_max
	// allows; a starved process finds its heartbeats there.
	receiveBuffer = 2 << 20

	maxPacket = 64 << 10

	// errorPause keeps a lasting error, such as too many open files, from
	// becoming a busy loop.
	errorPause = 100 * time.Millisecond
)

// transport carries memberlist's packets over UDP and its streams over TCP.
//
// It replaces memberlist's own, which hides why it cannot listen, and leaves
// its connections, and with them goroutines, to their timeouts when it ends.
type transport struct {
	addr    netip.AddrPort
	tcp     net.Listener
	udp     *net.UDPConn
	packets chan *memberlist.Packet
	streams chan net.Conn
	dial    func(addr string, timeout time.Duration) (net.Conn, error)
	end     func()
	done    <-chan struct{}
	readers sync.WaitGroup
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// listen returns a transport that lives until Shutdown, also past ctx: a
// member that leaves still has to say so.
func listen(ctx context.Context, addr netip.AddrPort) (memberlist.NodeAwareTransport, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &transport{
		addr:    addr,
		packets: make(chan *memberlist.Packet),
		streams: make(chan net.Conn),
		end:     cancel,
		done:    ctx.Done(),
	}

	var err error
	if t.tcp, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr.String()); err != nil {
		cancel()

		return nil, reason(err)
	}
	if t.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr)); err != nil {
		cancel()

		return nil, errors.Join(reason(err), t.tcp.Close())
	}
	_ = t.udp.SetReadBuffer(receiveBuffer)

	t.dial = func(to string, timeout time.Duration) (net.Conn, error) {
		// From the same address as packets, so that one rule of a firewall fits.
		d := net.Dialer{Timeout: timeout, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), 0))}
		c, err := d.DialContext(ctx, "tcp", to)
		if err != nil {
			return nil, err
		}

		return newStream(ctx, c), nil
	}
	t.readers.Go(func() { t.accept(ctx) })
	t.readers.Go(t.receive)

	return t, nil
}

// reason strips what the caller says himself: that, and where, it listens.
func reason(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return errno
	}

	return err
}

func (t *transport) accept(ctx context.Context) {
	for {
		c, err := t.tcp.Accept()
		if err != nil {
			if !t.pause() {
				return
			}

			continue
		}
		select {
		case t.streams <- newStream(ctx, c):
		case <-t.done:
			_ = c.Close()
		}
	}
}

func (t *transport) receive() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			if !t.pause() {
				return
			}

			continue
		}
		p := &memberlist.Packet{
			Buf:       append([]byte(nil), buf[:n]...),
			From:      net.UDPAddrFromAddrPort(from),
			Timestamp: time.Now(),
		}
		select {
		case t.packets <- p:
		case <-t.done:
		}
	}
}

// pause waits after an error. It returns false once the transport ends.
func (t *transport) pause() bool {
	select {
	case <-t.done:
		return false
	case <-time.After(errorPause):
		return true
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) { //nolint:forbidigo // the library's edge
	return t.addr.Addr().AsSlice(), int(t.addr.Port()), nil
}

// WriteTo implements memberlist.Transport.
func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return time.Time{}, fmt.Errorf("failed to send a packet: %w", err)
	}
	_, err = t.udp.WriteToUDPAddrPort(b, to)

	return time.Now(), err
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return t.WriteTo(b, a.Addr)
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet {
	return t.packets
}

// DialTimeout implements memberlist.Transport.
func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.dial(addr, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return t.dial(a.Addr, timeout)
}

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn {
	return t.streams
}

// Shutdown implements memberlist.Transport. It closes the sockets and every
// connection, and waits for its readers.
func (t *transport) Shutdown() error {
	t.end()
	err := errors.Join(t.tcp.Close(), t.udp.Close())
	t.readers.Wait()

	return err
}

// stream is a connection that does not outlive its transport.
type stream struct {
	net.Conn
	release func() bool
}

func newStream(ctx context.Context, c net.Conn) *stream {
	return &stream{Conn: c, release: context.AfterFunc(ctx, func() { _ = c.Close() })}
}

// Close closes the connection.
func (s *stream) Close() error {
	s.release()

	return s.Conn.Close()
}
