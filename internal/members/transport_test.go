package members

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
)

// loopback returns an address of this process' own, on which nobody listens.
func loopback(n int) netip.AddrPort {
	pid := os.Getpid()

	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(64 + pid>>8&63), byte(pid), byte(n)}), DefaultPort)
}

// real is a List on real sockets.
type real struct {
	*List
	log   *logBuffer
	crash func() // silences it without a farewell
	stop  func()
}

func startReal(t *testing.T, n int, key []byte) *real {
	t.Helper()

	tuning := fast()
	r := &real{log: &logBuffer{}}
	var err error
	r.List, err = New(Options{
		Node:     fmt.Sprintf("n%d", n),
		BindAddr: loopback(n),
		Key:      key,
		Tuning:   &tuning,
		Log:      slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	listening := make(chan memberlist.Transport, 1)
	r.listen = func(ctx context.Context, addr netip.AddrPort) (memberlist.NodeAwareTransport, error) {
		transport, err := listen(ctx, addr)
		select {
		case listening <- transport:
		default: // listening again, for other keys
		}

		return transport, err
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	transport := <-listening
	r.crash = func() { _ = transport.Shutdown() }
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("n%d: Run: %v", n, err)
		}
	})
	t.Cleanup(r.stop)

	return r
}

func (r *real) await(t *testing.T, names ...string) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for !slices.Equal(r.Members(), names) {
		select {
		case <-r.Changed():
		case <-timeout:
			t.Fatalf("%s: members are %v, want %v\n%s", r.node, r.Members(), names, r.log)
		}
	}
}

// TestRealSockets joins, crashes and leaves on the loopback interface, and then
// looks for goroutines that should be gone.
func TestRealSockets(t *testing.T) { //nolint:paralleltest // it counts goroutines
	peers := []netip.AddrPort{loopback(1), loopback(2), loopback(3)}
	nodes := make([]*real, len(peers))
	for i := range nodes {
		nodes[i] = startReal(t, i+1, []byte("key"))
		nodes[i].SetPeers(peers)
	}
	for _, n := range nodes {
		n.await(t, "n1", "n2", "n3")
	}

	nodes[2].crash()
	nodes[0].await(t, "n1", "n2")
	nodes[1].await(t, "n1", "n2")

	nodes[1].stop()
	nodes[0].await(t, "n1")
	nodes[0].stop()
	nodes[2].stop()

	left := goroutines()
	for deadline := time.Now().Add(10 * time.Second); left != "" && time.Now().Before(deadline); left = goroutines() {
		time.Sleep(50 * time.Millisecond) // a probe that was under way ends with its timeout
	}
	if left != "" {
		t.Errorf("goroutines that outlive Run:\n%s", left)
	}
}

// goroutines returns the stacks of memberlist's goroutines and of ours, except
// those of tests.
func goroutines() string {
	buf := make([]byte, 1<<20)
	var found []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "memberlist") && !strings.Contains(stack, "testing.tRunner") {
			found = append(found, stack)
		}
	}

	return strings.Join(found, "\n\n")
}

// TestStockMember holds us to the protocol: a member made by memberlist alone,
// configured the way MetalLB's speaker does it, and one of ours are one list.
func TestStockMember(t *testing.T) {
	t.Parallel()

	const secret = "AAECAwQFBgcICQoLDA0ODw"
	ours := startReal(t, 11, []byte(secret))

	c := memberlist.DefaultLANConfig()
	c.Name = "stock"
	c.BindAddr, c.BindPort, c.AdvertisePort = loopback(12).Addr().String(), DefaultPort, DefaultPort
	c.SecretKey = deriveKey([]byte(secret))
	c.LogOutput = &logBuffer{}
	stock, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	defer stock.Shutdown() //nolint:errcheck // it was left in good order or the test has failed

	ours.SetPeers([]netip.AddrPort{loopback(12)})
	ours.await(t, "n11", "stock")
	for deadline := time.Now().Add(20 * time.Second); stock.NumMembers() != 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the stock member sees %d members, want 2", stock.NumMembers())
		}
	}
	if err := stock.Leave(20 * time.Second); err != nil {
		t.Errorf("leave: %v", err)
	}
	ours.await(t, "n11")
}

func TestListenErrors(t *testing.T) {
	t.Parallel()

	tcp := listenTCP(t, loopback(21))
	defer tcp.Close() //nolint:errcheck // only its existence matters
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback(22)))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close() //nolint:errcheck // only its existence matters

	tests := []struct {
		name string
		addr netip.AddrPort
		want string
		is   error
	}{
		{"TCP is taken", loopback(21), "address already in use", syscall.EADDRINUSE},
		{"UDP is taken", loopback(22), "address already in use", syscall.EADDRINUSE},
		{"not here", address(1), "cannot assign requested address", syscall.EADDRNOTAVAIL},
	}
	for _, tc := range tests {
		l, err := New(Options{Node: "n1", BindAddr: tc.addr})
		if err != nil {
			t.Fatal(err)
		}
		err = l.Run(t.Context())
		if want := fmt.Sprintf("members: failed to listen on %v: %s", tc.addr, tc.want); err == nil || err.Error() != want || !errors.Is(err, tc.is) {
			t.Errorf("%s: %v, want %s", tc.name, err, want)
		}
		if err := l.Run(t.Context()); !errors.Is(err, errRanTwice) {
			t.Errorf("%s: second Run: %v, want %v", tc.name, err, errRanTwice)
		}
	}

	// The failure over UDP has not left TCP behind.
	_ = listenTCP(t, loopback(22)).Close()
}

func listenTCP(t *testing.T, addr netip.AddrPort) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}

	return l
}
