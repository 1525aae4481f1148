//go:build linux

package gobgp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/internal/segment"
)

// pair returns a connection and the router's end of it.
func pair(tb testing.TB) (bgp.Conn, *net.TCPConn) {
	tb.Helper()
	router := host{segment.NewHost(tb), tb}
	localhost := netip.MustParseAddr("127.0.0.1")
	port, accepted := router.listen(localhost, nil)
	c, err := router.dial(bgp.Target{Remote: netip.AddrPortFrom(localhost, port)}, patience)
	segment.Must(tb, err)
	there := <-accepted
	tb.Cleanup(func() { _ = there.Close() })
	return c, there
}

// TestConn has two of them speak with each other.
func TestConn(t *testing.T) {
	t.Parallel()
	here, socket := pair(t)
	there := newConn(socket, bgp.Path{})
	say := func(from, to bgp.Conn, m, want bgp.Message) {
		t.Helper()
		if n, err := from.Send(m); err != nil || n != 1 {
			t.Fatalf("sent %T as %d messages: %v", m, n, err)
		}
		got, err := to.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, equateAddrs()); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	}
	say(here, there, fullOpen, fullOpen)
	say(there, here, fullOpen, fullOpen)
	say(here, there, bgp.Keepalive{}, bgp.Keepalive{})
	say(here, there, bgp.Update{Announce: hosts(5, false), NextHop: hop4}, bgp.Heard{})
	say(here, there, bgp.EndOfRIB{}, bgp.Heard{})
	bye := bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "node node-1 is leaving"}
	say(here, there, bye, bye)

	if _, err := here.Send(bgp.Heard{}); err == nil {
		t.Error("sent what only a router says")
	}
	if n, err := here.Send(bgp.Update{Announce: hosts(10_000, true), NextHop: hop6}); err != nil || n != 43 {
		t.Errorf("10,000 routes went out as %d messages: %v", n, err)
	}
}

// TestConnLearns sends AS numbers as the router's OPEN asks.
func TestConnLearns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		open []byte
		want string
	}{
		"2 octets": {framed(packet.BGP_MSG_OPEN, body(0)), "{AsPath: 23456}"},
		"4 octets": {framed(packet.BGP_MSG_OPEN, body(8, 2, 6, 65, 4, 0, 0, 0xFE, 0x4C)), "{AsPath: 4200000001}"},
	} {
		here, there := pair(t)
		_, err := there.Write(tt.open)
		segment.Must(t, err)
		_, err = here.Receive()
		segment.Must(t, err)
		_, err = here.Send(bgp.Update{Announce: hosts(1, false), NextHop: hop4, ASPath: []uint32{4200000001}})
		segment.Must(t, err)
		segment.Must(t, here.Close())
		stream, err := io.ReadAll(there)
		segment.Must(t, err)
		if got := look(t, stream, name == "2 octets")[0].Attributes[1]; got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestCloseEnds checks that nothing goes on after Close.
func TestCloseEnds(t *testing.T) {
	t.Parallel()
	here, there := pair(t)
	segment.Must(t, there.SetReadBuffer(4096)) // a router that reads nothing
	received, sent := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := here.Receive()
		received <- err
	}()
	go func() {
		for {
			if _, err := here.Send(bgp.Update{Announce: hosts(100_000, true), NextHop: hop6}); err != nil {
				sent <- err
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	for range 2 {
		if err := here.Close(); err != nil {
			t.Error(err)
		}
	}
	for what, done := range map[string]chan error{"Receive": received, "Send": sent} {
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s ended with %v", what, err)
		}
	}
	if _, err := here.Receive(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive after Close: %v", err)
	}
	if _, err := here.Send(bgp.Keepalive{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
}

// TestCloseDelivers checks that a farewell arrives at a router that is in the
// middle of telling us its full table.
func TestCloseDelivers(t *testing.T) {
	t.Parallel()
	for range 10 {
		here, there := pair(t)
		flooded := make(chan error, 1)
		go func() {
			_, err := there.Write(bytes.Repeat(framed(packet.BGP_MSG_UPDATE, make([]byte, 4000)), 300))
			flooded <- err
			_ = there.CloseWrite()
		}()
		for range 10 { // of 300
			_, err := here.Receive()
			segment.Must(t, err)
		}
		bye := bgp.Notification{Code: bgp.ErrorCease, Subcode: 2, Text: "bye"}
		_, err := here.Send(bye)
		segment.Must(t, err)
		segment.Must(t, here.Close())
		m, err := newReceiver(there).next()
		if diff := cmp.Diff(bgp.Message(bye), m, equateAddrs()); diff != "" {
			t.Errorf("the router heard, with error %v (-want +got):\n%s", err, diff)
		}
		segment.Must(t, <-flooded)
	}
}

// TestReceiveLost tells apart how a connection ends.
func TestReceiveLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(*net.TCPConn) error
		want error
		text string
	}{
		"closed": {(*net.TCPConn).Close, io.EOF, "bgp/gobgp: the router closed the connection: EOF"},
		"reset": {
			func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }, syscall.ECONNRESET,
			"bgp/gobgp: failed to receive: connection reset by peer",
		},
	} {
		here, there := pair(t)
		segment.Must(t, tt.end(there))
		for range 2 {
			if _, err := here.Receive(); !errors.Is(err, tt.want) || err.Error() != tt.text {
				t.Errorf("%s: got  %v\nwant %s", name, err, tt.text)
			}
		}
	}
}

// TestNetwork checks that the package is what it says to be.
func TestNetwork(t *testing.T) {
	t.Parallel()
	var wire bgp.Wire = Network{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := wire.Dial(ctx, bgp.Target{Remote: netip.MustParseAddrPort("192.0.2.1:179")}); !errors.Is(err, context.Canceled) {
		t.Errorf("dialled without time: %v", err)
	}
}
