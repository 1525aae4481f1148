package announce

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/bgp"
)

// routes keep who asks for which destination, and what each peer is told of
// it. A destination is worked out again only when who asks for it has changed.
type routes struct {
	sets attributeSets
	// wanted are the offers that ask for a destination, in the order they merge
	// in; a destination stays as long as anybody asks.
	wanted map[netip.Prefix][]want
	dirty  map[netip.Prefix]struct{}
	// told is by position in routing.peers.
	told []bgp.Routes
	// unions are what several offers together say, by their numbers.
	unions map[string]*bgp.Attributes
}

// want is an offer, and how many addresses it is made for.
type want struct {
	offer *offer
	times int
}

func newRoutes() routes {
	return routes{wanted: map[netip.Prefix][]want{}, dirty: map[netip.Prefix]struct{}{}}
}

// restart forgets who asked for what, and whom for: every request has to be
// made again. What peers have been told is kept, so that they are told only
// what then differs.
func (t *routes) restart(before, now []peer) {
	for p := range t.wanted {
		t.dirty[p] = struct{}{}
	}
	t.wanted = make(map[netip.Prefix][]want, len(t.wanted))
	t.unions = map[string]*bgp.Attributes{}

	told := make([]bgp.Routes, len(now))
	for i := range now {
		at := slices.IndexFunc(before, func(p peer) bool { return p.Name == now[i].Name })
		if at >= 0 {
			told[i] = t.told[at]
		}
	}
	t.told = told
}

func (t *routes) add(requests []request) {
	for _, q := range requests {
		wants := t.wanted[q.prefix]
		i, found := findWant(wants, q.offer)
		if !found {
			wants = slices.Insert(wants, i, want{offer: q.offer})
			t.wanted[q.prefix] = wants
			t.dirty[q.prefix] = struct{}{}
		}
		wants[i].times++
	}
}

func (t *routes) remove(requests []request) {
	for _, q := range requests {
		wants := t.wanted[q.prefix]
		i, _ := findWant(wants, q.offer)
		if wants[i].times--; wants[i].times > 0 {
			continue
		}
		t.dirty[q.prefix] = struct{}{}
		if wants = slices.Delete(wants, i, i+1); len(wants) == 0 {
			delete(t.wanted, q.prefix)
		} else {
			t.wanted[q.prefix] = wants
		}
	}
}

func findWant(wants []want, o *offer) (int, bool) {
	return slices.BinarySearchFunc(wants, o, func(w want, o *offer) int { return w.offer.number - o.number })
}

// revise brings what the peers are told up to date, in one edit for each.
func (t *routes) revise(r *routing) {
	if len(t.dirty) == 0 {
		return
	}
	var set []bgp.Route
	var remove []netip.Prefix
	for i := range t.told {
		set, remove = set[:0], remove[:0]
		for p := range t.dirty {
			if a, ok := t.attributes(r, i, p); ok {
				set = append(set, bgp.Route{Prefix: p, Attributes: a})
			} else {
				remove = append(remove, p)
			}
		}
		t.told[i] = t.told[i].Edit(set, remove)
	}
	t.dirty = map[netip.Prefix]struct{}{}
}

// attributes returns what a peer is told of a destination, and whether it is
// told of it at all.
func (t *routes) attributes(r *routing, peer int, p netip.Prefix) (*bgp.Attributes, bool) {
	if !r.carries(peer, p.Addr()) {
		return nil, false
	}
	var few [8]*offer
	offers := few[:0]
	for _, w := range t.wanted[p] {
		if w.offer.to[peer] {
			offers = append(offers, w.offer)
		}
	}
	switch len(offers) {
	case 0:
		return nil, false
	case 1:
		return offers[0].attributes, true
	}
	var text [8 * 4]byte
	key := text[:0]
	for _, o := range offers {
		key = binary.BigEndian.AppendUint32(key, uint32(o.number))
	}
	u, known := t.unions[string(key)]
	if !known {
		u = t.sets.shared(union(offers))
		t.unions[string(key)] = u
	}
	return u, true
}
