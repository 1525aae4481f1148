package kubelet

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// facts are what has become of a Pod on its node.
type facts struct {
	hostIPs  []netip.Addr
	podIPs   []netip.Addr
	prepared bool
	trouble  string
	init     []corev1.ContainerStatus
	main     []corev1.ContainerStatus
	now      metav1.Time
}

// facts collects the facts as they are now.
func (p *pod) facts() facts {
	host := p.kubelet.options.Host
	f := facts{hostIPs: []netip.Addr{host.Address(false), host.Address(true)}, podIPs: p.addresses(), now: metav1.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	f.prepared, f.trouble = p.prepared, p.trouble
	for _, c := range p.init {
		status := c.status()
		// An init container that has done its work is ready, though it no longer runs.
		if ended := status.State.Terminated; ended != nil && ended.ExitCode == 0 {
			status.Ready = true
		}
		f.init = append(f.init, status)
	}
	for _, c := range p.main {
		f.main = append(f.main, c.status())
	}
	return f
}

// status describes the container. The caller holds pod.mu.
func (c *container) status() corev1.ContainerStatus {
	return corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, ImageID: c.spec.Image, State: c.state, LastTerminationState: c.last,
		RestartCount: int32(max(c.run, 0)), Ready: c.ready, Started: new(c.started), ContainerID: c.id,
	}
}

// podStatus works out the status of a Pod. before is the status last published: a condition that has not changed keeps its time.
func podStatus(object *corev1.Pod, before corev1.PodStatus, f facts) corev1.PodStatus {
	status := corev1.PodStatus{
		Phase:                 phase(object, f),
		Message:               f.trouble,
		StartTime:             before.StartTime,
		InitContainerStatuses: f.init,
		ContainerStatuses:     f.main,
		QOSClass:              object.Status.QOSClass,
	}
	if status.StartTime == nil {
		status.StartTime = &f.now
	}
	for i, addr := range f.hostIPs {
		if i == 0 {
			status.HostIP = addr.String()
		}
		status.HostIPs = append(status.HostIPs, corev1.HostIP{IP: addr.String()})
	}
	for i, addr := range f.podIPs {
		if i == 0 {
			status.PodIP = addr.String()
		}
		status.PodIPs = append(status.PodIPs, corev1.PodIP{IP: addr.String()})
	}
	initialized := all(f.init, func(c corev1.ContainerStatus) bool { return c.Ready })
	containers := f.prepared && initialized && all(f.main, func(c corev1.ContainerStatus) bool { return c.Ready })
	for _, condition := range []struct {
		kind corev1.PodConditionType
		is   bool
	}{
		{corev1.PodReadyToStartContainers, f.prepared},
		{corev1.PodInitialized, initialized},
		{corev1.ContainersReady, containers},
		{corev1.PodReady, containers && gatesOpen(object)},
	} {
		status.Conditions = append(status.Conditions, conditionOf(before, condition.kind, condition.is, f.now))
	}
	return status
}

// phase follows the rules of the Pod lifecycle: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
func phase(object *corev1.Pod, f facts) corev1.PodPhase {
	ended := func(c corev1.ContainerStatus) bool { return c.State.Terminated != nil }
	wentWell := func(c corev1.ContainerStatus) bool { return c.State.Terminated.ExitCode == 0 }
	deleted := object.DeletionTimestamp != nil
	policy := object.Spec.RestartPolicy
	switch {
	case all(f.main, ended) && all(f.main, wentWell) && (deleted || policy != corev1.RestartPolicyAlways):
		return corev1.PodSucceeded
	case all(f.main, ended) && (deleted || policy == corev1.RestartPolicyNever):
		return corev1.PodFailed
	case policy == corev1.RestartPolicyNever && !all(f.init, func(c corev1.ContainerStatus) bool { return !ended(c) || wentWell(c) }):
		return corev1.PodFailed
	case !all(f.main, func(c corev1.ContainerStatus) bool { return c.ContainerID == "" }):
		return corev1.PodRunning
	default:
		return corev1.PodPending
	}
}

// gatesOpen reports whether every condition that the Pod makes its readiness depend on is true.
func gatesOpen(object *corev1.Pod) bool {
	for _, gate := range object.Spec.ReadinessGates {
		open := false
		for _, condition := range object.Status.Conditions {
			open = open || (condition.Type == gate.ConditionType && condition.Status == corev1.ConditionTrue)
		}
		if !open {
			return false
		}
	}
	return true
}

func conditionOf(before corev1.PodStatus, kind corev1.PodConditionType, is bool, now metav1.Time) corev1.PodCondition {
	status := corev1.ConditionFalse
	if is {
		status = corev1.ConditionTrue
	}
	for _, old := range before.Conditions {
		if old.Type == kind && old.Status == status {
			now = old.LastTransitionTime
		}
	}
	return corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: now}
}

func all(statuses []corev1.ContainerStatus, holds func(corev1.ContainerStatus) bool) bool {
	for _, status := range statuses {
		if !holds(status) {
			return false
		}
	}
	return true
}
