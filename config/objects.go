package config

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
)

// Objects is everything [Compile] reads, as the API server has it. The order
// of the slices does not matter and nothing in them is modified.
type Objects struct {
	Pools            []v1beta1.IPAddressPool
	L2Advertisements []v1beta1.L2Advertisement

	// BGPAdvertisements, Peers, Communities and BFDProfiles are what routers are
	// told. The controller, which tells them nothing, may leave them empty.
	BGPAdvertisements []v1beta1.BGPAdvertisement
	Peers             []v1beta2.BGPPeer
	Communities       []v1beta1.Community
	BFDProfiles       []v1beta1.BFDProfile
	// Secrets are those that the passwordSecret of a peer names, in the namespace
	// of the peer; others are not looked at.
	Secrets []corev1.Secret

	// Namespaces resolve the namespaceSelectors of pools.
	Namespaces []corev1.Namespace
	// Nodes resolve the nodeSelectors of advertisements. The controller, which
	// announces nothing, leaves them empty.
	Nodes []corev1.Node
	// Retention is that of pools which say nothing of their own; see
	// [Pool.Retention]. The speaker, which gives nothing, leaves it 0.
	Retention time.Duration
}
