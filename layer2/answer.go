package layer2

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// station is one end of a conversation on the link.
type station struct {
	IP  netip.Addr
	MAC MAC
}

// question is an ARP request or a neighbour solicitation: who has Addr? An asker
// without address (0.0.0.0 or ::) is about to take Addr and asks whether it may:
// an ARP probe (RFC 5227, 2.1.1) or duplicate address detection (RFC 4862, 5.4).
type question struct {
	Addr  netip.Addr
	Asker station
}

// claim is an ARP reply or a neighbour advertisement: Addr is at MAC.
type claim struct {
	Addr   netip.Addr
	MAC    MAC
	To     station
	record *record // of Addr
}

// silence is why a frame is not answered; the zero value is no silence.
type silence string

const (
	malformed    silence = "malformed"
	notQuestion  silence = "not a question"
	notOwned     silence = "address not owned"
	otherLink    silence = "address not announced on this link"
	reflection   silence = "sent by this interface"
	announcement silence = "announcement of the address by its sender"
	standsBack   silence = "another speaker answers"
	unfit        silence = "this process may not answer now"
	badAsker     silence = "asker cannot be answered"
)

// table is what is owned, and where. It is immutable; records are not part of
// it.
type table map[netip.Addr]*owned

// owned is an address in a table.
type owned struct {
	interfaces []string // sorted
	before     []MAC    // sorted; see Announcement
	since      time.Time
	record     *record // lives on from table to table while the address is there
}

// record is what becomes of one address over time. The first three are counters;
// see AddressStatus.
type record struct {
	requests, responses, gratuitous atomic.Uint64

	standing atomic.Uint32 // a standing
	conflict atomic.Pointer[Conflict]
}

// answer is the whole rule by which anything is ever answered: q, heard on link,
// gets a claim or else a silence. The table comes first, so that a flood for
// foreign addresses costs one lookup each.
func answer(t table, link *Interface, q question) (claim, silence) {
	o := t[q.Addr]
	switch {
	case o == nil:
		return claim{}, notOwned
	case !slices.Contains(o.interfaces, link.Name):
		return claim{}, otherLink
	case q.Asker.MAC == link.MAC:
		return claim{}, reflection
	case q.Asker.IP == q.Addr:
		// RFC 5227, 2.3: said, not asked, by another speaker or a stranger.
		return claim{}, announcement
	case !q.Asker.MAC.isStation():
		return claim{}, badAsker
	case !o.standing().answers(q):
		return claim{}, standsBack
	}
	to := q.Asker
	if to.IP.Is6() && to.IP.IsUnspecified() {
		to = allNodes() // the asker has no address to be told at (RFC 4861, 7.2.4)
	}
	return claim{Addr: q.Addr, MAC: link.MAC, To: to, record: o.record}, ""
}
