package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/e2e/network"
)

// pod runs one Pod. Its run goroutine owns the course of events; the fields below mu are facts that others look at.
type pod struct {
	kubelet *Kubelet
	dir     string
	tokens  map[string]token // by path in the volume; used by the volumes' writer only

	changed  chan struct{} // a fact has changed that the status may show; holds one
	stopping chan struct{} // closed when the Pod is to be deleted
	vanished chan struct{} // closed when its object is gone

	mu         sync.Mutex
	latest     *corev1.Pod
	attachment *network.Pod // nil before it is made, and for Pods on the host's network
	trouble    string       // why the Pod cannot start, in words; "" if nothing is wrong
	prepared   bool         // network and volumes are there
	holds      int          // while above zero, no container starts
	released   chan struct{}

	init, main []*container
}

func newPod(k *Kubelet, object *corev1.Pod) *pod {
	p := &pod{
		kubelet:  k,
		dir:      filepath.Join(k.options.Dir, "pods", string(object.UID)),
		changed:  make(chan struct{}, 1),
		stopping: make(chan struct{}),
		vanished: make(chan struct{}),
	}
	for i := range object.Spec.InitContainers {
		p.init = append(p.init, newContainer(p, &object.Spec.InitContainers[i]))
	}
	for i := range object.Spec.Containers {
		p.main = append(p.main, newContainer(p, &object.Spec.Containers[i]))
	}
	p.update(object)
	return p
}

// update takes in a new version of the object.
func (p *pod) update(object *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = object
	if object.DeletionTimestamp != nil {
		closeOnce(p.stopping)
	}
	// Another may have written to the status, as the node controller does to that of Pods whose node it has lost.
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// vanish notes that there is no object any more.
func (p *pod) vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	closeOnce(p.vanished)
}

// closeOnce closes a channel that nobody else closes at the same time.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// run takes the Pod through its life. When ctx ends, every process is killed and nobody is told.
func (p *pod) run(ctx context.Context) {
	ctx, cancel := endWith(ctx, p.vanished)
	defer cancel()
	defer p.cleanUp()

	published := p.object().Status
	publishing, stop := context.WithCancel(ctx)
	var publisher sync.WaitGroup
	publisher.Go(func() { p.publish(publishing, &published) })
	p.live(ctx)
	stop()
	publisher.Wait()
	p.conclude(ctx, &published)
}

// endWith returns a context that also ends when the channel is closed.
func endWith(parent context.Context, end <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-end:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// live starts the containers in order and returns when the last one has ended for good.
func (p *pod) live(ctx context.Context) {
	starting, cancel := endWith(ctx, p.stopping)
	defer cancel()
	if !p.prepare(starting) {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	refreshing, stop := context.WithCancel(ctx)
	defer stop()
	group.Go(func() { p.refreshVolumes(refreshing) })

	var running sync.WaitGroup
	defer running.Wait()
	for _, c := range p.init {
		if c.sidecar() {
			running.Go(func() { c.keep(ctx) })
			continue
		}
		if !c.keep(ctx) {
			return
		}
	}
	for _, c := range p.main {
		running.Go(func() { c.keep(ctx) })
	}
	running.Wait()
}

// prepare makes the Pod's network and volumes, trying until that succeeds or ctx ends.
func (p *pod) prepare(ctx context.Context) bool {
	// The first attempts of a new Pod are often refused: the API server takes a moment to learn which Secrets and tokens the node
	// may now ask for. Only what lasts is worth an Event.
	const patience, longest = time.Second, 2 * time.Second
	begin := time.Now()
	for backoff := 50 * time.Millisecond; ; backoff = min(2*backoff, longest) {
		err := os.MkdirAll(p.dir, 0o755)
		if err == nil {
			err = p.connect()
		}
		if err == nil {
			err = p.writeVolumes(ctx)
		}
		if err == nil {
			p.note(func() { p.trouble, p.prepared = "", true })
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if time.Since(begin) > patience {
			p.note(func() { p.trouble = err.Error() })
			p.warn("FailedMount", err)
		}
		if !pause(ctx, backoff) {
			return false
		}
	}
}

// connect makes the Pod's network namespace, unless it has one or uses its host's.
func (p *pod) connect() error {
	object := p.object()
	if object.Spec.HostNetwork || p.attached() != nil {
		return nil
	}
	attachment, err := p.kubelet.network.Attach(object.Namespace + "." + object.Name)
	if err != nil {
		return err
	}
	p.note(func() { p.attachment = attachment })
	return nil
}

// publish keeps the status at the API server up to date until ctx ends. published is what it last wrote.
func (p *pod) publish(ctx context.Context, published *corev1.PodStatus) {
	for {
		err := p.publishOnce(ctx, published)
		if apierrors.IsNotFound(err) {
			return
		}
		if err != nil {
			p.complain(err)
			if !pause(ctx, time.Second) {
				return
			}
			continue
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			return
		}
	}
}

func (p *pod) publishOnce(ctx context.Context, published *corev1.PodStatus) error {
	next := podStatus(p.object(), *published, p.facts())
	object := p.object()
	if equality.Semantic.DeepEqual(next, *published) && !contradicts(object.Status, next) {
		return nil
	}
	patch, err := statusPatch(object.UID, &next)
	if err != nil {
		return err
	}
	pods := p.kubelet.client.CoreV1().Pods(object.Namespace)
	if _, err := pods.Patch(ctx, object.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	*published = next
	return nil
}

// statusPatch returns the strategic merge patch that makes a status the Pod's. Conditions that others own are merged, not replaced, but
// of addresses none may stay: merged with those of a node's earlier life they would be two of a family, which the API server refuses.
// The UID keeps a later Pod of the same name out of this.
func statusPatch(uid types.UID, status *corev1.PodStatus) ([]byte, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to encode a status: %w", err)
	}
	for _, list := range []string{"hostIPs", "podIPs"} {
		addresses, _ := fields[list].([]any)
		fields[list] = append([]any{map[string]any{"$patch": "replace"}}, addresses...)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": fields})
	if err != nil {
		return nil, fmt.Errorf("kubelet: failed to encode a status: %w", err)
	}
	return patch, nil
}

// complain says why a status could not be written, unless the API server is away: what it refuses, it will refuse again, and a Pod
// whose status cannot be written is never gone.
func (p *pod) complain(err error) {
	if apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
		return
	}
	p.kubelet.log.Warn("failed to write the status of a pod", "pod", p.key(), "error", err)
	p.warn("FailedStatus", err)
}

// contradicts reports whether a status at the API server denies a condition that the kubelet owns.
func contradicts(at, own corev1.PodStatus) bool {
	for _, condition := range own.Conditions {
		for _, other := range at.Conditions {
			if other.Type == condition.Type && other.Status != condition.Status {
				return true
			}
		}
	}
	return false
}

// conclude writes the last status and, once the Pod is to be deleted, removes the object. It tries until ctx ends.
func (p *pod) conclude(ctx context.Context, published *corev1.PodStatus) {
	for {
		err := p.publishOnce(ctx, published)
		if err == nil || apierrors.IsNotFound(err) {
			break
		}
		p.complain(err)
		if !pause(ctx, time.Second) {
			return
		}
	}
	select {
	case <-p.stopping:
	case <-ctx.Done():
		return
	}
	object := p.object()
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64(0)), Preconditions: &metav1.Preconditions{UID: &object.UID}}
	for {
		err := p.kubelet.client.CoreV1().Pods(object.Namespace).Delete(ctx, object.Name, now)
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) || !pause(ctx, time.Second) {
			return
		}
	}
}

// cleanUp lets go of what the Pod used on the node.
func (p *pod) cleanUp() {
	if attachment := p.attached(); attachment != nil {
		p.kubelet.network.Detach(attachment)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		p.kubelet.log.Warn("failed to remove a pod's files", "pod", p.key(), "error", err)
	}
}

// note changes facts and tells the publisher.
func (p *pod) note(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// warn records an Event on the Pod.
func (p *pod) warn(reason string, err error) {
	p.kubelet.events.Event(p.object(), corev1.EventTypeWarning, reason, err.Error())
}

func (p *pod) object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest
}

func (p *pod) attached() *network.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.attachment
}

// addresses returns the Pod's addresses, IPv4 first; none before it has a network.
func (p *pod) addresses() []netip.Addr {
	host := p.kubelet.options.Host
	if p.object().Spec.HostNetwork {
		return []netip.Addr{host.Address(false), host.Address(true)}
	}
	if attachment := p.attached(); attachment != nil {
		return attachment.Addresses
	}
	return nil
}

// namespace returns the path of the Pod's network namespace.
func (p *pod) namespace() string {
	if attachment := p.attached(); attachment != nil {
		return attachment.Path()
	}
	return p.kubelet.options.Host.Path()
}

func (p *pod) hostname() string {
	object := p.object()
	switch {
	case object.Spec.HostNetwork:
		return p.kubelet.name
	case object.Spec.Hostname != "":
		return object.Spec.Hostname
	default:
		return object.Name
	}
}

// grace is how long a container may take to end after SIGTERM.
func (p *pod) grace() time.Duration {
	object := p.object()
	return time.Duration(first(object.DeletionGracePeriodSeconds, object.Spec.TerminationGracePeriodSeconds, new(int64(30)))) * time.Second
}

// hold keeps containers from starting until the returned function is called.
func (p *pod) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds == 0 {
		p.released = make(chan struct{})
	}
	p.holds++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.holds--; p.holds == 0 {
			close(p.released)
		}
	})
}

// free returns a channel that is closed when containers may start.
func (p *pod) free() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holds > 0 {
		return p.released
	}
	open := make(chan struct{})
	close(open)
	return open
}
