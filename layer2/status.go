package layer2

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Status is what an Engine does at one instant. It is a copy: reading it takes
// no lock that the engine could wait for.
type Status struct {
	// Interfaces has one entry per Config.Interfaces, sorted by Name.
	Interfaces []InterfaceStatus
	// Addresses has one entry per address owned, sorted by Addr.
	Addresses []AddressStatus
	// Watched has those of Config.Watched that a stranger has, sorted by Addr.
	Watched []WatchedStatus
}

// WatchedStatus is an address that should be free and is not.
type WatchedStatus struct {
	Addr     netip.Addr
	Conflict Conflict
}

// InterfaceStatus says what is spoken on one link.
type InterfaceStatus struct {
	Name     string
	ARP, NDP PortStatus
}

// PortStatus is the state of one protocol on one link. Its zero value is a
// protocol that the Config does not ask for.
type PortStatus struct {
	// Open reports whether requests are heard and answered.
	Open bool
	// Error says why not, or what is missing although the port is open, such as
	// a multicast group that could not be joined. It is empty when all is well.
	// The engine keeps trying.
	Error string
}

// AddressStatus is the state of one address owned. Counters start at zero when
// the address becomes owned and cover all links.
type AddressStatus struct {
	Addr netip.Addr
	// Interfaces are the links on which the address is answered now: those of its
	// Announcement whose port is open, sorted.
	Interfaces []string
	// Since is when the address became owned.
	Since time.Time
	// Requests counts the requests received that deserve an answer
	// (metallb_layer2_requests_received).
	Requests uint64
	// Responses counts the answers sent (metallb_layer2_responses_sent). It stays
	// behind Requests only by answers that the kernel refused to send.
	Responses uint64
	// Gratuitous counts the unasked frames sent: two for each ARP announcement on
	// a link, one for NDP and for a refresh (metallb_layer2_gratuitous_sent).
	Gratuitous uint64
	// Proving is set while the address is not answered yet, because it is new and
	// the segment is being asked whether it is free.
	Proving bool
	// Conceded is set while the address is not answered, because a speaker that
	// ranks before this node still does.
	Conceded bool
	// Occupied is set while the address is not answered, because a stranger had it
	// when it was about to be announced for the first time.
	Occupied bool
	// Conflict is the last stranger that claimed the address; nil for none.
	Conflict *Conflict
}

// Conflict is a host outside this cluster that claims an address of ours.
type Conflict struct {
	MAC       MAC
	Interface string
	// Since is when it was first heard, Last when it was last; Times is how often.
	Since, Last time.Time
	Times       uint64
}

// status returns the state of o, which stands like that, on those links.
func (o *owned) status(addr netip.Addr, s standing, conflict *Conflict, links []InterfaceStatus) AddressStatus {
	a := AddressStatus{
		Addr:       addr,
		Since:      o.since,
		Responses:  o.record.responses.Load(), // first, so that it never exceeds Requests
		Requests:   o.record.requests.Load(),
		Gratuitous: o.record.gratuitous.Load(),
		Proving:    s == proving,
		Conceded:   s == conceded,
		Occupied:   s == occupied,
		Conflict:   conflict,
	}
	for _, link := range o.interfaces {
		i, found := slices.BinarySearchFunc(links, link, compareName)
		if found && s == answering && links[i].port(protocolOf(addr)).Open {
			a.Interfaces = append(a.Interfaces, link)
		}
	}
	return a
}

func (s *InterfaceStatus) port(p Protocol) *PortStatus {
	if p == ARP {
		return &s.ARP
	}
	return &s.NDP
}

func compareName(s InterfaceStatus, name string) int { return strings.Compare(s.Name, name) }
