package speaker

import (
	"context"
	"net/netip"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// The engines have in common: Set hands over the complete desired state; it
// does not block, keeps what it is given, and takes an identical one for no
// change. Run works until ctx ends, withdraws everything and returns; nil after
// a cancelled ctx. It is called once.

// Layer2 is what the speaker asks of the engine that answers ARP and NDP;
// [layer2.Engine] is the one.
type Layer2 interface {
	Set(layer2.Config)
	Run(ctx context.Context) error
}

// BGP is what the speaker asks of the engine that tells routers of addresses;
// [bgp.Engine] is the one.
type BGP interface {
	Set(bgp.Config)
	// PathDown says that the path to a peer is broken.
	PathDown(peer string)
	// Run ends as the cause of its context asks: with [bgp.ErrRestart] routers that
	// can are left to keep the routes, otherwise all are withdrawn.
	Run(ctx context.Context) error
}

// BFD is what the speaker asks of the engine that watches the paths to routers;
// [bfd.Engine] is the one.
type BFD interface {
	Set(bfd.Config)
	Status() bfd.Status
	// Changed receives after Status has changed. The speaker is its one receiver.
	Changed() <-chan struct{}
	Run(ctx context.Context) error
}

// Unnumbered is what the speaker asks of the engine that finds the routers on
// links without addresses.
type Unnumbered interface {
	// Set hands over the links to look at, sorted by name.
	Set(links []announce.Link)
	// Routers are those found, by the name of the link: link-local addresses with
	// their zone.
	Routers() map[string]netip.Addr
	// Changed receives after Routers have changed. The speaker is its one receiver.
	Changed() <-chan struct{}
	Run(ctx context.Context) error
}
