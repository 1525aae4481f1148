//go:build linux

package wire

import (
	"testing"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
)

// TestFilterOtherInterface: what the kernel shows to a listener on eth0 as a frame
// of another interface, as it does with those of a VLAN, is left out. Here that
// other interface is the one that the filter is made for.
func TestFilterOtherInterface(t *testing.T) {
	t.Parallel()
	a, b := segment.NewHost(t), segment.NewHost(t)
	segment.Plug(a, b, "eth0")
	a.Up("eth0")
	b.Up("eth0")
	open := func(h *segment.Host) *conn {
		var opened layer2.Conn
		var err error
		h.Do(func() {
			opened, err = Sockets{}.Open(layer2.Interface{Name: "eth0", Index: h.Index("eth0")}, layer2.ARP)
		})
		segment.Must(t, err)
		t.Cleanup(func() { _ = opened.Close() })
		return opened.(*conn)
	}
	from, to := open(a), open(b)
	frame := append([]byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06,
		0, 1, 0x08, 0, 6, 4, 0, 1,
	}, make([]byte, 20)...)
	send := func(number byte) {
		frame[41] = number
		_, err := from.Write(frame)
		segment.Must(t, err)
	}
	here := layer2.Interface{Index: b.Index("eth0")}
	elsewhere := layer2.Interface{Index: here.Index + 1}

	segment.Must(t, to.filter(rulesOf(elsewhere, layer2.ARP).anything()))
	send(1)
	segment.Must(t, to.filter(rulesOf(here, layer2.ARP).anything()))
	send(2)
	heard := make([]byte, 128)
	n, err := to.Read(heard)
	segment.Must(t, err)
	if n < 42 || heard[41] != 2 {
		t.Errorf("heard %x", heard[:n])
	}
}
