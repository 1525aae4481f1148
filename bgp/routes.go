package bgp

import (
	"iter"
	"net/netip"
)

// Routes is an immutable set of routes, one for each destination. The zero
// value is empty. Copies share what they have in common, so keeping and
// comparing many similar sets is cheap: an edit costs about as much as it
// changes.
type Routes struct {
	table *table // nil: empty
	count int
}

// Len returns the number of routes.
func (r Routes) Len() int { return r.count }

// Get returns the route to a destination.
func (r Routes) Get(p netip.Prefix) (Route, bool) { panic("todo") }

// All goes through the routes, in no particular order but the same each time.
func (r Routes) All() iter.Seq[Route] { panic("todo") }

// Edit returns the set with some routes set and those to some destinations
// removed.
func (r Routes) Edit(set []Route, remove []netip.Prefix) Routes { panic("todo") }

// Changes is what to say to turn one set of routes into another.
type Changes struct {
	Announce []Route
	Withdraw []netip.Prefix
}

// Diff returns the changes from current to desired, sorted by prefix. It costs
// about as much as there is different between two sets of which one was edited
// into the other.
func Diff(current, desired Routes) Changes { panic("todo") }

type table struct{}
