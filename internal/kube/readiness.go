package kube

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// readiness tells that a controller could take over at once: it has read what
// there is, whether or not it leads.
type readiness struct{ read atomic.Bool }

func (r *readiness) check(*http.Request) error {
	if !r.read.Load() {
		return errors.New("kube: not everything has been read yet")
	}
	return nil
}

func (r *readiness) watch(m manager.Manager) error {
	return m.Add(unelected{func(ctx context.Context) error {
		r.read.Store(m.GetCache().WaitForCacheSync(ctx))
		return nil
	}})
}

// unelected is what a controller does that does not lead as well.
type unelected struct{ manager.RunnableFunc }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (unelected) NeedLeaderElection() bool { return false }
