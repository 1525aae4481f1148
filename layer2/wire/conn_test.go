//go:build linux

package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
)

// ends returns ARP connections at both ends of a cable, and the interface of the
// second.
func ends(t *testing.T) (from, to *conn, link layer2.Interface) {
	t.Helper()
	a, b := segment.NewHost(t), segment.NewHost(t)
	segment.Plug(a, b, "eth0")
	a.Up("eth0")
	b.Up("eth0")
	open := func(h *segment.Host) *conn {
		link = layer2.Interface{Name: "eth0", Index: h.Index("eth0")}
		var c layer2.Conn
		var err error
		h.Do(func() { c, err = Sockets{}.Open(link, layer2.ARP) })
		segment.Must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c.(*conn)
	}
	return open(a), open(b), link
}

// numbered is an ARP request with a number at its end.
func numbered(n uint32) []byte {
	frame := make([]byte, 38, 42)
	copy(frame, []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
		0, 1, 0x08, 0, 6, 4, 0, 1,
	})
	return binary.BigEndian.AppendUint32(frame, n)
}

// TestRing: thousands of frames wait to be read, come in order, and those that
// follow use their slots again.
func TestRing(t *testing.T) {
	t.Parallel()
	from, to, _ := ends(t)
	var arrived uint32
	arrive := func(want uint32) { // the counters start anew with every look
		t.Helper()
		segment.Eventually(t, "the frames have arrived", func() bool {
			segment.Must(t, to.raw.Control(func(fd uintptr) {
				stats, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
				if err != nil || stats.Drops > 0 {
					t.Errorf("%+v, %v", stats, err)
					return
				}
				arrived += stats.Packets
			}))
			return arrived >= want
		})
	}
	heard := make([]byte, 2048)
	var sent, read uint32
	for range 3 {
		for range 3000 {
			_, err := from.Write(numbered(sent))
			segment.Must(t, err)
			if sent++; sent%100 == 0 {
				arrive(sent)
			}
		}
		for ; read < sent; read++ {
			n, err := to.Read(heard)
			segment.Must(t, err)
			if !bytes.Equal(heard[:n], numbered(read)) {
				t.Fatalf("frame %d is %x", read, heard[:n])
			}
		}
	}

	_, err := from.Write(append(numbered(sent), make([]byte, 1000)...))
	segment.Must(t, err)
	_, err = from.Write(numbered(sent + 1))
	segment.Must(t, err)
	n, err := to.Read(heard)
	segment.Must(t, err)
	if n < 128 || n > slotSize || !bytes.HasPrefix(heard[:n], numbered(sent)) {
		t.Errorf("of a long frame come %d octets: %x", n, heard[:n])
	}
	n, err = to.Read(heard)
	segment.Must(t, err)
	if !bytes.Equal(heard[:n], numbered(sent+1)) {
		t.Errorf("the frame after it is %x", heard[:n])
	}
}

// TestFilterOtherInterface: what the kernel shows to a listener on eth0 as a frame
// of another interface, as it does with those of a VLAN, is left out. Here that
// other interface is the one that the filter is made for.
func TestFilterOtherInterface(t *testing.T) {
	t.Parallel()
	from, to, here := ends(t)
	elsewhere := layer2.Interface{Index: here.Index + 1}
	for n, link := range []layer2.Interface{elsewhere, here} {
		segment.Must(t, to.filter(rulesOf(link, layer2.ARP).anything()))
		_, err := from.Write(numbered(uint32(n)))
		segment.Must(t, err)
	}
	heard := make([]byte, 128)
	n, err := to.Read(heard)
	segment.Must(t, err)
	if !bytes.Equal(heard[:n], numbered(1)) {
		t.Errorf("heard %x", heard[:n])
	}
}
