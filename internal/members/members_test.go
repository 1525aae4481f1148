package members

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJoinAndLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 5, Options{})

		// A clean stop is seen at once, not after a suspicion.
		nodes[4].stop()
		for _, n := range nodes[:4] {
			if took := n.await(leaveTimeout, nodeNames(4)...); took > leaveTimeout {
				t.Errorf("%s: leave seen after %v", n.node, took)
			}
		}
		if got := nodes[0].log.lines("member left", "node=n5"); len(got) != 1 {
			t.Errorf("departure said %d times, want once:\n%s", len(got), nodes[0].log)
		}

		// And it may come back under the same name and address.
		again := s.start(t, 5, Options{})
		again.SetPeers(addresses(1, 2, 3, 4))
		again.await(time.Minute, nodeNames(5)...)
		nodes[0].await(time.Minute, nodeNames(5)...)
	})
}

// TestCrash measures MetalLB's defaults in exact time: a crashed member of
// three is suspected for about four seconds before it is declared dead.
func TestCrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{})
		time.Sleep(time.Minute)

		s.move("nowhere", nodes[2].addr)
		crash := time.Now()
		for _, n := range nodes[:2] {
			n.await(30*time.Second, nodeNames(2)...)
			t.Logf("%s: crash seen after at most %v", n.node, time.Since(crash))
		}
		nodes[2].await(time.Minute, "n3")
	})
}

// TestCrashTuned uses the fastest setting that protocols know to be safe in a
// slow plane; the shape of TestCrash, a fifth of its time.
func TestCrashTuned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		tuning := fast()
		nodes := s.startAll(t, 3, Options{Tuning: &tuning})
		time.Sleep(10 * time.Second)

		s.move("nowhere", nodes[2].addr)
		for _, n := range nodes[:2] {
			n.await(3*time.Second, nodeNames(2)...)
		}
	})
}

// TestPartition: memberlist itself stops looking for the dead after a while.
// Two halves that meet again later must still become one list.
func TestPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 4, Options{})

		s.move("other", nodes[2].addr, nodes[3].addr)
		for _, n := range nodes[:2] {
			n.await(time.Minute, "n1", "n2")
		}
		for _, n := range nodes[2:] {
			n.await(time.Minute, "n3", "n4")
		}
		time.Sleep(10 * time.Minute)

		s.move("", nodes[2].addr, nodes[3].addr)
		for _, n := range nodes {
			// One more round of calls; those under way may still have to fail.
			n.await(2*maxRetry, nodeNames(4)...)
		}
	})
}

// TestNilUntilComplete defends P3: a node that has only just started must not
// take itself for the only one.
func TestNilUntilComplete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		first := s.start(t, 1, Options{})
		time.Sleep(10 * time.Minute)
		if got := first.Members(); got != nil {
			t.Errorf("members before SetPeers are %v, want nil", got)
		}

		first.SetPeers(nil)
		first.await(time.Second, "n1")

		// n2 knows only the dead n9: nobody answers, and so it is alone.
		s.move("nowhere", address(9))
		second := s.start(t, 2, Options{})
		second.SetPeers(addresses(2, 9))
		time.Sleep(time.Second)
		if got := second.Members(); got != nil {
			t.Errorf("members while the only peer is being called are %v, want nil", got)
		}
		second.await(time.Minute, "n2")

		// n3 knows both: the answer of one is enough, after a moment.
		third := s.start(t, 3, Options{})
		third.SetPeers(addresses(1, 9))
		if took := third.await(time.Minute, "n1", "n3"); took > grace+time.Second {
			t.Errorf("a dead peer delayed the view by %v", took)
		}

		// Nobody is missing: there is nothing to wait for.
		fourth := s.start(t, 4, Options{})
		fourth.SetPeers(addresses(1, 3))
		if took := fourth.await(time.Minute, "n1", "n3", "n4"); took > time.Second {
			t.Errorf("the view took %v", took)
		}
	})
}

// TestDeadPeersHideNobody: there are more dead peers than calls made at once.
func TestDeadPeersHideNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		s.start(t, 1, Options{}).SetPeers(nil)
		n2 := s.start(t, 2, Options{})
		peers := addresses(1)
		for i := range 3 * maxCalls {
			dead := address(100 + i)
			s.move("nowhere", dead)
			peers = append(peers, dead)
		}
		n2.SetPeers(peers)
		n2.await(time.Minute, "n1", "n2")
	})
}

func TestUnreachablePeerIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		n1 := s.start(t, 1, Options{})
		n1.SetPeers(addresses(1, 2))
		time.Sleep(time.Hour)
		if got := n1.log.lines("peer cannot be joined", "peer=192.0.2.2:7946", "connection refused"); len(got) != 1 {
			t.Errorf("said %d times in an hour, want once:\n%s", len(got), n1.log)
		}

		// It comes and goes: another state, another word.
		n2 := s.start(t, 2, Options{})
		n1.await(maxRetry+maxRetry/4+time.Second, "n1", "n2")
		time.Sleep(time.Second) // n2 has to know n1 to say goodbye
		n2.stop()
		n1.await(time.Second, "n1")
		time.Sleep(10 * time.Minute)
		if got := n1.log.lines("peer cannot be joined"); len(got) != 2 {
			t.Errorf("said %d times, want twice:\n%s", len(got), n1.log)
		}
	})
}

func TestPeersMayComeLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		n1, n2, n3 := s.start(t, 1, Options{}), s.start(t, 2, Options{}), s.start(t, 3, Options{})
		n1.SetPeers(addresses(1))
		n1.await(time.Second, "n1")
		for _, n := range []*node{n2, n3} {
			n.SetPeers(addresses(2, 3))
		}
		for _, n := range []*node{n2, n3} {
			n.await(2*time.Second, "n2", "n3")
		}

		n1.SetPeers(addresses(1, 3))
		for _, n := range []*node{n1, n2, n3} {
			n.await(2*time.Second, nodeNames(3)...)
		}

		// Who is no peer any more, but lives, stays a member.
		n1.SetPeers(addresses(1))
		time.Sleep(10 * time.Minute)
		n1.await(0, nodeNames(3)...)
	})
}

// TestIdleMeansIdle defends P10: the same wish again wakes nobody.
func TestIdleMeansIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{Key: []byte("key")})
		synctest.Wait()
		for _, n := range nodes {
			select {
			case <-n.Changed():
			default:
			}
		}

		nodes[0].SetPeers(addresses(3, 2, 1, 3))
		nodes[0].SetKey([]byte("key"), []byte("key"))
		time.Sleep(10 * time.Minute)
		for _, n := range nodes {
			select {
			case <-n.Changed():
				t.Errorf("%s: a change was published though nothing changed", n.node)
			default:
			}
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()

	good := Options{Node: "n1", BindAddr: netip.MustParseAddrPort("192.0.2.1:7946")}
	tests := []struct {
		name string
		edit func(*Options)
		want string
	}{
		{"no name", func(o *Options) { o.Node = "" }, "members: failed to configure: the node has no name"},
		{"no address", func(o *Options) { o.BindAddr = netip.AddrPort{} }, "members: failed to configure: bind address invalid AddrPort is not one that other nodes can reach"},
		{"any address", func(o *Options) { o.BindAddr = netip.MustParseAddrPort("[::]:7946") }, "members: failed to configure: bind address [::]:7946 is not one that other nodes can reach"},
		{"bad tuning", func(o *Options) { o.Tuning = &Tuning{} }, "members: failed to configure: TCPTimeout: 0s is too short"},
	}
	for _, tc := range tests {
		o := good
		tc.edit(&o)
		if _, err := New(o); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}

	good.BindAddr = netip.AddrPortFrom(good.BindAddr.Addr(), 0)
	l, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if l.bind.Port() != DefaultPort {
		t.Errorf("default port is %d, want %d", l.bind.Port(), DefaultPort)
	}

	l.SetPeers([]netip.AddrPort{
		l.bind,
		netip.MustParseAddrPort("[::ffff:192.0.2.3]:7946"),
		netip.AddrPortFrom(netip.MustParseAddr("192.0.2.2"), 0),
		netip.MustParseAddrPort("192.0.2.3:7946"),
		{},
	})
	if got := l.wanted().peers; !slices.Equal(got, addresses(2, 3)) {
		t.Errorf("peers (-want +got):\n%s", cmp.Diff(addresses(2, 3), got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })))
	}
}

// fast is a tuning for tests in real time.
func fast() Tuning {
	return Tuning{
		TCPTimeout:              time.Second,
		IndirectChecks:          3,
		RetransmitMult:          4,
		SuspicionMult:           3,
		SuspicionMaxTimeoutMult: 2,
		PushPullInterval:        5 * time.Second,
		ProbeTimeout:            100 * time.Millisecond,
		ProbeInterval:           200 * time.Millisecond,
		AwarenessMaxMultiplier:  8,
		GossipNodes:             3,
		GossipInterval:          50 * time.Millisecond,
		GossipToTheDeadTime:     5 * time.Second,
		GossipVerifyIncoming:    true,
		GossipVerifyOutgoing:    true,
		EnableCompression:       true,
		HandoffQueueDepth:       1024,
		UDPBufferSize:           1400,
		QueueCheckInterval:      30 * time.Second,
	}
}
