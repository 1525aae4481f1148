//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/e2e/router"
)

func containsAll(text string, words ...string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// gracefully is what a BGPPeer needs for its router to keep routes while a
// speaker restarts.
const gracefully = "  enableGracefulRestart: true\n"

// TestDrainLosesNoConnect holds that draining each node in turn fails no
// connect: P8.
func TestDrainLosesNoConnect(t *testing.T) {
	frr := tor(t)
	apply(t, torPeer(""))
	waitForSessions(t, frr)
	_, addrs := routed(t, workload(3, "{}", "Cluster"), all()...)
	failed := load(t, addrs[0])
	for _, node := range all() {
		kubectl(t, "cordon", node)
		kubectl(t, "annotate", "node", node, "metallb.io/drain=true")
		t.Cleanup(func() {
			_, _ = cluster.Kubectl(context.Background(), "annotate", "node", node, "metallb.io/drain-")
			_, _ = cluster.Kubectl(context.Background(), "uncordon", node)
		})
		for _, addr := range addrs {
			waitForNextHops(t, addr, but(node)...)
		}
		until(t, "the router has nothing from "+node+" any more", func(ctx context.Context) (bool, error) {
			neighbors, err := frr.Neighbors(ctx)
			n := neighbors[address(cluster.Node(node))]
			return n.Up() && n.Accepted[router.IPv4]+n.Accepted[router.IPv6] == 0, err
		})
		kubectl(t, "annotate", "node", node, "metallb.io/drain-")
		kubectl(t, "uncordon", node)
		for _, addr := range addrs {
			waitForNextHops(t, addr, all()...)
		}
	}
	if connects := failed(); len(connects) != 0 {
		t.Errorf("connects failed: %q", connects)
	}
	waitForSessions(t, frr)
}

// kernelUp waits until the kernel has been up for longer than speakers take
// routers to remember. Before that they do not claim that the node has forwarded
// packets all the time, and routers that believe them forget the routes.
func kernelUp(t *testing.T) {
	t.Helper()
	until(t, "the kernel has been up for a while", func(context.Context) (bool, error) {
		var info unix.Sysinfo_t
		err := unix.Sysinfo(&info)
		return time.Duration(info.Uptime)*time.Second > 5*time.Minute, err
	})
}

// TestSpeakerCrashIsNotNoticed holds that with graceful restart a router keeps
// every route while speakers crash and come back, and packets keep flowing: P8.
func TestSpeakerCrashIsNotNoticed(t *testing.T) {
	kernelUp(t)
	frr := tor(t)
	apply(t, torPeer(gracefully))
	waitForSessions(t, frr)
	_, addrs := routed(t, workload(3, "{}", "Cluster"), all()...)
	forgotten := watchRouter(t)
	failed := load(t, addrs[0])
	for _, node := range cluster.Nodes() {
		if err := node.Signal("component=speaker", unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		waitForRestart(t, frr, node.Name())
		for _, addr := range addrs {
			waitForNextHops(t, addr, all()...)
		}
	}
	if connects := failed(); len(connects) != 0 {
		t.Errorf("connects failed: %q", connects)
	}
	if got := forgotten(); len(got) != 0 {
		t.Errorf("the router forgot routes: %v", got)
	}
}

// TestRollingUpdateIsNotNoticed holds the same for all speakers restarted one
// after the other, as an upgrade does.
func TestRollingUpdateIsNotNoticed(t *testing.T) {
	kernelUp(t)
	frr := tor(t)
	apply(t, torPeer(gracefully))
	waitForSessions(t, frr)
	_, addrs := routed(t, workload(3, "{}", "Cluster"), all()...)
	forgotten := watchRouter(t)
	failed := load(t, addrs[0])
	kubectl(t, "-n", "metallb-system", "rollout", "restart", "daemonset/speaker")
	kubectl(t, "-n", "metallb-system", "rollout", "status", "daemonset/speaker", "--timeout=120s")
	for _, node := range all() {
		waitForRestart(t, frr, node)
	}
	if connects := failed(); len(connects) != 0 {
		t.Errorf("connects failed: %q", connects)
	}
	if got := forgotten(); len(got) != 0 {
		t.Errorf("the router forgot routes: %v", got)
	}
	for _, addr := range addrs {
		waitForNextHops(t, addr, all()...)
	}
}
