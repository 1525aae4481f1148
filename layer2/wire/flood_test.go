//go:build linux

package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/layer2/wire"
)

// engineEnv makes this test binary a process that only runs an engine, with the
// Config it reads as JSON: what it costs can then be told from what asking costs.
const engineEnv = "CLARION_TEST_ENGINE"

// runEngine is that process. It says when it is ready, and ends on a signal.
func runEngine() error {
	var c layer2.Config
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return err
	}
	e, err := layer2.New(layer2.Options{Wire: wire.Sockets{}})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	e.Set(c)
	go func() {
		<-e.Changed()
		_, _ = os.Stdout.WriteString("ready\n")
	}()
	return e.Run(ctx)
}

// BenchmarkFlood asks an engine that owns 5,000 addresses for them at a constant
// rate and reports the share answered, the time to the answer, and the engine's
// CPU time for each. The numbers are the machine's; nothing is asserted.
func BenchmarkFlood(b *testing.B) {
	for _, rate := range []int{1000, 10000, 20000, 50000} {
		b.Run(strconv.Itoa(rate)+"/s", func(b *testing.B) {
			c, owned := newCable(b), many(5000)
			pid := c.startEngine(b, c.node.own(owned...))
			cpu, latencies := c.flood(b, pid, owned, rate)
			if len(latencies) == 0 {
				b.Fatal("nothing was answered")
			}
			slices.Sort(latencies)
			at := func(p int) float64 { return float64(latencies[(len(latencies)-1)*p/100].Microseconds()) }
			b.ReportMetric(100*float64(len(latencies))/float64(b.N), "%answered")
			b.ReportMetric(at(50), "p50-µs")
			b.ReportMetric(at(99), "p99-µs")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(len(latencies))/1000, "cpu-µs/answer")
		})
	}
}

// BenchmarkForeignFlood asks for what the engine does not own: addresses of
// nobody, and every other one of a pool that several nodes share.
func BenchmarkForeignFlood(b *testing.B) {
	pool := many(10000)
	var ours, theirs []netip.Addr
	for i, addr := range pool {
		if i%2 == 0 {
			ours = append(ours, addr)
		} else {
			theirs = append(theirs, addr)
		}
	}
	for name, foreign := range map[string][]netip.Addr{
		"nobody's":     {netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("203.0.113.7")},
		"another node": theirs,
	} {
		b.Run(name, func(b *testing.B) {
			c := newCable(b)
			pid := c.startEngine(b, c.node.own(ours...))
			cpu, answers := c.flood(b, pid, foreign, 50000)
			if len(answers) > 0 {
				b.Errorf("%d answers", len(answers))
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/1000, "cpu-µs/request")
		})
	}
}

// flood asks for addrs in turn, b.N times and at a constant rate, and returns the
// engine's CPU time and how long each answer took.
func (c cable) flood(b *testing.B, engine int, addrs []netip.Addr, rate int) (cpu time.Duration, latencies []time.Duration) {
	b.Helper()
	tap := c.client.tap(unix.ETH_P_ARP)
	raw, err := tap.c.SyscallConn()
	segment.Must(b, err)
	segment.Must(b, raw.Control(func(fd uintptr) { // our reader must not be what loses answers
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	}))
	time.Sleep(2 * time.Second) // past the first announcements, and the choice of what to hear

	// The sender's MAC numbers the question; the answer brings it back.
	question := request(client4, addrs[0]).frame(b)
	sentAt := make([]time.Time, b.N)
	var mu sync.Mutex
	var reader sync.WaitGroup
	reader.Go(func() {
		frame := make([]byte, 128)
		for {
			n, _, err := tap.c.ReadFrom(frame)
			if err != nil {
				return
			}
			now := time.Now()
			if n < 42 || frame[0] != 0x06 {
				continue
			}
			mu.Lock()
			latencies = append(latencies, now.Sub(sentAt[binary.BigEndian.Uint32(frame[2:])]))
			mu.Unlock()
		}
	})

	cpu = cpuTime(b, engine)
	b.ResetTimer()
	begin := time.Now()
	for i := range b.N {
		for time.Since(begin) < time.Duration(i)*time.Second/time.Duration(rate) {
			time.Sleep(100 * time.Microsecond)
		}
		addr := addrs[i%len(addrs)].As4()
		copy(question[38:], addr[:])
		question[22], question[23] = 0x06, 0
		binary.BigEndian.PutUint32(question[24:], uint32(i))
		mu.Lock()
		sentAt[i] = time.Now()
		mu.Unlock()
		tap.send(question)
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "asked/s")
	for answered := -1; ; time.Sleep(300 * time.Millisecond) { // until no more come
		mu.Lock()
		before := answered
		answered = len(latencies)
		mu.Unlock()
		if answered == before {
			break
		}
	}
	cpu = cpuTime(b, engine) - cpu
	segment.Must(b, tap.c.SetReadDeadline(time.Now()))
	reader.Wait()
	return cpu, latencies
}

// startEngine runs an engine with that order on the node, in a process of its own, until
// the test ends.
func (c cable) startEngine(b *testing.B, order layer2.Config) (pid int) {
	b.Helper()
	config, err := json.Marshal(order)
	segment.Must(b, err)
	self, err := os.Executable()
	segment.Must(b, err)
	cmd := exec.CommandContext(context.Background(), self)
	cmd.Env = append(os.Environ(), engineEnv+"=1")
	cmd.Stdin = bytes.NewReader(config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	segment.Must(b, err)
	c.node.Do(func() { err = cmd.Start() })
	segment.Must(b, err)
	b.Cleanup(func() {
		segment.Must(b, cmd.Process.Signal(os.Interrupt))
		segment.Must(b, cmd.Wait())
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatalf("the engine did not start: %q, %v", line, err)
	}
	return cmd.Process.Pid
}

// cpuTime is what a process has used, by the scheduler's account of its threads.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	segment.Must(b, err)
	var sum time.Duration
	for _, f := range files {
		text, err := os.ReadFile(f)
		segment.Must(b, err)
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		segment.Must(b, err)
		sum += time.Duration(ns)
	}
	return sum
}
