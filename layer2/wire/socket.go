//go:build linux

package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/layer2"
)

// buffer is how much may wait to be sent, in bytes as the kernel counts them (some
// 800 for a frame): a takeover announces thousands of addresses at once. The kernel
// grants at most net.core.wmem_max.
const buffer = 4 << 20

// Sockets is the layer2.Wire of the network namespace that its methods are
// called in. The zero value is ready.
type Sockets struct{}

// Open implements layer2.Wire. It fails if the interface is gone or down, and
// without CAP_NET_RAW.
func (Sockets) Open(link layer2.Interface, protocol layer2.Protocol) (layer2.Conn, error) {
	rules := rulesOf(link, protocol)
	program, err := bpf.Assemble(rules.anything())
	if err != nil {
		return nil, fmt.Errorf("invalid filter: %w", err)
	}
	etherType := unix.ETH_P_ARP
	if protocol == layer2.NDP {
		etherType = unix.ETH_P_IPV6
	}
	// The filter is in place before the socket is bound and hears anything.
	c, err := packet.Listen(&net.Interface{Index: link.Index}, packet.Raw, etherType, &packet.Config{Filter: program})
	if err != nil {
		return nil, plain(err)
	}
	raw, err := c.SyscallConn()
	var ring *ring
	if err == nil {
		ring, err = prepare(raw)
	}
	if err != nil {
		_ = c.Close()
		return nil, plain(err)
	}
	return newConn(c, raw, ring, rules), nil
}

// prepare enlarges the buffers and takes the error that a socket bound to
// an interface which is down starts with.
func prepare(raw syscall.RawConn) (r *ring, err error) {
	control := raw.Control(func(fd uintptr) {
		// A small buffer loses frames under load, which is no reason not to open.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, buffer)
		if err = failure(fd); err == nil {
			r, err = newRing(int(fd))
		}
	})
	return r, errors.Join(control, err)
}

// failure returns, once, what has happened to a socket.
func failure(fd uintptr) error {
	errno, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	return err
}

// plain returns the system's error inside err without the names of calls and
// addresses around it, which the caller's sentence does not need.
func plain(err error) error {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return errno
	}
	return err
}

// conn is a layer2.Conn that costs no allocation per frame, which is why it does
// not use the packet socket's own ReadFrom and WriteTo.
type conn struct {
	socket *packet.Conn
	raw    syscall.RawConn
	ring   *ring
	rules  rules
	read   *transfer
	writes sync.Pool // of *transfer: answers and announcements may cross
}

// transfer is one read or write with its result. Its call is made once and kept,
// because a function literal per frame would be garbage per frame.
type transfer struct {
	frame []byte
	n     int
	err   error
	call  func(fd uintptr) (done bool)
}

func newConn(socket *packet.Conn, raw syscall.RawConn, ring *ring, rules rules) *conn {
	c := &conn{socket: socket, raw: raw, ring: ring, rules: rules, read: new(transfer)}
	c.read.call = func(fd uintptr) bool {
		n, ok := ring.take(c.read.frame)
		if c.read.n = n; ok {
			return true
		}
		c.read.err = failure(fd)
		return c.read.err != nil // else wait, and be called again
	}
	c.writes.New = func() any {
		t := new(transfer)
		t.call = func(fd uintptr) bool {
			t.n, t.err = unix.Write(int(fd), t.frame)
			return true // do not wait for room: a late answer is worth less than the next
		}
		return t
	}
	return c
}

// Heed implements layer2.Conn. The kernel changes from one filter to the next
// between two frames, and loses none.
func (c *conn) Heed(addrs []netip.Addr) error {
	if addrs == nil {
		return c.filter(c.rules.anything())
	}
	// It grants net.core.optmem_max for the old and the new one together: 128 KiB,
	// before Linux 6.8 it was 20 KiB.
	for most := mostBuckets; most > 0; most /= 2 {
		err := c.filter(c.rules.about(newSet(addrs, most)))
		if !errors.Is(err, unix.ENOMEM) {
			return err
		}
	}
	return c.filter(c.rules.anything())
}

func (c *conn) filter(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("invalid filter: %w", err)
	}
	return plain(c.socket.SetBPF(raw))
}

// Read implements layer2.Conn.
func (c *conn) Read(frame []byte) (int, error) {
	c.read.frame = frame
	if err := c.raw.Read(c.read.call); err != nil {
		return 0, plain(err)
	}
	return c.read.n, c.read.err
}

// Write implements layer2.Conn.
func (c *conn) Write(frame []byte) (int, error) {
	t := c.writes.Get().(*transfer)
	defer c.writes.Put(t)
	t.frame = frame
	if err := c.raw.Write(t.call); err != nil {
		return 0, plain(err)
	}
	return max(t.n, 0), t.err
}

// Close implements layer2.Conn. When the socket is closed, Read has let go of the
// ring.
func (c *conn) Close() error {
	return errors.Join(plain(c.socket.Close()), c.ring.close())
}
