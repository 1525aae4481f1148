package heartbeat

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestTCPProbe(t *testing.T) {
	t.Parallel()

	loopback := netip.MustParseAddr("127.0.0.1")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr).AddrPort()
	probe := TCPProbe(loopback)
	check := func(what string, addr netip.AddrPort, want bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := probe(ctx, addr); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	check("a process that listens and accepts nothing", addr, true)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	check("a kernel without the process", addr, true)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if probe(ctx, addr) {
		t.Error("an answer without time to answer")
	}
}
