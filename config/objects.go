package config

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
)

// Objects is everything [Compile] reads, as the API server has it. The order
// of the slices does not matter and nothing in them is modified.
type Objects struct {
	Pools            []v1beta1.IPAddressPool
	L2Advertisements []v1beta1.L2Advertisement
	// Namespaces resolve the namespaceSelectors of pools.
	Namespaces []corev1.Namespace
	// Nodes resolve the nodeSelectors of advertisements. The controller, which
	// announces nothing, leaves them empty.
	Nodes []corev1.Node
	// Retention is that of pools which say nothing of their own; see
	// [Pool.Retention]. The speaker, which gives nothing, leaves it 0.
	Retention time.Duration
}
