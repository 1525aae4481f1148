//go:build linux

package gobgp

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clarion-lb/clarion/bgp"
)

// linger bounds how long Close waits for the router to have read what was sent.
const linger = 500 * time.Millisecond

// conn is a bgp.Conn over TCP.
type conn struct {
	socket *net.TCPConn
	path   bgp.Path

	receiver *receiver // of the goroutine that receives

	out    *bufio.Writer // of the goroutine that sends
	packer packer

	narrow  atomic.Bool // the router's OPEN knows no 4-octet AS numbers
	closed  atomic.Bool
	closing sync.Once
	failed  error // what Close returns
}

func newConn(socket *net.TCPConn, path bgp.Path) *conn {
	c := &conn{socket: socket, path: path, receiver: newReceiver(socket), out: bufio.NewWriterSize(socket, 16*maxLen)}
	c.packer.to = c.out
	return c
}

// Path implements bgp.Conn.
func (c *conn) Path() bgp.Path { return c.path }

// Receive implements bgp.Conn. A connection that the router has ended in order is
// io.EOF, one that it has reset syscall.ECONNRESET, one that was closed here
// net.ErrClosed.
func (c *conn) Receive() (bgp.Message, error) {
	m, err := c.receiver.next()
	if c.closed.Load() {
		return nil, net.ErrClosed
	}
	if o, ok := m.(bgp.Open); ok {
		c.narrow.Store(!o.FourOctetAS)
	}
	return m, err
}

// Send implements bgp.Conn. A message that cannot be encoded is an error and
// leaves the connection as it was; syscall.EMSGSIZE is that of an Update whose
// attributes leave no room for a prefix.
func (c *conn) Send(m bgp.Message) (int, error) {
	c.packer.narrow, c.packer.sent = c.narrow.Load(), 0
	if err := c.packer.write(m); err != nil {
		return 0, c.sendError(m, err)
	}
	if err := c.out.Flush(); err != nil {
		return 0, c.sendError(m, err)
	}
	return c.packer.sent, nil
}

func (c *conn) sendError(m bgp.Message, err error) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return fmt.Errorf("bgp/gobgp: failed to send %s: %w", name(m), plain(err))
}

// Close implements bgp.Conn. It waits until the router has closed its side, a
// fifth of a second at most: a socket that is closed while there is something to
// read in it answers with a reset, which may overtake what was said last.
func (c *conn) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		_ = c.socket.SetDeadline(time.Unix(1, 0)) // ends a Receive or Send in progress
		_ = c.socket.CloseWrite()
		_ = c.socket.SetReadDeadline(time.Now().Add(linger))
		var nobody [maxLen]byte
		for {
			if _, err := c.socket.Read(nobody[:]); err != nil {
				break
			}
		}
		if err := c.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			c.failed = fmt.Errorf("bgp/gobgp: failed to close: %w", plain(err))
		}
	})
	return c.failed
}
