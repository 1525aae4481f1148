package kubelet

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/cache"
)

// watchPods follows the Pods bound to this node and keeps a worker for each.
func (k *Kubelet) watchPods(ctx context.Context) {
	mine := fields.OneTermEqualSelector("spec.nodeName", k.name)
	source := cache.NewListWatchFromClient(k.client.CoreV1().RESTClient(), "pods", corev1.NamespaceAll, mine)
	workers := podWorkers{sync: func(object *corev1.Pod) { k.sync(ctx, object) }, forget: k.forget, known: k.known}
	cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, k.client), &corev1.Pod{}, workers, cache.ReflectorOptions{
		// By default a watch is tried again ever more rarely while the API server is away, and comes back up to a minute after
		// it. With that much patience a test's Pods would not even be deleted.
		Backoff: &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 5, Jitter: 0.5, Cap: 2 * time.Second},
	}).RunWithContext(ctx)
}

// podWorkers passes what the API server says on to the workers of Pods, which are all the memory there is.
type podWorkers struct {
	sync   func(*corev1.Pod)
	forget func(types.UID)
	known  func() []types.UID
}

func (w podWorkers) Add(object any) error    { return w.Update(object) }
func (w podWorkers) Resync() error           { return nil }
func (w podWorkers) Delete(object any) error { w.forget(object.(*corev1.Pod).UID); return nil }

func (w podWorkers) Update(object any) error { w.sync(object.(*corev1.Pod)); return nil }

// Replace is called with all Pods there are, at first and whenever a watch has been lost.
func (w podWorkers) Replace(objects []any, _ string) error {
	there := map[types.UID]bool{}
	for _, object := range objects {
		there[object.(*corev1.Pod).UID] = true
		w.sync(object.(*corev1.Pod))
	}
	for _, uid := range w.known() {
		if !there[uid] {
			w.forget(uid)
		}
	}
	return nil
}
