package speaker

import (
	"context"

	"github.com/clarion-lb/clarion/layer2"
)

// Layer2 is what the speaker asks of the engine that answers ARP and NDP;
// [layer2.Engine] is the one.
type Layer2 interface {
	// Set hands over the complete desired state. It does not block, keeps what
	// it is given, and takes an identical one for no change.
	Set(layer2.Config)
	// Run works until ctx ends, withdraws everything and returns; nil after a
	// cancelled ctx. It is called once.
	Run(ctx context.Context) error
}
