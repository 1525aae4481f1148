package heartbeat

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// soon makes nodes that are back be relied upon soon.
func soon(o *Options) { o.Failback = 2 * time.Second }

// TestAllGone: when all nodes are held down, for whatever reason, those that live
// come back nonetheless.
func TestAllGone(t *testing.T) {
	t.Parallel()
	for what, befall := range map[string]func(c *cluster){
		"one restart runs into the next": func(c *cluster) {
			for _, nd := range c.nodes {
				nd.Leave()
				time.Sleep(200 * time.Millisecond)
				c.kill(nd)
				time.Sleep(300 * time.Millisecond)
				c.boot(nd, soon)
				time.Sleep(200 * time.Millisecond)
			}
		},
		"all restart, and one is slow": func(c *cluster) {
			for _, nd := range c.nodes {
				nd.Leave()
			}
			time.Sleep(200 * time.Millisecond)
			slow, others := c.nodes[0], c.nodes[1:]
			for _, nd := range others {
				c.kill(nd)
			}
			time.Sleep(time.Second)
			for _, nd := range others {
				c.boot(nd, soon)
			}
			time.Sleep(800 * time.Millisecond)
			c.kill(slow)
			time.Sleep(time.Second)
			c.boot(slow, soon)
		},
		"nobody hears anybody": func(c *cluster) {
			c.lose(func(_, _ *node) bool { return true })
			time.Sleep(3 * time.Second)
			c.lose(nil)
		},
		"two halves": func(c *cluster) {
			half := func(nd *node) bool { return nd.name < c.nodes[len(c.nodes)/2].name }
			c.lose(func(from, to *node) bool { return half(from) != half(to) })
			time.Sleep(3 * time.Second)
			c.lose(nil)
		},
	} {
		for _, n := range []int{2, 3, 4, 6} {
			t.Run(fmt.Sprintf("%s/%d", what, n), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, n, soon)
					c.until("all are up", 5*time.Second, c.allHold())
					time.Sleep(5 * time.Second)
					befall(c)
					c.until("all are up again", 10*time.Second, c.allHold())
					c.until("all are fit", 5*time.Second, c.allFit)
				})
			})
		}
	}
}

// TestCutOffCondemnsNobody: a node that has lost its cable, at whatever instant,
// holds nobody dead. Back on it, it answers for nothing while the others hold it
// dead.
func TestCutOffCondemnsNobody(t *testing.T) {
	t.Parallel()
	for phase := range 10 {
		t.Run(fmt.Sprint(phase), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := fitCluster(t, 10, soon)
				time.Sleep(time.Duration(phase) * 17 * time.Millisecond)
				a := c.nodes[phase%len(c.nodes)]
				c.lose(func(from, to *node) bool { return from == a || to == a })
				c.never("it holds somebody dead", 2*time.Second, func() bool { return len(a.down()) > 0 })
				c.lose(nil)
				c.never("it answers although it is held dead", recovery, a.Fit)
				c.until("all are up", 10*time.Second, c.allHold())
			})
		})
	}
}

// TestRestartedWhileHeldDown: a speaker that starts, and learns that the others
// hold its node down, answers for nothing before it has been told what that means
// for its addresses.
func TestRestartedWhileHeldDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, soon)
		a := c.nodes[0]
		a.Leave()
		c.until("all hold node-a down", time.Second, c.allHold("node-a"))
		c.kill(a)
		c.boot(a, soon)
		c.until("it knows", time.Second, func() bool { return a.Standing(a.name) == Leaving || a.Fit() })
		c.never("it answers at once", DefaultInterval-5*time.Millisecond, a.Fit)
		c.until("all are up", 10*time.Second, c.allHold())
		c.until("all are fit", time.Second, c.allFit)
	})
}

// TestDeaf: a node that hears nobody is replaced as soon as a dead one, though it
// is heard. It condemns nobody, not even when memberlist forgets the others one by
// one; and when they are back it asks before it answers.
func TestDeaf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fitCluster(t, 3, soon)
		a, b := c.nodes[0], c.nodes[1]
		c.lose(func(_, to *node) bool { return to == a })
		c.until("node-a is replaced", time.Second, func() bool { return slices.Contains(b.down(), a.name) })
		if unfit := a.Unfit(); unfit != Isolated {
			t.Errorf("node-a is unfit for %q", unfit)
		}
		time.Sleep(2 * time.Second)
		all := c.peersOf(a, nil)
		for n := range all {
			a.SetPeers(all[n+1:])
			c.never("it holds somebody dead", time.Second, func() bool { return len(a.down()) > 0 })
		}
		c.lose(nil)
		a.SetPeers(all)
		synctest.Wait()
		c.never("it answers although it is held dead", recovery, a.Fit)
		c.until("all are up", 10*time.Second, c.allHold())
		c.until("all are fit", time.Second, c.allFit)
	})
}

// TestAlone: a node without others has nobody to hear from, and answers.
func TestAlone(t *testing.T) {
	t.Parallel()
	for _, multiplier := range []int{3, DefaultMultiplier, 100} {
		t.Run(fmt.Sprint(multiplier), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 1, func(o *Options) { o.Multiplier, o.Grace = multiplier, time.Minute })
				a := c.nodes[0]
				c.until("it is fit", 3*time.Second, a.Fit)
				c.never("it is not", 30*time.Second, func() bool { return !a.Fit() })
				if n := a.Counters().Stalls; n > 0 {
					t.Errorf("%d stalls", n)
				}
				a.SetPeers([]Peer{{Name: "node-b", Addr: netip.MustParseAddrPort("192.0.2.2:7946")}})
				c.never("another one silences it by being named", 5*time.Second, func() bool { return !a.Fit() })
			})
		})
	}
}
