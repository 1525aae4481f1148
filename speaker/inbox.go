package speaker

import (
	"net/netip"
	"regexp"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// inbox collects facts until the loop takes them; of each fact the last one
// wins, so that a slow loop falls behind by one round and not by a queue.
type inbox struct {
	wake chan struct{} // holds one token while anything is waiting

	mu      sync.Mutex
	waiting *facts // nil: nothing
}

// facts are those that came in since the loop last looked.
type facts struct {
	snapshot *config.Snapshot // nil: unchanged
	members  *announce.Members
	links    *[]announce.Link
	exclude  *[]*regexp.Regexp
	silent   map[netip.Addr]silence // nil: unchanged
	// services holds the changed ones; a nil value is a deletion.
	services map[types.NamespacedName]*announce.Service
	synced   bool
}

func newInbox() *inbox {
	return &inbox{wake: make(chan struct{}, 1)}
}

// put lets change edit the waiting facts and wakes the loop.
func (b *inbox) put(change func(*facts)) {
	b.mu.Lock()
	if b.waiting == nil {
		b.waiting = &facts{}
	}
	change(b.waiting)
	b.mu.Unlock()

	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns all that is waiting and leaves the inbox empty; nil if it is
// already, because what woke the loop was taken the round before.
func (b *inbox) take() *facts {
	b.mu.Lock()
	defer b.mu.Unlock()

	out := b.waiting
	b.waiting = nil
	return out
}

// apply tells the plan what came in.
func (f *facts) apply(plan *announce.Plan) {
	if f.snapshot != nil {
		plan.SetSnapshot(f.snapshot)
	}
	if f.members != nil {
		plan.SetMembers(*f.members)
	}
	if f.links != nil {
		plan.SetLinks(*f.links)
	}
	if f.exclude != nil {
		plan.SetExclude(*f.exclude)
	}
	for name, svc := range f.services {
		if svc == nil {
			plan.DeleteService(name)
		} else {
			plan.SetService(svc)
		}
	}
}
