package frames

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// ClaimsFor returns the frames that claim the address.
func ClaimsFor(records []Record, addr netip.Addr) []Record {
	var claims []Record
	for _, r := range records {
		if claimed, ok := r.Claim(); ok && claimed == addr {
			claims = append(claims, r)
		}
	}
	return claims
}

// Answers returns the claims for the address that somebody asked for.
func Answers(records []Record, addr netip.Addr) []Record {
	return slices.DeleteFunc(ClaimsFor(records, addr), Record.Gratuitous)
}

// Claimants returns the hosts that claimed the address, sorted.
func Claimants(records []Record, addr netip.Addr) []string {
	var ports []string
	for _, r := range ClaimsFor(records, addr) {
		ports = append(ports, r.Port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// Overlap is a time during which two hosts claimed the same address.
type Overlap struct {
	Addr     netip.Addr
	Ports    [2]string // sorted
	From, To time.Time // equal if the one's only claim in that time was a single frame
}

func (o Overlap) String() string {
	return fmt.Sprintf("%s claimed by %s and %s for %s from %s", o.Addr, o.Ports[0], o.Ports[1], o.To.Sub(o.From), o.From.Format("15:04:05.000000"))
}

// Overlaps returns every time during which two hosts claimed one address, by address and then by time. Claims say nothing about the
// time between them, so a host is taken to have claimed an address all the time from one claim to its next, if that is no more than
// gap later. A clean handover from one host to another is no overlap, nor is one back again after gap.
//
// To see overlaps, somebody must ask: see Ask.
func Overlaps(records []Record, gap time.Duration) []Overlap {
	byAddr := map[netip.Addr]map[string][]time.Time{}
	for _, r := range records {
		addr, ok := r.Claim()
		if !ok {
			continue
		}
		if byAddr[addr] == nil {
			byAddr[addr] = map[string][]time.Time{}
		}
		byAddr[addr][r.Port] = append(byAddr[addr][r.Port], r.At)
	}
	var overlaps []Overlap
	for addr, byPort := range byAddr {
		for one, oneTimes := range byPort {
			for other, otherTimes := range byPort {
				if one < other {
					overlaps = append(overlaps, common(addr, [2]string{one, other}, spans(oneTimes, gap), spans(otherTimes, gap))...)
				}
			}
		}
	}
	slices.SortFunc(overlaps, func(a, b Overlap) int {
		return cmp.Or(a.Addr.Compare(b.Addr), a.From.Compare(b.From), cmp.Compare(a.Ports[0], b.Ports[0]), cmp.Compare(a.Ports[1], b.Ports[1]))
	})
	return overlaps
}

type span struct{ from, to time.Time }

// spans joins times that are no more than gap apart.
func spans(times []time.Time, gap time.Duration) []span {
	slices.SortFunc(times, time.Time.Compare)
	var all []span
	for _, t := range times {
		if n := len(all); n > 0 && t.Sub(all[n-1].to) <= gap {
			all[n-1].to = t
			continue
		}
		all = append(all, span{t, t})
	}
	return all
}

// common returns the times that lie in a span of each.
func common(addr netip.Addr, ports [2]string, one, other []span) []Overlap {
	var overlaps []Overlap
	for _, a := range one {
		for _, b := range other {
			from, to := a.from, a.to
			if b.from.After(from) {
				from = b.from
			}
			if b.to.Before(to) {
				to = b.to
			}
			if !from.After(to) {
				overlaps = append(overlaps, Overlap{Addr: addr, Ports: ports, From: from, To: to})
			}
		}
	}
	return overlaps
}
