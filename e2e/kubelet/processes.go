package kubelet

import (
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Process is a container that runs on the node.
type Process struct {
	Pod       types.NamespacedName
	Container string
	ID        string // as in the Pod's status, once that is up to date
	PID       int
	signal    func(os.Signal) error
}

// Signal sends the container's first process a signal. SIGKILL ends the container; it is restarted as its Pod asks.
func (p Process) Signal(signal os.Signal) error { return p.signal(signal) }

// Processes returns the running containers of the Pods that the selector matches.
func (k *Kubelet) Processes(selector labels.Selector) []Process {
	var all []Process
	for _, p := range k.selected(selector) {
		p.mu.Lock()
		for _, c := range slices.Concat(p.init, p.main) {
			if c.process != nil {
				all = append(all, Process{
					Pod:       types.NamespacedName{Namespace: p.latest.Namespace, Name: p.latest.Name},
					Container: c.spec.Name, ID: c.id, PID: c.process.PID(), signal: c.process.Signal,
				})
			}
		}
		p.mu.Unlock()
	}
	return all
}

// Hold keeps the containers of the Pods that the selector matches from starting, until release is called. Those that run go on.
func (k *Kubelet) Hold(selector labels.Selector) (release func()) {
	var releases []func()
	for _, p := range k.selected(selector) {
		releases = append(releases, p.hold())
	}
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

func (k *Kubelet) selected(selector labels.Selector) []*pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	var matching []*pod
	for _, p := range k.pods {
		if selector.Matches(labels.Set(p.object().Labels)) {
			matching = append(matching, p)
		}
	}
	return matching
}
