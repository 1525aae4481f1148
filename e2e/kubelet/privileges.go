package kubelet

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/e2e/box"
)

// applyPrivileges writes into spec the user, the groups and the capabilities that the security contexts of a Pod and its container
// ask for. What the container says goes before what the Pod says, and that before the image.
func applyPrivileges(spec *box.Spec, object *corev1.Pod, container *corev1.Container, image Image) error {
	outer := object.Spec.SecurityContext
	if outer == nil {
		outer = &corev1.PodSecurityContext{}
	}
	inner := container.SecurityContext
	if inner == nil {
		inner = &corev1.SecurityContext{}
	}
	spec.UID = int(first(inner.RunAsUser, outer.RunAsUser, new(int64(image.UID))))
	spec.GID = int(first(inner.RunAsGroup, outer.RunAsGroup, new(int64(0))))
	if first(inner.RunAsNonRoot, outer.RunAsNonRoot, new(false)) && spec.UID == 0 {
		return fmt.Errorf("kubelet: container %s has runAsNonRoot and would run as root", container.Name)
	}
	for _, group := range outer.SupplementalGroups {
		spec.Groups = append(spec.Groups, int(group))
	}
	if outer.FSGroup != nil {
		spec.Groups = append(spec.Groups, int(*outer.FSGroup))
	}
	spec.ReadOnly = first(inner.ReadOnlyRootFilesystem, nil, new(false))
	privileged := first(inner.Privileged, nil, new(false))
	// Kubernetes forbids no new privileges to a container that has all of them already.
	spec.NoNewPrivileges = !first(inner.AllowPrivilegeEscalation, nil, new(true)) && !privileged
	spec.Capabilities = capabilities(inner.Capabilities, privileged)
	return nil
}

func capabilities(change *corev1.Capabilities, privileged bool) []string {
	if privileged {
		return []string{"ALL"}
	}
	granted := box.DefaultCapabilities()
	if change == nil {
		return granted
	}
	for _, drop := range change.Drop {
		if drop == "ALL" {
			granted = nil
		}
		granted = slices.DeleteFunc(granted, func(name string) bool { return name == string(drop) })
	}
	for _, add := range change.Add {
		granted = append(granted, string(add))
	}
	return granted
}

// first returns the value of the first pointer that is set.
func first[T any](candidates ...*T) T {
	for _, candidate := range candidates {
		if candidate != nil {
			return *candidate
		}
	}
	return *new(T)
}
