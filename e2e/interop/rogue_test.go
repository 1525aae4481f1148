package interop_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
)

// The signals that make a process hang, and go on.
const (
	stop    = syscall.SIGSTOP
	proceed = syscall.SIGCONT
)

// malformed is a message that breaks the protocol.
type malformed struct {
	name string
	kind byte
	body []byte
	// twoOctets: to be sent in a session of two-octet AS numbers.
	twoOctets bool
}

func parseMalformed(t *testing.T, line string) malformed {
	t.Helper()
	fields := strings.Split(line, "|")
	if len(fields) != 4 {
		t.Fatalf("not a message: %q", line)
	}
	kind, err := strconv.ParseUint(fields[1], 10, 8)
	check(t, err)
	body, err := hex.DecodeString(fields[2])
	check(t, err)
	return malformed{name: fields[0], kind: byte(kind), body: body, twoOctets: fields[3] == "two"}
}

// rogueAS is the autonomous system that the messages of testdata are from.
const rogueAS = 65100

// The message types of RFC 4271 section 4.1.
const (
	openType         = 1
	updateType       = 2
	notificationType = 3
	keepaliveType    = 4
)

// rogue is a router that means harm. It speaks just enough BGP to be listened to.
type rogue struct{ listener net.Listener }

func newRogue(t *testing.T, host *network.Host) *rogue {
	t.Helper()
	listener, err := host.Listen(t.Context(), "tcp4", ":179")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return &rogue{listener: listener}
}

// serve takes the next connection, sends the message at the right time, an OPEN as the OPEN and anything else once the session is
// established, and says how the other end answers within half a second.
func (r *rogue) serve(t *testing.T, m malformed) string {
	t.Helper()
	check(t, r.listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	conn, err := r.listener.Accept()
	if err != nil {
		t.Fatalf("%s: nobody calls any more: %v", m.name, err)
	}
	defer conn.Close() //nolint:errcheck // the other end may be gone
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	if err := r.establish(conn, m); err != nil {
		t.Fatalf("%s: failed to get as far as sending it: %v", m.name, err)
	}
	if _, err := conn.Write(message(m.kind, m.body)); err != nil {
		t.Fatalf("%s: failed to send it: %v", m.name, err)
	}
	check(t, conn.SetDeadline(time.Now().Add(time.Second/2)))
	for {
		kind, body, err := receive(conn)
		switch {
		case err != nil:
			return "nothing" // but the end of the connection, or of our patience
		case kind == notificationType && len(body) >= 2:
			return fmt.Sprintf("NOTIFICATION %d/%d", body[0], body[1])
		}
	}
}

// establish goes through the opening, as far as the message m needs.
func (r *rogue) establish(conn net.Conn, m malformed) error {
	if kind, _, err := receive(conn); err != nil || kind != openType {
		return fmt.Errorf("instead of an OPEN got type %d, %w", kind, err)
	}
	if m.kind == openType {
		return nil
	}
	// AS 65100, hold time 90 s, identifier 192.0.2.1, IPv4 unicast, and four octets unless they must be two.
	capabilities := []byte{2, 6, 1, 4, 0, 1, 0, 1}
	if !m.twoOctets {
		capabilities = append(capabilities, 2, 6, 65, 4, 0, 0, 0xfe, 0x4c)
	}
	open := append([]byte{4, 0xfe, 0x4c, 0, 90, 192, 0, 2, 1, byte(len(capabilities))}, capabilities...)
	if _, err := conn.Write(append(message(openType, open), message(keepaliveType, nil)...)); err != nil {
		return err
	}
	kind, body, err := receive(conn)
	if err != nil || kind != keepaliveType {
		return fmt.Errorf("instead of a KEEPALIVE got type %d %x, %w", kind, body, err)
	}
	return nil
}

// message adds the header.
func message(kind byte, body []byte) []byte {
	out := make([]byte, 19, 19+len(body))
	for i := range 16 {
		out[i] = 0xff
	}
	binary.BigEndian.PutUint16(out[16:], uint16(19+len(body)))
	out[18] = kind
	return append(out, body...)
}

func receive(conn net.Conn) (kind byte, body []byte, err error) {
	header := make([]byte, 19)
	if _, err := io.ReadFull(conn, header); err != nil {
		return 0, nil, err
	}
	body = make([]byte, max(0, int(binary.BigEndian.Uint16(header[16:]))-19))
	_, err = io.ReadFull(conn, body)
	return header[18], body, err
}
