//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/router"
)

// waitForRestart waits until the router has a session with a node that its
// speaker began after a restart, and has heard all of its routes again.
func waitForRestart(t *testing.T, frr *router.FRR, name string) {
	t.Helper()
	until(t, "the router has a session with the next speaker of "+name, func(ctx context.Context) (bool, error) {
		neighbors, err := frr.Neighbors(ctx)
		n := neighbors[address(cluster.Node(name))]
		return n.Up() && n.Dropped > 0 && len(n.GracefulRestart.EndOfRIB) == 2, err
	})
}

// fastProfile is a BFDProfile like the router's, and watched what a BGPPeer needs
// to use it. Half a second is long enough for a busy machine to say no wrong thing.
const (
	fastProfile = `
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: fast, namespace: metallb-system}
spec: {transmitInterval: 100, receiveInterval: 100, detectMultiplier: 5}
`
	watched = "  bfdProfile: fast\n"
)

// TestDeadNodeIsRoutedAround holds that with BFD the router forgets a node that
// lost its cable, or died, long before the hold time is over, that the others
// carry its traffic, and that it is taken back: P8.
func TestDeadNodeIsRoutedAround(t *testing.T) {
	frr := tor(t, "bfd profile rack")
	apply(t, fastProfile)
	apply(t, torPeer(watched+gracefully))
	waitForSessions(t, frr)
	// No Pod is on the node that dies: it would be counted on for as long as the
	// cluster takes to miss a node.
	_, addrs := routed(t, workload(1, "{kubernetes.io/hostname: node-a}", "Cluster"), all()...)
	waitForBFD(t, frr)

	node := cluster.Node("node-b")
	t.Cleanup(func() { revive(t) })
	began := time.Now()
	if err := node.CutCable(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForNextHops(t, addr, but("node-b")...)
	}
	t.Logf("a cut cable: forgotten after %s", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("forgotten after %s, want long before the hold time of 90s", took)
	}
	if err := node.PlugCable(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForNextHops(t, addr, all()...)
	}
	waitForBFD(t, frr)

	began = time.Now()
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		waitForNextHops(t, addr, but("node-b")...)
	}
	t.Logf("a dead node: forgotten after %s", time.Since(began).Round(time.Millisecond))
	for _, addr := range addrs {
		reachable(t, addr)
	}
	revive(t)
	for _, addr := range addrs {
		waitForNextHops(t, addr, all()...)
	}
}

// revive boots what is dead and plugs in what is cut.
func revive(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	for _, node := range cluster.Nodes() {
		if node.Host() == nil {
			if err := node.Boot(ctx); err != nil {
				t.Error(err)
			}
		} else if err := node.PlugCable(); err != nil {
			t.Error(err)
		}
	}
	if err := cluster.WaitReady(ctx); err != nil {
		t.Error(err)
	}
	waitForProduct(t)
}

// waitForBFD waits until the router's BFD sessions with all nodes are up, and
// those that FRR keeps: it makes each anew when BGP first comes up.
func waitForBFD(t *testing.T, frr *router.FRR) {
	t.Helper()
	until(t, "the router has a BFD session with each node", func(ctx context.Context) (bool, error) {
		peers, err := frr.BFDPeers(ctx)
		for _, p := range peers {
			if !p.Up() || !p.Local.IsValid() {
				return false, err
			}
		}
		return err == nil && len(peers) == len(cluster.Nodes()), err
	})
	waitForSessions(t, frr)
}

// TestRoutesOutliveTheAPIServer holds that sessions and routes stay while the
// API server is away, that a router which restarts meanwhile gets everything
// again, and that what changes afterwards is heard: P5.
func TestRoutesOutliveTheAPIServer(t *testing.T) {
	frr := tor(t)
	apply(t, torPeer(""))
	waitForSessions(t, frr)
	ns, addrs := routed(t, workload(3, "{}", "Cluster"), all()...)
	forgotten := watchRouter(t)
	t.Cleanup(func() {
		if err := cluster.APIServer().Start(context.Background()); err != nil {
			t.Error(err)
		}
		waitForProduct(t)
	})
	// A crash; see TestAPIServerAway.
	cluster.APIServer().Kill()
	time.Sleep(shorter(5*time.Second, 2*time.Minute))
	for _, addr := range addrs {
		reachable(t, addr)
	}
	if got := forgotten(); len(got) != 0 {
		t.Errorf("the router forgot routes: %v", got)
	}
	frr.Kill()
	if err := frr.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitForSessions(t, frr)
	for _, addr := range addrs {
		waitForNextHops(t, addr, all()...)
		reachable(t, addr)
	}

	if err := cluster.APIServer().Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	kubectl(t, "-n", ns, "delete", "service", "web")
	for _, addr := range addrs {
		waitForNextHops(t, addr)
	}
	t.Logf("a Service is deleted, and the router knows: %s after the API server is back", time.Since(back).Round(time.Second))
	applyTo(t, ns, workload(3, "{}", "Cluster"))
	for _, addr := range waitForAddresses(t, ns, "web", 2) {
		waitForNextHops(t, addr, all()...)
		t.Logf("another has an address, and the router knows: %s", time.Since(back).Round(time.Second))
		reachable(t, addr)
	}
	t.Logf("all is as it was: %s", time.Since(back).Round(time.Second))
}
