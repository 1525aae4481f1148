package pitfalls

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// Facts are what findings follow from.
type Facts struct {
	Local announce.Local
	// ARPIgnore is net.ipv4.conf.arp_ignore as it holds on each interface that can
	// answer; one that is missing is not known.
	ARPIgnore map[string]int
	// Announced reports whether some node announces an address at layer 2.
	Announced func(netip.Addr) bool
}

// place is an announced address that this node's kernel has, too.
type place struct {
	addr netip.Addr
	link string
}

// Find returns what defeats announcements on this node. Each says what to do. Of
// several addresses only the first is named, so that it stays the same while
// Services come and go.
func Find(f Facts) []config.Problem {
	var places []place
	for _, l := range f.Local.Links {
		for _, p := range l.Prefixes {
			if f.Announced(p.Addr()) {
				places = append(places, place{p.Addr(), l.Name})
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int { return a.addr.Compare(b.addr) })

	var out []config.Problem
	for _, on := range announce.Usable(f.Local) {
		ignore, known := f.ARPIgnore[on.Name]
		setting := config.Problem{
			Kind: "Interface", Name: on.Name,
			Field: "net.ipv4.conf." + on.Name + ".arp_ignore", Value: strconv.Itoa(ignore),
		}
		if known && ignore == noAnswers {
			setting.Reason = "the kernel answers ARP for none of this node's own addresses, so that other nodes take it for dead: set it to 0, 1 or 2"
			out = append(out, setting)
		}
		if elsewhere := having(places, func(p place) bool { return p.link != on.Name && p.addr.Is4() }); len(elsewhere) > 0 &&
			known && answersForOthers(ignore) {
			setting.Reason = fmt.Sprintf("the kernel answers ARP for %s, whichever node owns it, because it is an address of %s: "+
				"set net.ipv4.conf.all.arp_ignore=1, or ipvs.strictARP: true for kube-proxy", first(elsewhere), elsewhere[0].link)
			out = append(out, setting)
		}
		if here := having(places, func(p place) bool { return p.link == on.Name && (p.addr.Is6() || ignore != noAnswers) }); len(here) > 0 {
			out = append(out, config.Problem{Kind: "Interface", Name: on.Name, Reason: fmt.Sprintf(
				"the kernel answers for %s, whichever node owns it, because it is an address of the interface itself: take it off", first(here))})
		}
	}
	return out
}

// having returns the places for which a condition holds.
func having(places []place, condition func(place) bool) []place {
	var out []place
	for _, p := range places {
		if condition(p) {
			out = append(out, p)
		}
	}
	return out
}

// first names the first of some places, and says whether there are others.
func first(places []place) string {
	if len(places) > 1 {
		return places[0].addr.String() + " and others"
	}
	return places[0].addr.String()
}

// noAnswers is the arp_ignore with which the kernel answers nobody.
const noAnswers = 8

// answersForOthers reports whether, with that arp_ignore, the kernel answers on
// one interface for an address of another. 3 only spares addresses of scope host,
// and what is not defined counts as 0. For IPv6 the kernel never does so.
func answersForOthers(ignore int) bool { return ignore != 1 && ignore != 2 && ignore != noAnswers }
