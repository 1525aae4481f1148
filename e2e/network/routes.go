package network

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is an entry of a host's main routing table.
type Route struct {
	Prefix netip.Prefix
	// Gateways are the next hops, sorted. Packets are shared out among them; none means that the destination is on the link, or that
	// packets to it are dropped.
	Gateways []netip.Addr
}

// Routes returns the main routing table of both families by prefix, without what the kernel itself put there.
func (n *Namespace) Routes() (map[netip.Prefix]Route, error) {
	found := map[netip.Prefix]Route{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		entries, err := n.links.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		if err != nil {
			return nil, fmt.Errorf("network: failed to read the routes of %s: %w", n.name, err)
		}
		for i := range entries {
			if entries[i].Protocol == unix.RTPROT_KERNEL {
				continue
			}
			route := routeOf(&entries[i], family)
			// The kernel lists each next hop of a multipath IPv6 route on its own if they were added one by one.
			route.Gateways = append(route.Gateways, found[route.Prefix].Gateways...)
			slices.SortFunc(route.Gateways, netip.Addr.Compare)
			route.Gateways = slices.Compact(route.Gateways) // a router that was restarted may have put one there twice
			found[route.Prefix] = route
		}
	}
	return found, nil
}

func routeOf(entry *netlink.Route, family int) Route {
	route := Route{Prefix: everywhere(family)}
	if entry.Dst != nil {
		if prefix, err := netip.ParsePrefix(entry.Dst.String()); err == nil {
			route.Prefix = prefix
		}
	}
	add := func(gateway []byte, via netlink.Destination) {
		if other, ok := via.(*netlink.Via); ok { // an IPv4 prefix through an IPv6 neighbour (RFC 8950)
			gateway = other.Addr
		}
		if addr, ok := netip.AddrFromSlice(gateway); ok {
			route.Gateways = append(route.Gateways, addr.Unmap())
		}
	}
	add(entry.Gw, entry.Via)
	for _, hop := range entry.MultiPath {
		add(hop.Gw, hop.Via)
	}
	slices.SortFunc(route.Gateways, netip.Addr.Compare)
	return route
}

func everywhere(family int) netip.Prefix {
	if family == netlink.FAMILY_V6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// RouteEvent is a change of a host's main routing table.
type RouteEvent struct {
	At      time.Time // when it was read; the kernel does not say when it happened
	Removed bool      // else added or replaced
	Route   Route
}

func (e RouteEvent) String() string {
	verb := "set"
	if e.Removed {
		verb = "removed"
	}
	return fmt.Sprintf("%s %s %s via %s", e.At.Format("15:04:05.000000"), e.Route.Prefix, verb, e.Route.Gateways)
}

// RouteWatch remembers every change of a host's main routing table, as `ip monitor route` would print them. The IPv4 routes that go
// with a link are not among them: the kernel drops those without a word.
type RouteWatch struct {
	done  chan struct{}
	group sync.WaitGroup

	mu     sync.Mutex
	events []RouteEvent
	failed error
}

// WatchRoutes watches until Stop.
func (n *Namespace) WatchRoutes() (*RouteWatch, error) {
	w := &RouteWatch{done: make(chan struct{})}
	updates := make(chan netlink.RouteUpdate, 1024)
	err := netlink.RouteSubscribeWithOptions(updates, w.done, netlink.RouteSubscribeOptions{
		Namespace:     &n.handle,
		ErrorCallback: w.fail,
		// As much as the kernel grants without force, which an ordinary user's sandbox may not use.
		ReceiveBufferSize: 16 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("network: failed to watch the routes of %s: %w", n.name, err)
	}
	w.group.Go(func() {
		for update := range updates {
			w.record(&update)
		}
	})
	return w, nil
}

func (w *RouteWatch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.done: // closing the socket fails its reader, as it should
	default:
		w.failed = fmt.Errorf("network: changes of routes were missed: %w", err)
	}
}

func (w *RouteWatch) record(update *netlink.RouteUpdate) {
	if update.Table != unix.RT_TABLE_MAIN {
		return
	}
	event := RouteEvent{At: time.Now(), Removed: update.Type == unix.RTM_DELROUTE, Route: routeOf(&update.Route, update.Family)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
}

// Events returns what has happened so far, oldest first. It fails if there was too much to keep up with.
func (w *RouteWatch) Events() ([]RouteEvent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.events), w.failed
}

// Removals returns the events that took a route to a destination within one of the prefixes away.
func (w *RouteWatch) Removals(within ...netip.Prefix) ([]RouteEvent, error) {
	events, err := w.Events()
	return slices.DeleteFunc(events, func(e RouteEvent) bool {
		return !e.Removed || !slices.ContainsFunc(within, func(p netip.Prefix) bool {
			return p.Bits() <= e.Route.Prefix.Bits() && p.Contains(e.Route.Prefix.Addr())
		})
	}), err
}

// Stop ends the watch.
func (w *RouteWatch) Stop() {
	w.mu.Lock()
	close(w.done)
	w.mu.Unlock()
	w.group.Wait()
}
