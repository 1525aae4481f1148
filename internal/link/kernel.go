package link

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// receiveBuffer is asked for, not forced, so that no capability is needed;
	// the kernel grants up to net.core.rmem_max.
	receiveBuffer = 1 << 20

	// maxDatagram is more than the kernel puts into one rtnetlink datagram.
	maxDatagram = 64 << 10

	// groups are the multicast groups of links and of their addresses.
	groups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1)

	// listAttempts bounds the listings that are interrupted by a change while
	// they are made.
	listAttempts = 10
)

var errTruncated = errors.New("netlink datagram is larger than expected")

// kernel is the wire to rtnetlink in the network namespace of the thread that
// opened it.
//
// The library's subscriptions are not used: they keep links and addresses in
// two sockets, so that their order is lost, and spend 64 KiB per event.
type kernel struct {
	file *os.File
	conn syscall.RawConn
	buf  [maxDatagram]byte
}

func openKernel() (wire, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("failed to open a netlink socket: %w", err)
	}
	k := &kernel{file: os.NewFile(uintptr(fd), "netlink")}

	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(fmt.Errorf("failed to subscribe to link events: %w", err), k.close())
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
		return nil, errors.Join(fmt.Errorf("failed to size a netlink socket: %w", err), k.close())
	}
	if k.conn, err = k.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("failed to poll a netlink socket: %w", err), k.close())
	}

	return k, nil
}

func (k *kernel) close() error {
	return k.file.Close()
}

func (k *kernel) receive(deadline time.Time) ([]message, error) {
	if err := k.file.SetReadDeadline(deadline); err != nil {
		return nil, err
	}

	var (
		n    int
		from unix.Sockaddr
		fail error
	)
	err := k.conn.Read(func(fd uintptr) bool {
		// MSG_TRUNC makes n the datagram's true length.
		n, from, fail = unix.Recvfrom(int(fd), k.buf[:], unix.MSG_TRUNC)

		return !errors.Is(fail, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return nil, err
	case fail != nil: // among others ENOBUFS: events were dropped
		return nil, fmt.Errorf("failed to receive link events: %w", fail)
	case n > len(k.buf):
		return nil, errTruncated
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
		return nil, nil
	}

	datagram, err := syscall.ParseNetlinkMessage(k.buf[:n])
	if err != nil {
		return nil, fmt.Errorf("failed to read a netlink datagram: %w", err)
	}
	events := make([]message, len(datagram))
	for i, m := range datagram {
		events[i] = message{kind: m.Header.Type, body: m.Data}
	}

	return events, nil
}

func (k *kernel) list() ([]message, error) {
	links, err := dump(unix.RTM_GETLINK, unix.RTM_NEWLINK)
	if err != nil {
		return nil, fmt.Errorf("failed to list links: %w", err)
	}
	addrs, err := dump(unix.RTM_GETADDR, unix.RTM_NEWADDR)
	if err != nil {
		return nil, fmt.Errorf("failed to list addresses: %w", err)
	}

	return append(links, addrs...), nil
}

// dump asks for all objects of a kind. An interrupted dump may have missed an
// object that did not change, so it is made again.
func dump(request int, answer uint16) ([]message, error) {
	for attempt := 1; ; attempt++ {
		r := nl.NewNetlinkRequest(request, unix.NLM_F_DUMP)
		r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		bodies, err := r.Execute(unix.NETLINK_ROUTE, answer)
		if errors.Is(err, netlink.ErrDumpInterrupted) && attempt < listAttempts {
			continue
		}
		if err != nil {
			return nil, err
		}

		all := make([]message, len(bodies))
		for i, b := range bodies {
			all[i] = message{kind: answer, body: b}
		}

		return all, nil
	}
}
