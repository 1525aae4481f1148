package frames

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/e2e/network"
)

// Capture records the ARP and NDP frames of a segment from Watch to Stop.
type Capture struct {
	sw       *network.Switch
	file     *os.File
	stopping chan struct{}
	done     chan struct{}

	mu      sync.Mutex
	records []Record
	ports   map[int]string
	err     error
}

// Watch starts recording every neighbour frame that any host sends to the switch.
func Watch(sw *network.Switch) (*Capture, error) {
	c := &Capture{sw: sw, stopping: make(chan struct{}), done: make(chan struct{})}
	err := sw.Do(func() (err error) {
		c.file, err = openSocket()
		return err
	})
	if err == nil {
		err = c.learnPorts()
	}
	if err != nil {
		return nil, fmt.Errorf("frames: failed to watch %s: %w", sw.Name(), err)
	}
	go c.read()
	return c, nil
}

// openSocket opens a packet socket on every interface. The filter is in place before the first frame can be.
func openSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "packet")
	program, err := filter()
	if err == nil {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
	}
	for _, option := range [][3]int{
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, 8 << 20},
		// What the switch passes on has been seen coming in.
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, option[0], option[1], option[2]))
		}
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)}))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// filter passes ARP, and neighbor solicitations and advertisements.
func filter() (*unix.SockFprog, error) {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherTypeARP, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherTypeIPv6, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 14 + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 4},
		bpf.LoadAbsolute{Off: 14 + 40, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: typeNeighborSolicitation, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: typeNeighborAdvertisement, SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, err
	}
	instructions := make([]unix.SockFilter, len(program))
	for i, raw := range program {
		instructions[i] = unix.SockFilter{Code: raw.Op, Jt: raw.Jt, Jf: raw.Jf, K: raw.K}
	}
	return &unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}, nil
}

// learnPorts notes which interface is which port. Nodes that boot again get new ones.
func (c *Capture) learnPorts() error {
	ports, err := c.sw.Ports()
	if err != nil {
		return err
	}
	c.ports = map[int]string{}
	for name, index := range ports {
		c.ports[index] = name
	}
	return nil
}

// read records frames until the socket is closed.
func (c *Capture) read() {
	defer close(c.done)
	raw, err := c.file.SyscallConn()
	if err != nil {
		c.fail(err)
		return
	}
	buffer, control := make([]byte, 2048), make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))))
	for {
		var n, controlLength int
		var from unix.Sockaddr
		var failure error
		err := raw.Read(func(fd uintptr) bool {
			n, controlLength, _, from, failure = unix.Recvmsg(int(fd), buffer, control, 0)
			return failure != unix.EAGAIN
		})
		select {
		case <-c.stopping:
			return
		default:
		}
		switch {
		case err != nil || (failure != nil && failure != unix.EINTR && failure != unix.ENETDOWN):
			c.fail(errors.Join(err, failure))
			return
		case failure == nil:
			c.record(buffer[:n], from, control[:controlLength])
		}
	}
}

func (c *Capture) record(frame []byte, from unix.Sockaddr, control []byte) {
	r, ok := parse(frame)
	link, isLink := from.(*unix.SockaddrLinklayer)
	if !ok || !isLink {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.At = timestamp(control)
	port, ok := c.ports[link.Ifindex]
	if !ok {
		// A new port, or the bridge itself, on which every frame that is for everybody shows a second time.
		if err := c.learnPorts(); err != nil {
			return
		}
		if port, ok = c.ports[link.Ifindex]; !ok {
			c.ports[link.Ifindex] = ""
		}
	}
	if port == "" {
		return
	}
	r.Port = port
	c.records = append(c.records, r)
}

func timestamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, message := range messages {
		if message.Header.Level == unix.SOL_SOCKET && message.Header.Type == unix.SCM_TIMESTAMPNS && len(message.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			stamp := *(*unix.Timespec)(unsafe.Pointer(&message.Data[0]))
			return time.Unix(stamp.Unix())
		}
	}
	return time.Now()
}

func (c *Capture) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = fmt.Errorf("frames: failed to read: %w", err)
}

// Records returns what has been recorded so far, in the order of arrival.
func (c *Capture) Records() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Record(nil), c.records...)
}

// Stop ends the recording and returns it. It fails if frames were lost, since then a count means nothing.
func (c *Capture) Stop() ([]Record, error) {
	// What has arrived is read within this time; the reader does nothing else.
	time.Sleep(50 * time.Millisecond)
	lost, err := c.lost()
	close(c.stopping)
	err = errors.Join(err, c.file.Close())
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.err == nil && lost > 0 {
		err = fmt.Errorf("frames: lost %d frames", lost)
	}
	return c.records, errors.Join(c.err, err)
}

// lost returns how many frames did not fit into the socket's buffer.
func (c *Capture) lost() (int, error) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("frames: failed to read statistics: %w", err)
	}
	var stats *unix.TpacketStats
	var failure error
	if err := raw.Control(func(fd uintptr) {
		stats, failure = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	}); err != nil {
		return 0, fmt.Errorf("frames: failed to read statistics: %w", err)
	}
	if failure != nil {
		return 0, fmt.Errorf("frames: failed to read statistics: %w", failure)
	}
	return int(stats.Drops), nil
}

// bigEndian returns a number as the kernel wants protocol numbers: in network byte order.
func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }
