package link

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// message is one rtnetlink message without its header.
type message struct {
	kind uint16 // unix.RTM_NEWLINK and its kin
	body []byte
}

// table holds the facts by interface index. A message costs what it touches,
// on a node with a thousand pods as on one with none.
type table struct {
	entries map[int]*entry
	// sorted is what links last returned; it is never modified.
	sorted []Link
	// dirty are the interfaces that sorted is no longer right about.
	dirty map[int]bool
}

// newTable returns a table that knows nothing.
func newTable() *table {
	return &table{entries: make(map[int]*entry), dirty: make(map[int]bool)}
}

// entry is one interface. Addresses may arrive before the link they are on,
// while a listing and the events that overtook it are merged.
type entry struct {
	dev   device
	addrs []address
}

// apply takes in one message and reports whether it altered a fact.
func (t *table) apply(m message) (changed bool, err error) {
	var index int
	switch m.kind {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		index, changed, err = t.applyDevice(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		index, changed, err = t.applyAddress(m)
	}
	if changed {
		t.dirty[index] = true
	}

	return changed, err
}

func (t *table) applyDevice(m message) (index int, changed bool, err error) {
	d, err := parseDevice(m.body)
	switch {
	case err != nil:
		return 0, false, fmt.Errorf("failed to read a link message: %w", err)
	case d.partial:
		return d.Index, false, nil
	case m.kind == unix.RTM_DELLINK:
		_, changed = t.entries[d.Index]
		delete(t.entries, d.Index)

		return d.Index, changed, nil
	}

	e := t.entry(d.Index)
	changed = e.dev.master != d.master || !e.dev.sameDevice(d.Link)
	e.dev = d

	return d.Index, changed, nil
}

func (t *table) applyAddress(m message) (index int, changed bool, err error) {
	index, a, err := parseAddress(m.body)
	if err != nil {
		return 0, false, fmt.Errorf("failed to read an address message: %w", err)
	}

	e := t.entry(index)
	i := slices.IndexFunc(e.addrs, a.same)
	before := i >= 0 && e.addrs[i].usable
	if i >= 0 {
		e.addrs = slices.Delete(e.addrs, i, i+1)
	}
	if m.kind == unix.RTM_DELADDR {
		return index, before, nil
	}
	e.addrs = append(e.addrs, a)

	return index, before != a.usable, nil
}

func (t *table) entry(index int) *entry {
	e, known := t.entries[index]
	if !known {
		e = &entry{}
		t.entries[index] = e
	}

	return e
}

// links returns every link, sorted by name. The slice is not modified later.
func (t *table) links() []Link {
	for index, e := range t.entries {
		if t.dirty[e.dev.master] { // the master may have a new name
			t.dirty[index] = true
		}
	}
	if len(t.dirty) == 0 {
		return t.sorted
	}

	var fresh []Link
	for index := range t.dirty {
		if e, known := t.entries[index]; known && e.dev.Index != 0 { // not only addresses so far
			fresh = append(fresh, t.link(e))
		}
	}
	slices.SortFunc(fresh, byName)

	all := make([]Link, 0, len(t.entries))
	for _, l := range t.sorted {
		if t.dirty[l.Index] {
			continue
		}
		for len(fresh) > 0 && byName(fresh[0], l) < 0 {
			all, fresh = append(all, fresh[0]), fresh[1:]
		}
		all = append(all, l)
	}
	t.sorted = append(all, fresh...)
	clear(t.dirty)

	return t.sorted
}

func (t *table) link(e *entry) Link {
	l := e.dev.Link
	l.Master = t.masterName(e.dev.master)

	for _, a := range e.addrs {
		if a.usable {
			l.Addrs = append(l.Addrs, a.prefix)
		}
	}
	slices.SortFunc(l.Addrs, netip.Prefix.Compare)
	l.Addrs = slices.Compact(l.Addrs)

	for _, p := range l.Addrs {
		a := p.Addr()
		if a.Is6() && a.IsLinkLocalUnicast() && (!l.LinkLocal.IsValid() || a.Less(l.LinkLocal)) {
			l.LinkLocal = a
		}
	}

	return l
}

// masterName never returns the empty string for a master that exists: that
// would claim there is none.
func (t *table) masterName(index int) string {
	if index == 0 {
		return ""
	}
	if m, known := t.entries[index]; known && m.dev.Name != "" {
		return m.dev.Name
	}

	return "#" + strconv.Itoa(index)
}
