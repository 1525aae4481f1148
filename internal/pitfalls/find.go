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
		elsewhere := func(p place) bool { return p.link != on.Name && p.addr.Is4() }
		if i := slices.IndexFunc(places, elsewhere); i >= 0 && known && answersForOthers(ignore) {
			setting.Reason = fmt.Sprintf("the kernel answers ARP for %s%s, whichever node owns it, because it is an address of %s: "+
				"set net.ipv4.conf.all.arp_ignore=1, or ipvs.strictARP: true for kube-proxy", places[i].addr, more(places, elsewhere), places[i].link)
			out = append(out, setting)
		}
		here := func(p place) bool { return p.link == on.Name && (p.addr.Is6() || ignore != noAnswers) }
		if i := slices.IndexFunc(places, here); i >= 0 {
			out = append(out, config.Problem{Kind: "Interface", Name: on.Name, Reason: fmt.Sprintf(
				"the kernel answers for %s%s, whichever node owns it, because it is an address of the interface itself: take it off",
				places[i].addr, more(places, here))})
		}
	}
	return out
}

// more says whether there are others besides the first.
func more(places []place, which func(place) bool) string {
	first := slices.IndexFunc(places, which)
	if slices.ContainsFunc(places[first+1:], which) {
		return " and others"
	}
	return ""
}

// noAnswers is the arp_ignore with which the kernel answers nobody.
const noAnswers = 8

// answersForOthers reports whether, with that arp_ignore, the kernel answers on
// one interface for an address of another. 3 only spares addresses of scope host,
// and what is not defined counts as 0. For IPv6 the kernel never does so.
func answersForOthers(ignore int) bool { return ignore != 1 && ignore != 2 && ignore != noAnswers }
