package bgp

import (
	"net/netip"
	"slices"
)

// Changes is what to say to turn one set of routes into another.
type Changes struct {
	Announce []Route
	Withdraw []netip.Prefix
}

// Diff returns the changes from current to desired, sorted by prefix. It costs
// about as much as there is different between two sets of which one was edited
// into the other.
func Diff(current, desired Routes) Changes {
	var c Changes
	if current.table == desired.table {
		return c
	}
	for i := range buckets {
		if !current.shares(desired, i) {
			c.add(current.bucket(i), desired.bucket(i))
		}
	}
	slices.SortFunc(c.Announce, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	slices.SortFunc(c.Withdraw, netip.Prefix.Compare)
	return c
}

// add appends the changes between two buckets, walking both in step.
func (c *Changes) add(current, desired bucket) {
	for len(current) > 0 || len(desired) > 0 {
		switch order := compareFirst(current, desired); {
		case order < 0:
			c.Withdraw = append(c.Withdraw, current[0].Prefix)
			current = current[1:]
		case order > 0:
			c.Announce = append(c.Announce, desired[0])
			desired = desired[1:]
		default:
			if !current[0].Equal(desired[0]) {
				c.Announce = append(c.Announce, desired[0])
			}
			current, desired = current[1:], desired[1:]
		}
	}
}

// compareFirst says which bucket has the smaller prefix in front; one that has
// come to its end has the greatest.
func compareFirst(a, b bucket) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return a[0].Prefix.Compare(b[0].Prefix)
}
