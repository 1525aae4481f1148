package members

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/hashicorp/memberlist"
)

// aside is a transport whose port memberlist shares: packets that are somebody
// else's go there.
type aside struct {
	memberlist.NodeAwareTransport
	take    func(packet []byte) bool
	packets chan *memberlist.Packet
	done    chan struct{}
	sorter  sync.WaitGroup
}

// queue is how many packets wait for memberlist without holding up the others.
const queue = 256

func share(inner memberlist.NodeAwareTransport, take func([]byte) bool) *aside {
	a := &aside{
		NodeAwareTransport: inner,
		take:               take,
		packets:            make(chan *memberlist.Packet, queue),
		done:               make(chan struct{}),
	}
	a.sorter.Go(a.sort)
	return a
}

func (a *aside) sort() {
	for {
		select {
		case <-a.done:
			return
		case p := <-a.NodeAwareTransport.PacketCh():
			if a.take(p.Buf) {
				continue
			}
			select {
			case a.packets <- p:
			case <-a.done:
				return
			}
		}
	}
}

// PacketCh implements memberlist.Transport.
func (a *aside) PacketCh() <-chan *memberlist.Packet { return a.packets }

// Shutdown implements memberlist.Transport.
func (a *aside) Shutdown() error {
	close(a.done)
	err := a.NodeAwareTransport.Shutdown()
	a.sorter.Wait()
	return err
}

var errClosed = errors.New("members: failed to send: the port is not open")

// Send sends a packet that is not memberlist's from this member's port. Those
// for which Options.Aside is true arrive at that of the member there.
func (l *List) Send(packet []byte, to netip.AddrPort) error {
	l.mu.Lock()
	port := l.port
	l.mu.Unlock()
	if port == nil {
		return errClosed
	}
	_, err := port.WriteTo(packet, to.String())
	return err
}

func (l *List) setPort(p memberlist.NodeAwareTransport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.port = p
}
