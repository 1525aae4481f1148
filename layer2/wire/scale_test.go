//go:build linux

package wire_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
)

// many are n addresses of one pool.
func many(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = netip.AddrFrom4([4]byte{198, 51, byte(100 + i>>8), byte(i)})
	}
	return out
}

// BenchmarkIdle reports what an engine needs that owns 5,000 addresses, half of
// them IPv6, and is asked nothing: its memory, and the share of a core that goes into telling
// switches where they are. It takes three minutes: one to get over the first
// announcements, and two in which every address is announced again.
func BenchmarkIdle(b *testing.B) {
	addrs := many(2500)
	for addr := owned6; len(addrs) < 5000; addr = addr.Next() {
		addrs = append(addrs, addr)
	}
	c := newCable(b)
	pid := c.startEngine(b, c.node.own(addrs...))
	time.Sleep(time.Minute)
	before, begin := cpuTime(b, pid), time.Now()
	time.Sleep(2 * time.Minute)
	share := float64(cpuTime(b, pid)-before) / float64(time.Since(begin))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(100*share, "%cpu")
	b.ReportMetric(memory(b, pid, "VmRSS:"), "MB-now")
	b.ReportMetric(memory(b, pid, "VmHWM:"), "MB-most")
}

// memory is what a process has, in MB (10^6 octets).
func memory(b *testing.B, pid int, what string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	segment.Must(b, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, what); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			segment.Must(b, err)
			return float64(kib) * 1024 / 1e6
		}
	}
	b.Fatalf("%s is not known of process %d", what, pid)
	return 0
}

// BenchmarkTakeover makes 1,000 addresses the node's at once and reports when the
// last of them was first announced, as a neighbour hears it: addresses that are
// simply the node's, and those of a node that ranks before it, which is asked
// first whether it really is dead.
func BenchmarkTakeover(b *testing.B) {
	for name, before := range map[string][]layer2.MAC{"of nobody": nil, "of a dead node": {otherMAC}} {
		b.Run(name, func(b *testing.B) {
			c := newCable(b)
			e := c.node.run(layer2.Options{YieldTime: time.Millisecond})
			tap := c.client.tap(unix.ETH_P_ARP)
			raw, err := tap.c.SyscallConn()
			segment.Must(b, err)
			segment.Must(b, raw.Control(func(fd uintptr) { // our reader must not be what loses frames
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
			}))
			var sum, most time.Duration
			for i := range b.N {
				e.Set(c.node.own())
				segment.Eventually(b, "nothing is owned", func() bool {
					s := e.Status()
					return len(s.Interfaces) == 1 && s.Interfaces[0].ARP.Open && len(s.Addresses) == 0
				})
				order := c.node.own(many(2000)[i%2*1000:][:1000]...)
				for i := range order.Announcements {
					order.Announcements[i].Before = before
				}
				begin := time.Now()
				e.Set(order)
				tap.announced(1000, order.Announcements[0].Addr)
				took := time.Since(begin)
				sum, most = sum+took, max(most, took)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64((sum/time.Duration(b.N)).Microseconds())/1000, "ms-mean")
			b.ReportMetric(float64(most.Microseconds())/1000, "ms-most")
		})
	}
}

// announced waits until the n addresses from first on have been announced.
func (p tap) announced(n int, first netip.Addr) {
	p.t.Helper()
	missing := make(map[[4]byte]bool, n)
	for range n {
		missing[first.As4()] = true
		first = first.Next()
	}
	segment.Must(p.t, p.c.SetReadDeadline(time.Now().Add(time.Minute)))
	frame := make([]byte, 128)
	for len(missing) > 0 {
		length, _, err := p.c.ReadFrom(frame)
		if err != nil {
			p.t.Fatalf("%d addresses are not announced: %v", len(missing), err)
		}
		if length >= 42 && bytes.Equal(frame[28:32], frame[38:42]) { // the sender speaks of its own address
			delete(missing, [4]byte(frame[38:42]))
		}
	}
}

// BenchmarkFilter changes one of the addresses that a connection heeds.
func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{1, 100, 5000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := newCable(b)
			conn := c.node.open(layer2.ARP)
			b.Cleanup(func() { _ = conn.Close() })
			addrs := many(n)
			for b.Loop() {
				addrs[0] = addrs[0].Next()
				segment.Must(b, conn.Heed(addrs))
			}
		})
	}
}
