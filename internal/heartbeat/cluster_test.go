package heartbeat

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// cluster is some monitors on a network that loses what it is told to. It runs
// inside a synctest bubble, whose clock it tells.
type cluster struct {
	t     *testing.T
	nodes []*node
	start time.Time

	mu   sync.Mutex
	cut  func(from, to *node) bool // nil: nothing is
	dice *rand.Rand
}

type node struct {
	*Monitor
	name    string
	addr    netip.AddrPort
	cancel  context.CancelFunc
	ended   chan struct{}
	running bool // its process
	kernel  bool // its machine
	// resume is closed when a stopped process goes on; nil if it is not stopped.
	resume chan struct{}
	// all are the names of all nodes, sorted.
	all []string
}

// down and recovering are the nodes it holds to be so.
func (nd *node) down() []string       { return nd.holds(NodeDown, SpeakerDown, Leaving) }
func (nd *node) recovering() []string { return nd.holds(Recovering) }

func (nd *node) holds(one ...Standing) []string {
	return slices.DeleteFunc(slices.Clone(nd.all), func(name string) bool { return !slices.Contains(one, nd.Standing(name)) })
}

func newCluster(t *testing.T, n int, edit func(*Options)) *cluster {
	t.Helper()
	c := &cluster{t: t, start: time.Now(), dice: rand.New(rand.NewPCG(1, 2))}
	for i := range n {
		c.nodes = append(c.nodes, &node{
			name: fmt.Sprintf("node-%c", 'a'+i),
			addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 7946),
		})
	}
	names := make([]string, n)
	for i, nd := range c.nodes {
		names[i], nd.all = nd.name, names
	}
	for _, nd := range c.nodes {
		c.boot(nd, edit)
	}
	t.Cleanup(func() {
		for _, nd := range c.nodes {
			c.kill(nd)
		}
	})
	return c
}

// fitCluster is a cluster all of whose nodes may answer.
func fitCluster(t *testing.T, n int, edit func(*Options)) *cluster {
	t.Helper()
	c := newCluster(t, n, edit)
	c.until("all are fit", 5*time.Second, c.allFit)
	return c
}

// boot starts the machine and the process of a node.
func (c *cluster) boot(nd *node, edit func(*Options)) {
	c.t.Helper()
	o := Options{
		Node: nd.name, Failback: time.Second,
		Send:  func(p []byte, to netip.AddrPort) { c.carry(nd, slices.Clone(p), to) },
		Probe: func(ctx context.Context, to netip.AddrPort) bool { return c.probe(ctx, nd, to) },
	}
	if edit != nil {
		edit(&o)
	}
	m, err := New(o)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := m.SetKeys([][]byte{[]byte("a key that is not a secret at all")}); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	nd.Monitor, nd.cancel, nd.ended = m, cancel, make(chan struct{})
	nd.running, nd.kernel, nd.resume = true, true, nil
	c.mu.Unlock()
	go func() {
		defer close(nd.ended)
		if err := m.Run(ctx); err != nil {
			c.t.Error(err)
		}
	}()
	m.SetPeers(c.peersOf(nd, nil))
}

// kill ends the process of a node. Its kernel lives.
func (c *cluster) kill(nd *node) {
	c.mu.Lock()
	was := nd.running
	nd.running = false
	c.mu.Unlock()
	if was {
		nd.cancel()
		<-nd.ended
	}
}

// crash ends a node.
func (c *cluster) crash(nd *node) {
	c.mu.Lock()
	nd.kernel = false
	c.mu.Unlock()
	c.kill(nd)
}

// lose says which packets are lost from now on.
func (c *cluster) lose(cut func(from, to *node) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

// stop holds a process, at the latest in the middle of its next packet, until
// what it returns is called.
func (c *cluster) stop(nd *node) (resume func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := make(chan struct{})
	nd.resume = held
	return func() {
		c.mu.Lock()
		nd.resume = nil
		c.mu.Unlock()
		close(held)
	}
}

func (c *cluster) carry(from *node, packet []byte, to netip.AddrPort) {
	c.mu.Lock()
	held := from.resume
	c.mu.Unlock()
	if held != nil {
		<-held
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nd := range c.nodes {
		if nd.addr == to && nd.running && (c.cut == nil || !c.cut(from, nd)) {
			m := nd.Monitor
			time.AfterFunc(time.Millisecond, func() { m.Receive(packet) })
		}
	}
}

func (c *cluster) probe(ctx context.Context, from *node, to netip.AddrPort) bool {
	c.mu.Lock()
	alive := false
	for _, nd := range c.nodes {
		if nd.addr == to {
			alive = nd.kernel && (c.cut == nil || !c.cut(from, nd) && !c.cut(nd, from))
		}
	}
	c.mu.Unlock()
	if alive {
		time.Sleep(time.Millisecond)
		return true
	}
	<-ctx.Done()
	return false
}

// until waits for something, and returns how long it took.
func (c *cluster) until(what string, limit time.Duration, check func() bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	for !check() {
		if time.Since(began) > limit {
			c.t.Fatalf("after %v still not: %s", limit, what)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
	}
	return time.Since(began)
}

// never checks for a while that something does not happen.
func (c *cluster) never(what string, limit time.Duration, check func() bool) {
	c.t.Helper()
	for began := time.Now(); time.Since(began) < limit; time.Sleep(5 * time.Millisecond) {
		if check() {
			c.t.Fatalf("after %v: %s", time.Since(began), what)
		}
	}
}

func (c *cluster) allHold(down ...string) func() bool {
	return func() bool {
		for _, nd := range c.nodes {
			if nd.running && (!slices.Equal(nd.down(), down) || len(down) == 0 && len(nd.recovering()) > 0) {
				return false
			}
		}
		return true
	}
}

func (c *cluster) someoneHoldsDown() bool { return !c.allHold()() }

func (c *cluster) allFit() bool {
	for _, nd := range c.nodes {
		if nd.running && !nd.Fit() {
			return false
		}
	}
	return true
}

func TestNodeDies(t *testing.T) {
	t.Parallel()

	for _, n := range []int{2, 3, 5, 10, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fitCluster(t, n, nil)
				c.never("a node is held down", 10*time.Second, c.someoneHoldsDown)
				c.crash(c.nodes[0])
				took := c.until("all hold node-a down", time.Second, c.allHold("node-a"))
				if took > 450*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				t.Logf("%d nodes: %v", n, took)
				c.boot(c.nodes[0], func(o *Options) { o.Failback = time.Second })
				took = c.until("all hold nobody down", 10*time.Second, c.allHold())
				if took < time.Second {
					t.Errorf("back after %v, before it was good for a second", took)
				}
			})
		})
	}
}

// TestSpeakerDiesUnderBusyWatchers: those who watch it do not run all the time.
func TestSpeakerDiesUnderBusyWatchers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		a, b := c.nodes[0], c.nodes[1]
		c.kill(a)
		for range 12 {
			time.Sleep(500 * time.Millisecond)
			for _, nd := range c.nodes[1:] {
				resume := c.stop(nd)
				time.AfterFunc(200*time.Millisecond, resume)
			}
		}
		if !slices.Contains(b.down(), a.name) {
			t.Error("the dead speaker is not replaced after six seconds")
		}
	})
}

// TestNodeDiesWithFewerBeats: the questions to its kernel do not make it last
// longer than the beats do.
func TestNodeDiesWithFewerBeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, func(o *Options) { o.Multiplier = 4 })
		c.crash(c.nodes[0])
		if took := c.until("all hold node-a down", time.Second, c.allHold("node-a")); took > 220*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestSpeakerDies: a dead process on a living node has the grace period to come
// back.
func TestSpeakerDies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		c.kill(c.nodes[0])
		c.never("a node is held down", 2900*time.Millisecond, c.someoneHoldsDown)
		c.until("all hold node-a down", 400*time.Millisecond, c.allHold("node-a"))
	})
}

func TestSpeakerRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		c.kill(c.nodes[0])
		c.never("a node is held down", 2*time.Second, c.someoneHoldsDown)
		c.boot(c.nodes[0], nil)
		c.until("it is fit again", 100*time.Millisecond, c.nodes[0].Fit)
		c.never("a node is held down", 10*time.Second, c.someoneHoldsDown)
	})
}

func TestLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		c.nodes[1].Leave()
		if took := c.until("all hold node-b down", time.Second, c.allHold("node-b")); took > 10*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if !c.nodes[1].Fit() {
			t.Error("a node that leaves has to answer until others do")
		}
		c.forget(c.nodes[1])
		time.Sleep(time.Second)
		if got := c.nodes[0].Standing("node-b"); got != Leaving {
			t.Errorf("once it has left it is %v", got)
		}
	})
}

// TestPartition: the one that is cut off goes silent before the others replace
// it, and holds nobody down.
func TestPartition(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 10} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fitCluster(t, n, nil)
				a := c.nodes[0]
				c.lose(func(from, to *node) bool { return from == a || to == a })
				var silent, replaced time.Time
				c.until("node-a is silent and replaced", time.Second, func() bool {
					if silent.IsZero() && !a.Fit() {
						silent = time.Now()
					}
					if replaced.IsZero() && slices.Contains(c.nodes[1].down(), a.name) {
						replaced = time.Now()
					}
					return !silent.IsZero() && !replaced.IsZero()
				})
				if overlap := silent.Sub(replaced); overlap > 60*time.Millisecond {
					t.Errorf("node-a answers %v longer than it should", overlap)
				}
				if down := a.down(); len(down) > 0 {
					t.Errorf("node-a holds %v down", down)
				}
				c.lose(nil)
				c.until("all are up", 5*time.Second, c.allHold())
				c.until("all are fit", 5*time.Second, c.allFit)
			})
		})
	}
}

// TestUnheard: a node whose packets are lost, and which hears the others, goes
// silent when they say so.
func TestUnheard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		a := c.nodes[0]
		c.lose(func(from, _ *node) bool { return from == a })
		c.until("node-a is silent", 300*time.Millisecond, func() bool { return a.Unfit() == Unheard })
		c.until("node-a is replaced", 300*time.Millisecond, func() bool {
			return slices.Contains(c.nodes[1].down(), a.name) && slices.Contains(c.nodes[2].down(), a.name)
		})
	})
}

// TestLoss: packets that are lost at random kill nobody.
func TestLoss(t *testing.T) {
	t.Parallel()
	for i, percent := range []int{10, 10, 30, 30, 30, 30} {
		t.Run(fmt.Sprint(percent), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 6, nil)
				c.dice = rand.New(rand.NewPCG(uint64(i), 2))
				c.until("all are fit", 5*time.Second, c.allFit)
				c.lose(func(_, _ *node) bool { return c.dice.IntN(100) < percent })
				c.never("a node is held down", time.Minute, c.someoneHoldsDown)
				c.crash(c.nodes[0])
				took := c.until("all hold node-a down", 3*time.Second, c.allHold("node-a"))
				t.Logf("%d %% lost: %v", percent, took)
			})
		})
	}
}

// TestHeartbeatsBlocked: a firewall that lets memberlist through and these
// packets not takes no address away for long.
func TestHeartbeatsBlocked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, nil)
		c.lose(func(_, _ *node) bool { return true })
		c.until("all are fit again", 20*time.Second, func() bool { return time.Since(c.start) > 6*time.Second && c.allFit() })
		if c.someoneHoldsDown() {
			t.Error("a node is held down")
		}
	})
}

func TestNeverWorked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, nil)
		c.lose(func(_, _ *node) bool { return true })
		c.until("all are fit", 3*time.Second, c.allFit)
		c.never("a node is held down", time.Minute, c.someoneHoldsDown)
	})
}

// TestRotation: keys change on one node after the other, and nobody is held down
// or may not answer meanwhile; nor does anybody who is left behind.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, fresh := []byte("a key that is not a secret at all"), []byte("nor is this one, to be sure")
	for _, tt := range []struct {
		name  string
		steps [][][]byte
	}{
		{"from key to key", [][][]byte{{old}, {old, fresh}, {fresh, old}, {fresh}}},
		{"from none to a key", [][][]byte{{}, {nil, fresh}, {fresh, nil}, {fresh}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 4, nil)
				set := func(nodes []*node, keys [][]byte) {
					for _, nd := range nodes {
						if err := nd.SetKeys(keys); err != nil {
							t.Fatal(err)
						}
					}
				}
				set(c.nodes, tt.steps[0])
				c.until("all are fit", 5*time.Second, c.allFit)
				disturbed := func() bool { return c.someoneHoldsDown() || !c.allFit() }
				for _, step := range tt.steps[1:] {
					for _, nd := range c.nodes {
						set([]*node{nd}, step)
						c.never("a key disturbs", 5*time.Second, disturbed)
					}
				}
				for _, nd := range c.nodes {
					if n := nd.Counters().Rejected; n > 0 {
						t.Errorf("%s rejected %d packets", nd.name, n)
					}
				}

				c.crash(c.nodes[3])
				took := c.until("all hold node-d down", time.Second, c.allHold("node-d"))
				t.Logf("a node that dies then is found out after %v", took)
			})
		})
	}
}

// TestRack: a node that dies with both that watch it is found out by their
// successors.
func TestRack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 8, nil)
		var ids []id
		byID := map[id]*node{}
		for _, nd := range c.nodes {
			ids = append(ids, idOf(nd.name))
			byID[idOf(nd.name)] = nd
		}
		dead := []*node{c.nodes[0]}
		for _, w := range watchers(idOf(c.nodes[0].name), ids, 2) {
			dead = append(dead, byID[w])
		}
		var names []string
		for _, nd := range dead {
			c.crash(nd)
			names = append(names, nd.name)
		}
		slices.Sort(names)
		took := c.until("all three are held down", 3*time.Second, c.allHold(names...))
		t.Logf("three at once: %v", took)
	})
}

// TestStopped: a process that was stopped does not answer before it knows what
// became of its addresses, although old packets wait for it.
func TestStopped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stopped  time.Duration
		replaced bool
	}{{200 * time.Millisecond, false}, {600 * time.Millisecond, false}, {2 * time.Second, false}, {30 * time.Second, true}} {
		t.Run(tt.stopped.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fitCluster(t, 3, nil)
				a := c.nodes[0]
				resume := c.stop(a)
				time.Sleep(tt.stopped)
				if tt.stopped > 350*time.Millisecond && a.Fit() {
					t.Error("it is fit although it does not run")
				}
				if got := slices.Contains(c.nodes[1].down(), a.name); got != tt.replaced {
					t.Errorf("replaced is %t, want %t", got, tt.replaced)
				}
				resume()
				c.never("it answers for addresses that are no longer its own", 500*time.Millisecond, func() bool {
					return a.Fit() && tt.replaced && !slices.Contains(a.down(), a.name) &&
						slices.Contains(c.nodes[1].down(), a.name)
				})
				c.never("it holds others down", 2*time.Second, func() bool {
					return slices.Contains(a.down(), "node-b") || slices.Contains(a.down(), "node-c")
				})
				c.until("all are up and fit", 5*time.Second, func() bool { return c.allHold()() && c.allFit() })
			})
		})
	}
}

// TestRollingUpdate: while one node after the other is restarted, faster than any
// of them is well again, there is always somebody, and all agree who.
func TestRollingUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, func(o *Options) { o.Failback = 30 * time.Second })
		agree := func() bool {
			for _, nd := range c.nodes[1:] {
				if !slices.Equal(nd.down(), c.nodes[0].down()) || !slices.Equal(nd.recovering(), c.nodes[0].recovering()) {
					return false
				}
			}
			return true
		}
		for _, nd := range c.nodes {
			nd.Leave()
			time.Sleep(200 * time.Millisecond)
			c.kill(nd)
			c.forget(nd) // memberlist sees it leave
			time.Sleep(time.Second)
			c.boot(nd, func(o *Options) { o.Failback = 30 * time.Second })
			c.meet()
			c.until("it is recovering", 5*time.Second, func() bool {
				return slices.Contains(c.nodes[0].recovering(), nd.name)
			})
			c.until("all agree", 2*time.Second, agree)
			if down := c.nodes[0].down(); len(down) > 0 {
				t.Errorf("after the restart of %s %v are down", nd.name, down)
			}
		}
		c.until("all are well", time.Minute, c.allHold())
	})
}

// forget takes a node from what memberlist shows to the others.
func (c *cluster) forget(gone *node) {
	for _, nd := range c.nodes {
		if nd != gone {
			nd.SetPeers(c.peersOf(nd, gone))
		}
	}
}

// meet shows all nodes to each other.
func (c *cluster) meet() {
	for _, nd := range c.nodes {
		nd.SetPeers(c.peersOf(nd, nil))
	}
}

func (c *cluster) peersOf(nd, gone *node) []Peer {
	var peers []Peer
	for _, other := range c.nodes {
		if other != nd && other != gone {
			peers = append(peers, Peer{Name: other.name, Addr: other.addr})
		}
	}
	return peers
}
