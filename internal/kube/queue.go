package kube

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// quiet makes the queue of a reconciler that only tells of what was done. Queues
// with a name have metrics, and wake the process up twice a second to see whether
// any work in them is late: on every node, a third of what an idle speaker costs.
// What waits here, the queues of services and configuration have let through.
func quiet() controller.Options {
	return controller.Options{
		NewQueue: func(_ string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
			return priorityqueue.New("", func(o *priorityqueue.Opts[reconcile.Request]) { o.RateLimiter = limiter })
		},
	}
}

// queue lets what happens inside the process wake a reconciler, as a watch
// does for what happens in the cluster. Use its connect as a source.Func.
// What is added before there is a connection waits for it.
type queue struct {
	mu      sync.Mutex
	to      workqueue.TypedRateLimitingInterface[reconcile.Request]
	waiting map[types.NamespacedName]time.Duration
}

func (q *queue) connect(_ context.Context, to workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.to = to
	for name, delay := range q.waiting {
		to.AddAfter(reconcile.Request{NamespacedName: name}, delay)
	}
	q.waiting = nil
	return nil
}

// add asks for a reconciliation after a delay. Asking again meanwhile changes
// nothing unless the new delay ends earlier.
func (q *queue) add(name types.NamespacedName, delay time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.to == nil {
		if q.waiting == nil {
			q.waiting = map[types.NamespacedName]time.Duration{}
		}
		q.waiting[name] = delay
		return
	}
	q.to.AddAfter(reconcile.Request{NamespacedName: name}, delay)
}
