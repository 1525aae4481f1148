package speaker_test

import (
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker"
)

// cable is a wire with one end: what is written to it is kept, and a frame
// can be sent to whoever reads.
type cable struct {
	arrived chan []byte
	unplug  sync.Once
	cut     chan struct{}

	mu   sync.Mutex
	sent [][]byte
}

func newCable() *cable { return &cable{arrived: make(chan []byte), cut: make(chan struct{})} }

func (c *cable) Open(layer2.Interface, layer2.Protocol) (layer2.Conn, error) { return c, nil }
func (c *cable) Groups(layer2.Interface) (layer2.Groups, error)              { return noGroups{}, nil }

func (c *cable) Heed([]netip.Addr) error { return nil }

func (c *cable) Read(frame []byte) (int, error) {
	select {
	case f := <-c.arrived:
		return copy(frame, f), nil
	case <-c.cut:
		return 0, io.EOF
	}
}

func (c *cable) Write(frame []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, append([]byte(nil), frame...))
	return len(frame), nil
}

func (c *cable) Close() error {
	c.unplug.Do(func() { close(c.cut) })
	return nil
}

// take returns the frames sent since the last take.
func (c *cable) take() [][]byte {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.sent
	c.sent = nil
	return out
}

type noGroups struct{}

func (noGroups) Join(netip.Addr) error  { return nil }
func (noGroups) Leave(netip.Addr) error { return nil }
func (noGroups) Close() error           { return nil }

// station is who takes part in an ARP exchange.
type station struct {
	mac layer2.MAC
	ip  [4]byte
}

// arp is an ARP packet from one station to another (RFC 826).
func arp(operation byte, sender, receiver station) []byte {
	to, from := receiver.mac, sender.mac
	frame := append(append(append([]byte{}, to[:]...), from[:]...), 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation)
	frame = append(append(frame, from[:]...), sender.ip[:]...)
	if operation == 1 {
		to = layer2.MAC{}
	}
	return append(append(frame, to[:]...), receiver.ip[:]...)
}

// TestFromServiceToFrame puts the real engine under the loop: an address is
// announced when the facts say so, answered for, and not after the end.
func TestFromServiceToFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		wire := newCable()
		engine, err := layer2.New(layer2.Options{Wire: wire, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, func(o *speaker.Options) { o.Layer2 = engine })
		r.SetSnapshot(snapshot(t, "node-a"))
		r.SetLinks(eth0())
		r.SetService(web("192.0.2.1"))
		if got := wire.take(); len(got) > 0 {
			t.Errorf("%d frames before the first sync", len(got))
		}
		r.Synced()
		if got := wire.take(); len(got) == 0 {
			t.Error("a new address is not announced")
		}

		asker := station{layer2.MAC{2, 0, 0, 0, 0, 9}, [4]byte{192, 0, 2, 99}}
		node := eth0()[0].MAC
		wire.arrived <- arp(1, asker, station{layer2.MAC{255, 255, 255, 255, 255, 255}, [4]byte{192, 0, 2, 1}})
		want := [][]byte{arp(2, station{node, [4]byte{192, 0, 2, 1}}, asker)}
		if diff := cmp.Diff(want, wire.take()); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}

		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		select {
		case <-wire.cut:
		default:
			t.Error("the wire is still open after the end")
		}
	})
}
