//go:build linux

package wire

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// ringSize is how much may wait to be read: 4,096 frames, which are eight times
	// as many as a socket's buffer holds where nobody has raised net.core.rmem_max,
	// a limit that a ring does not know. A router that has lost its table asks for
	// thousands of addresses at once, and a busy node may not run us for a while.
	ringSize = 1 << 20
	// slotSize leaves some 190 octets for a frame, twice what anything takes that
	// asks for an address. What is longer arrives cut.
	slotSize = 256
)

// ring is where the kernel puts frames for us to read, in memory that both see:
// slots that are filled and emptied in turn, each with a header that says whose
// it is (TPACKET_V2; the third version keeps frames back until a block is full or
// a timer ends, and so do answers come late).
type ring struct {
	memory []byte
	next   int // offset of the slot to be filled next
}

// newRing has the frames of a packet socket go into a ring.
func newRing(fd int) (*ring, error) {
	page := os.Getpagesize()
	layout := unix.TpacketReq{
		Block_size: uint32(page), Block_nr: uint32(ringSize / page),
		Frame_size: slotSize, Frame_nr: ringSize / slotSize,
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &layout); err != nil {
		return nil, err
	}
	memory, err := unix.Mmap(fd, 0, ringSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &ring{memory: memory}, nil
}

// take copies the next frame, if there is one, and returns its length or as much
// of it as there is room for.
func (r *ring) take(frame []byte) (n int, ok bool) {
	// The kernel aligns slots to 16 octets, and the status goes before the rest.
	header := (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.memory[r.next]))
	if atomic.LoadUint32(&header.Status)&unix.TP_STATUS_USER == 0 {
		return 0, false
	}
	n = copy(frame, r.memory[r.next+int(header.Mac):][:header.Snaplen])
	atomic.StoreUint32(&header.Status, unix.TP_STATUS_KERNEL)
	r.next = (r.next + slotSize) % ringSize
	return n, true
}

// close gives the memory back. Nobody may take any more.
func (r *ring) close() error { return unix.Munmap(r.memory) }
