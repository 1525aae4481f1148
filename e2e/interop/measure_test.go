package interop_test

import (
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// measure is how often TestMeasure does what it measures. Times on a shared machine mean little, so that nothing is judged.
var measure = flag.Int("measure", 0, "how often to measure; 0: not at all")

// TestMeasure prints how long routers wait for routes, and for the news that a node is gone. `make bench` runs it.
func TestMeasure(t *testing.T) { //nolint:paralleltest // it measures
	if *measure == 0 {
		t.Skip("it measures only with -measure")
	}
	t.Run("10,000 routes to 4 routers", measureRoutes) //nolint:paralleltest // likewise
	t.Run("cable cut, BFD 50 ms x 3", measureCable)    //nolint:paralleltest // likewise
}

// manyRoutes are 10,000 host routes, of which a router gets those that its number, from 0, lets through.
func manyRoutes(number int) []bgp.Route {
	attributes := &bgp.Attributes{Communities: []bgp.Community{bgp.Community(64496<<16 + number)}}
	var out []bgp.Route
	for i := range 10_000 {
		if number > 0 && i%4 == number {
			continue
		}
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		out = append(out, bgp.Route{Prefix: netip.PrefixFrom(addr, 32), Attributes: attributes})
	}
	return out
}

func measureRoutes(t *testing.T) {
	r := newRig(t)
	numbers := []int{torNumber, tor2Number, 4, 5}
	var routers []*router.FRR
	order := interop.Order{}
	want := 0
	for i, number := range numbers {
		// They are not to spend their time on the kernel's routes, of which nobody asks.
		routers = append(routers, r.frr(number, side{Number: number, Neighbors: []neighbor{{Addr: v4(nodeNumber), IPv4: true, HoldTime: 90}}}.frr()))
		order.Peers = append(order.Peers, interop.Peer{
			Name: fmt.Sprintf("tor-%d", i),
			Session: bgp.Session{
				Address: v4(number), LocalASN: nodeAS, PeerASN: torAS, Families: bgp.Families{IPv4: true}, HoldTime: 90 * time.Second,
			},
		})
	}
	speaker := r.speaker(nodeNumber, interop.Setup{})
	check(t, speaker.Set(order))
	for _, frr := range routers {
		comesUp(t, frr, v4(nodeNumber))
	}
	idle, err := speaker.PeakMemory()
	check(t, err)
	before, err := speaker.CPUTime()
	check(t, err)
	for i := range order.Peers {
		order.Peers[i].Routes = manyRoutes(i)
		want += len(order.Peers[i].Routes)
	}
	began := time.Now()
	check(t, speaker.Set(order))
	eventually(t, func() string {
		got := 0
		for i, frr := range routers {
			neighbors, err := frr.Neighbors(t.Context())
			check(t, err)
			got += neighbors[v4(nodeNumber)].Accepted[router.IPv4]
			if got < want && i == 0 && got == 0 {
				break
			}
		}
		if got != want {
			return fmt.Sprintf("the routers have %d routes, want %d", got, want)
		}
		return ""
	})
	took := time.Since(began)
	after, err := speaker.CPUTime()
	check(t, err)
	peak, err := speaker.PeakMemory()
	check(t, err)
	t.Logf("%d routes in all, from Set until the last one is in the last router: %s; speaker's CPU %s, peak RSS %d MB (%d MB before)",
		want, took.Round(time.Millisecond), after-before, peak>>20, idle>>20)

	watch, err := r.host(torNumber).WatchRoutes()
	check(t, err)
	defer watch.Stop()
	waitForKernel(t, r.host(torNumber), len(order.Peers[0].Routes))
	var times []time.Duration
	for round := range *measure {
		gone := order.Peers[0].Routes[round].Prefix
		for i := range order.Peers {
			order.Peers[i].Routes = slices.DeleteFunc(slices.Clone(order.Peers[i].Routes), func(r bgp.Route) bool { return r.Prefix == gone })
		}
		began := time.Now()
		check(t, speaker.Set(order))
		times = append(times, seen(t, watch, gone).Sub(began))
	}
	t.Logf("one of them withdrawn, from Set until the router's kernel forgets it: %s", distribution(times))
}

// waitForKernel waits until a router's kernel has so many routes.
func waitForKernel(t *testing.T, host *network.Host, want int) {
	t.Helper()
	eventually(t, func() string {
		routes, err := host.Routes()
		check(t, err)
		if len(routes) < want {
			return fmt.Sprintf("the kernel has %d routes, want %d", len(routes), want)
		}
		return ""
	})
}

// seen waits until the kernel forgets a route, and returns when it did.
func seen(t *testing.T, watch *network.RouteWatch, prefix netip.Prefix) (at time.Time) {
	t.Helper()
	eventually(t, func() string {
		events, err := watch.Events()
		check(t, err)
		for _, e := range slices.Backward(events) {
			if e.Removed && e.Route.Prefix == prefix {
				at = e.At
				return ""
			}
		}
		return fmt.Sprintf("the kernel still has %s", prefix)
	})
	return at
}

func measureCable(t *testing.T) {
	r := newRig(t)
	tor := r.frr(torNumber, side{Interval: 50, Multiplier: 3, Neighbors: []neighbor{{Addr: v4(nodeNumber), BFD: true, HoldTime: 90, IPv4: true, IPv6: true}}}.frr())
	speaker := r.speaker(nodeNumber, interop.Setup{})
	order := restartable()
	order.Peers[0].Session.HoldTime = 90 * time.Second
	check(t, speaker.Set(watched(order, bfd.Profile{TransmitInterval: 50 * time.Millisecond, ReceiveInterval: 50 * time.Millisecond})))
	var times []time.Duration
	for range *measure {
		pathUp(t, path{tor, speaker, v4(nodeNumber)})
		forwards(t, r.host(torNumber), 4)
		watch, err := r.host(torNumber).WatchRoutes()
		check(t, err)
		cut := time.Now()
		check(t, r.host(nodeNumber).CutCable())
		times = append(times, seen(t, watch, netip.MustParsePrefix(vip)).Sub(cut))
		watch.Stop()
		check(t, r.host(nodeNumber).PlugCable())
	}
	t.Logf("from the cut until the router's kernel forgets the route: %s", distribution(times))
}

// distribution shows how times are spread.
func distribution(times []time.Duration) string {
	slices.Sort(times)
	at := func(percent int) time.Duration { return times[(len(times)-1)*percent/100].Round(time.Millisecond) }
	return fmt.Sprintf("min %s, median %s, p90 %s, max %s (%d times)", at(0), at(50), at(90), at(100), len(times))
}
