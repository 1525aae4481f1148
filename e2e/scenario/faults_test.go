package scenario_test

import (
	"context"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
)

// fault is what befalls a node, or all of them, in a way that nobody can tell at
// once what it is.
type fault struct {
	name string
	// strike does it, and returns what undoes it.
	strike func(t *testing.T, node *lab.Node) (heal func())
	lasts  time.Duration
	// everybody is struck, not just this node.
	everybody bool
	fate      fate
	// silence is how long its addresses may go unanswered.
	silence time.Duration
}

// fate is what becomes of the addresses of a node that is struck.
type fate int

const (
	// stays: they stay.
	stays fate = iota
	// returns: one other node has them until it is well again.
	returns
	// roams: they come home in the end.
	roams
)

func faults() []fault {
	return []fault{
		// For longer than the grace of a speaker whose node lives.
		{name: "paused", strike: paused, lasts: shorter(7*time.Second, 30*time.Second), fate: returns, silence: 30 * time.Second},
		{name: "unheard", strike: unheard, lasts: time.Second, fate: returns, silence: 5 * time.Second},
		// These two last until memberlist believes, too, that there are two clusters.
		// One that hears nobody for 15 s takes itself for the only one left.
		{name: "deaf", strike: deaf, lasts: shorter(8*time.Second, 14*time.Second), fate: roams, silence: 30 * time.Second},
		{name: "unknown", strike: unknown, lasts: shorter(8*time.Second, 30*time.Second), fate: roams, silence: 5 * time.Second},
		{name: "flapping", strike: flapping, fate: roams, silence: 10 * time.Second},
		{name: "renamed", strike: renamed, lasts: time.Second, fate: roams, silence: 10 * time.Second},
		{name: "flooded", strike: flooded, lasts: shorter(3*time.Second, 30*time.Second), fate: stays, silence: prompt},
		{name: "killed", strike: killed, everybody: true},
		{name: "rolled out", strike: rolledOut, everybody: true},
	}
}

// paused stops its speaker, and lets it go on.
func paused(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	signal(t, node, syscall.SIGSTOP)
	return func() { signal(t, node, syscall.SIGCONT) }
}

// unheard lets no node hear it. Clients do.
func unheard(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	return partition(t, []string{node.Name()}, but(node.Name()), network.Cut{OneWay: true})
}

// deaf lets it hear no node, though they hear it.
func deaf(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	return partition(t, but(node.Name()), []string{node.Name()}, network.Cut{OneWay: true})
}

// unknown keeps its speaker and the others from talking to each other. ARP and
// NDP pass. It is alone in its half of the segment, and the others are together
// in theirs.
func unknown(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	const port = 7946
	tcp := partition(t, []string{node.Name()}, but(node.Name()), network.Cut{Protocol: "tcp", Port: port})
	udp := partition(t, []string{node.Name()}, but(node.Name()), network.Cut{Protocol: "udp", Port: port})
	return func() { tcp(); udp() }
}

// flapping takes its link down and up again, some times.
func flapping(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	for range 5 {
		restartLink(t, node, "eth0")
	}
	return func() {}
}

// renamed gives its link another name.
func renamed(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	restartLink(t, node, "lan0")
	return func() { restartLink(t, node, "eth0") }
}

// flooded asks it 50,000 times per second for an address that nobody has, and
// now and then for one that may be its own.
func flooded(t *testing.T, node *lab.Node) (heal func()) {
	t.Helper()
	const rate = 50_000
	asking, stop := context.WithCancel(context.Background())
	var flood sync.WaitGroup
	flood.Go(func() {
		sent, took, err := sendFlood(asking, node, rate)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s was asked %d times, %d per second", node.Name(), sent, int(float64(sent)/took.Seconds()))
	})
	return func() { stop(); flood.Wait() }
}

// killed crashes all speakers at once.
func killed(t *testing.T, _ *lab.Node) (heal func()) {
	t.Helper()
	for _, node := range cluster.Nodes() {
		signal(t, node, syscall.SIGKILL)
	}
	return func() {}
}

// rolledOut restarts all speakers one by one, as an upgrade does.
func rolledOut(t *testing.T, _ *lab.Node) (heal func()) {
	t.Helper()
	kubectl(t, "-n", lab.ProductNamespace, "rollout", "restart", "daemonset/speaker")
	kubectl(t, "-n", lab.ProductNamespace, "rollout", "status", "daemonset/speaker", "--timeout=120s")
	return func() {}
}

// signal sends a signal to the speaker of a node.
func signal(t *testing.T, node *lab.Node, s syscall.Signal) {
	t.Helper()
	if err := node.Signal(lab.SpeakerPods, s); err != nil {
		t.Error(err)
	}
}

// partition drops what hosts send to others, as cut says.
func partition(t *testing.T, from, to []string, cut network.Cut) (heal func()) {
	t.Helper()
	undo, err := cluster.Partition(t.Context(), from, to, cut)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := undo(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// restartLink takes the link of a node down for a moment, and gives it a name.
func restartLink(t *testing.T, node *lab.Node, name string) {
	t.Helper()
	if err := node.Host().RestartLink(20*time.Millisecond, name); err != nil {
		t.Error(err)
	}
}

// sendFlood asks a node at a rate until ctx ends, and returns how often it has.
// It speaks out of the switch's own port to the node, past captures, which hear
// what comes in.
func sendFlood(ctx context.Context, node *lab.Node, rate int) (sent int, took time.Duration, err error) {
	client, err := frames.NewSender(cluster.Client())
	if err != nil {
		return 0, 0, err
	}
	defer client.Close() //nolint:errcheck // it only says what to send
	nobodys, anybodys := client.Question(netip.MustParseAddr("198.51.100.250")), client.Question(netip.MustParseAddr("198.51.100.64"))

	ports, err := cluster.Switch().Ports()
	if err != nil {
		return 0, 0, err
	}
	var fd int
	if err := cluster.Switch().Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	}); err != nil {
		return 0, 0, err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing is sent any more
	began := time.Now()
	for ctx.Err() == nil {
		for due := int(time.Since(began).Seconds() * float64(rate)); sent < due; sent++ {
			frame := nobodys
			if sent%100 == 0 {
				frame = anybodys
			}
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ports[node.Name()]}); err != nil {
				return sent, time.Since(began), err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return sent, time.Since(began), nil
}
