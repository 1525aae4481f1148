package main

import (
	"maps"
	"slices"
	"time"

	"github.com/clarion-lb/clarion/speaker/announce"
)

// returned remembers which links this node has lost and has again. A bad cable
// comes back every few seconds, and would take addresses along each time: a link
// that was lost is recovering until it has been there for the fail-back delay, as
// a node is that was down. The zero value remembers nothing.
type returned struct {
	links map[string]linkPast
}

// linkPast is what was of one link.
type linkPast struct {
	away time.Time // since when it is not there; zero if it is
	back time.Time // since when it is again; zero if it never was away
}

// follow compares the links with those of the last call and marks those that are
// recovering. It returns when to call it again, for a mark to go; 0: when a link
// changes.
func (r *returned) follow(links []announce.MemberLink, now time.Time, delay time.Duration) ([]announce.MemberLink, time.Duration) {
	if r.links == nil {
		r.links = map[string]linkPast{}
	}
	out, next := slices.Clone(links), time.Duration(0)
	here := map[string]bool{}
	for i := range out {
		l := &out[i]
		here[l.Name] = true
		p := r.links[l.Name]
		if !p.away.IsZero() {
			p.away, p.back = time.Time{}, now
		}
		r.links[l.Name] = p
		if left := delay - now.Sub(p.back); !p.back.IsZero() && left > 0 {
			l.Recovering = true
			if next == 0 || left < next {
				next = left
			}
		}
	}
	maps.DeleteFunc(r.links, func(name string, p linkPast) bool {
		return !here[name] && !p.away.IsZero() && now.Sub(p.away) >= departedFor
	})
	for name, p := range r.links {
		if !here[name] && p.away.IsZero() {
			p.away = now
			r.links[name] = p
		}
	}
	return out, next
}
