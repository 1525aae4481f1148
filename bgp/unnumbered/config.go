package unnumbered

import (
	"net/netip"
	"time"
)

// Link is one network interface with a router at its other end. It is
// comparable: a link that was deleted and made again has another Index.
type Link struct {
	Name  string
	Index int
	// MAC is told to the router so that it need not ask for it; zero if the link
	// has none.
	MAC [6]byte
	// LinkLocal is the interface's own address; the zero value as long as there
	// is none, and then the link is silent.
	LinkLocal netip.Addr
}

// Status is what an Engine does at one instant. It is a copy.
type Status struct {
	// Links has one entry per link, sorted by name.
	Links []LinkStatus
}

// LinkStatus is what is known of one link.
type LinkStatus struct {
	Name string
	// Router is its address, with the link's name as the zone; zero as long as
	// none has been heard.
	Router netip.Addr
	// Heard is when Router was last heard.
	Heard time.Time
	// Others are further routers heard lately, sorted. There should be none.
	Others []netip.Addr
	// Problem is why the link is silent; nil if it is not.
	Problem error
}
