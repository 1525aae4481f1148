package announce

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/clarion-lb/clarion/config"
)

// nodesNamed are nodes of those names, and the set of them all.
func nodesNamed(names ...string) ([]config.Node, config.NodeSet) {
	nodes, all := make([]config.Node, len(names)), config.NewNodeSet(len(names))
	for i, name := range names {
		nodes[i].Name = name
		all.Add(i)
	}
	return nodes, all
}

// owner is the first of the candidates.
func owner(nodes []config.Node, candidates config.NodeSet, key netip.Addr, preferences []config.Preference) int {
	o := newOrder(key, preferences)
	return o.first(nodes, candidates)
}

// TestOwnerOrder defends the promise that a cluster can be migrated node by
// node: the order is MetalLB's. The rest of an order is who owns the address
// when all before it have left.
func TestOwnerOrder(t *testing.T) {
	t.Parallel()

	tests := []struct {
		nodes, key, want string
		score            map[string]int
	}{
		{nodes: "node-a node-b node-c", key: "10.0.0.1", want: "node-b node-a node-c"},
		{nodes: "node-a node-b node-c", key: "10.0.0.2", want: "node-b node-c node-a"},
		{nodes: "iris1 iris2", key: "10.20.30.1", want: "iris2 iris1"},
		{nodes: "iris1 iris2", key: "10.20.30.2", want: "iris1 iris2"},
		{nodes: "edge-a edge-b worker-a worker-b", key: "10.20.30.1", want: "edge-b worker-a edge-a worker-b"},
		{nodes: "edge-a edge-b worker-a worker-b", key: "10.20.30.1", want: "edge-a edge-b worker-a worker-b", score: map[string]int{"edge-a": 100}},
		{nodes: "node1 node2 node3", key: "192.168.1.240", want: "node3 node1 node2"},
		{nodes: "node1 node2 node3", key: "192.168.1.241", want: "node1 node3 node2"},
		{nodes: "node1 node2 node3", key: "2001:db8::1", want: "node3 node2 node1"},
		{nodes: "node1 node2 node3", key: "2001:db8::2", want: "node1 node3 node2"},
		{nodes: "node1 node2 node3", key: "fc00:f853:ccd:e799::", want: "node2 node1 node3"},

		// Preferences add up, and rank before the hash.
		{nodes: "node1 node2 node3", key: "192.168.1.240", want: "node2 node1 node3", score: map[string]int{"node1": 1, "node2": 2}},
		{nodes: "node1 node2 node3", key: "192.168.1.240", want: "node3 node1 node2", score: map[string]int{"node1": 5, "node2": 5, "node3": 5}},
		// A name as long as Kubernetes allows.
		{nodes: strings.Repeat("n", 253) + " node2", key: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", want: "node2 " + strings.Repeat("n", 253)},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.nodes, " ", tt.key, " ", tt.score), func(t *testing.T) {
			t.Parallel()

			nodes, left := nodesNamed(strings.Fields(tt.nodes)...)
			var preferences []config.Preference
			for i, n := range nodes {
				for range tt.score[n.Name] { // weights add up
					p := config.Preference{Weight: 1, Nodes: config.NewNodeSet(len(nodes))}
					p.Nodes.Add(i)
					preferences = append(preferences, p)
				}
			}
			var got []string
			for !left.Empty() {
				i := owner(nodes, left, netip.MustParseAddr(tt.key), preferences)
				got = append(got, nodes[i].Name)
				gone := config.NewNodeSet(len(nodes))
				for j := range left.All {
					if j != i {
						gone.Add(j)
					}
				}
				left = gone
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("order = %v, want %s", got, tt.want)
			}
		})
	}
}

func TestOwnerOfNobody(t *testing.T) {
	t.Parallel()

	nodes, _ := nodesNamed("node1")
	if got := owner(nodes, config.NewNodeSet(1), netip.MustParseAddr("192.0.2.1"), nil); got != -1 {
		t.Errorf("owner without candidates = %d, want -1", got)
	}
}

// TestOwnerMovesOnlyWhatItMust: a node that leaves moves its own addresses and
// no other, and one that joins takes only those it wins. Nobody gets much more
// than a fair share.
func TestOwnerMovesOnlyWhatItMust(t *testing.T) {
	t.Parallel()

	const nodeCount, addrCount = 20, 2000
	var names []string
	for i := range nodeCount {
		names = append(names, fmt.Sprintf("node-%d", i))
	}
	nodes, all := nodesNamed(names...)
	share := make([]int, nodeCount)
	for i := range addrCount {
		addr := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i))
		with := owner(nodes, all, addr, nil)
		share[with]++
		leaver := rand.IntN(nodeCount)
		rest := config.NewNodeSet(nodeCount)
		for j := range all.All {
			if j != leaver {
				rest.Add(j)
			}
		}
		without := owner(nodes, rest, addr, nil)
		if with != leaver && without != with {
			t.Errorf("%s: %s left, and the address moved from %s to %s", addr, names[leaver], names[with], names[without])
		}
		if with == leaver && without == leaver {
			t.Errorf("%s stayed on %s, which left", addr, names[leaver])
		}
	}
	for i, n := range share {
		if fair := addrCount / nodeCount; n < fair/2 || n > fair*2 {
			t.Errorf("%s owns %d of %d addresses, a fair share is %d", names[i], n, addrCount, fair)
		}
	}
}

func TestOwnerAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of all goroutines
	nodes, all := nodesNamed("node1", "node2", "node3")
	key := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() { owner(nodes, all, key, nil) }); n > 0 {
		t.Errorf("one election allocates %v times", n)
	}
}

func BenchmarkOwner(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("worker-%d.example.com", i))
			}
			nodes, all := nodesNamed(names...)
			key := netip.MustParseAddr("192.0.2.1")
			b.ReportAllocs()
			for b.Loop() {
				owner(nodes, all, key, nil)
			}
		})
	}
}
