package v1beta2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BGPPeer is a router to which nodes open a BGP session.
//
// The annotation metallb.io/ttl-security: "true" drops packets of the session
// that come from further away than the next hop (RFC 5082); the router has to
// be told, too.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.peerAddress`
// +kubebuilder:printcolumn:name="ASN",type=string,JSONPath=`.spec.peerASN`
// +kubebuilder:printcolumn:name="BFD Profile",type=string,JSONPath=`.spec.bfdProfile`
// +kubebuilder:printcolumn:name="Multi Hops",type=string,JSONPath=`.spec.ebgpMultiHop`
type BGPPeer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec BGPPeerSpec `json:"spec"`
	// +optional
	Status BGPPeerStatus `json:"status,omitempty"`
}

// The autonomous system of the peer is given once: as a number, or as a wish.
// +kubebuilder:validation:XValidation:rule="(self.?peerASN.orValue(0) != 0) != has(self.dynamicASN)",messageExpression="has(self.dynamicASN) ? 'peerASN %d and dynamicASN %s are both set: keep one'.format([self.peerASN, self.dynamicASN]) : 'neither peerASN nor dynamicASN is set: the autonomous system of the peer is needed'"
//
// So is the way to reach it.
// +kubebuilder:validation:XValidation:rule="(self.?peerAddress.orValue('') != '') != (self.?interface.orValue('') != '')",messageExpression="self.?peerAddress.orValue('') != '' ? 'peerAddress %s and interface %s are both set: keep one'.format([self.peerAddress, self.interface]) : 'neither peerAddress nor interface is set: a way to reach the peer is needed'"
//
// A hop limit is a matter between autonomous systems.
// +kubebuilder:validation:XValidation:rule="!self.?ebgpMultiHop.orValue(false) || self.?peerASN.orValue(0) != self.?localASN.orValue(self.myASN)",fieldPath=".ebgpMultiHop",messageExpression="'ebgpMultiHop is for a peer of another autonomous system, but peerASN %d equals %s'.format([self.peerASN, has(self.localASN) ? 'localASN' : 'myASN'])"
//
// A keepalive comes before the hold time ends. What is no duration at all is
// refused where it stands, not here again.
// +kubebuilder:validation:XValidation:rule="!has(self.holdTime) || !has(self.keepaliveTime) || ![self.holdTime, self.keepaliveTime].all(time, time.matches('^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$')) || duration(self.keepaliveTime) <= duration(self.holdTime)",fieldPath=".keepaliveTime",messageExpression="'keepaliveTime %s is longer than holdTime %s'.format([self.keepaliveTime, self.holdTime])"
//
// Alone, a keepalive time makes a hold time of three times as much.
// +kubebuilder:validation:XValidation:rule="!has(self.keepaliveTime) || has(self.holdTime) || !self.keepaliveTime.matches('^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$') || [duration(self.keepaliveTime).getMilliseconds() * 3].all(hold, hold < 1000 || hold >= 3000 && hold < 65536000)",fieldPath=".keepaliveTime",messageExpression="'keepaliveTime %s without holdTime means a holdTime of three times as much, which is not 0s nor 3s to 65535s'.format([self.keepaliveTime])"
//
// The password stands in one place; no message may tell it.
// +kubebuilder:validation:XValidation:rule="self.?password.orValue('') == '' || self.?passwordSecret.name.orValue('') == ''",fieldPath=".passwordSecret",messageExpression="'password and passwordSecret %s are both set: keep passwordSecret'.format([self.passwordSecret.name])"

// BGPPeerSpec is one side of a BGP session: how to reach the peer and what to
// expect of it.
type BGPPeerSpec struct {
	// MyASN is the autonomous system of this side, 1 to 4294967295; zero is
	// reserved (RFC 7607).
	//
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	MyASN uint32 `json:"myASN"`

	// PeerASN is the autonomous system expected of the peer's OPEN. Exactly one
	// of peerASN and dynamicASN is set.
	//
	// +optional
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	PeerASN uint32 `json:"peerASN,omitempty"`

	// LocalASN is shown to this peer instead of myASN, which then appears
	// nowhere in the AS path. Not set: myASN is shown.
	//
	// +optional
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	LocalASN uint32 `json:"localASN,omitempty"`

	// DynamicASN accepts the autonomous system from the peer's OPEN: "internal"
	// wants it equal to the one shown to the peer, "external" different from it.
	//
	// +optional
	DynamicASN DynamicASN `json:"dynamicASN,omitempty"`

	// PeerAddress is the IPv4 or IPv6 literal to connect to; no name, no zone, not
	// link-local. Exactly one of peerAddress and interface is set.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == '' || isIP(self.lowerAscii().replace('::ffff:', '::fffe:'))",messageExpression="'peerAddress \"' + self + '\" is not an IP address'"
	// +kubebuilder:validation:XValidation:rule="!isIP(self) || !ip(self).isUnspecified() && (ip(self).family() == 4 || !ip(self).isLinkLocalUnicast())",messageExpression="'peerAddress \"' + self + '\" is not the address of one host: for one on a link without addresses set interface instead'"
	PeerAddress string `json:"peerAddress,omitempty"`

	// Interface is the link on which to peer without configured addresses
	// (RFC 8950), by IPv6 link-local address; routes of both families are carried.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Interface string `json:"interface,omitempty"`

	// SourceAddress is the local IPv4 or IPv6 literal of the TCP session, of the
	// family of peerAddress. Not set: the kernel chooses.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == '' || isIP(self.lowerAscii().replace('::ffff:', '::fffe:'))",messageExpression="'sourceAddress \"' + self + '\" is not an IP address'"
	SourceAddress string `json:"sourceAddress,omitempty"`

	// PeerPort is the TCP port of the peer, 1 to 16384. Not set: 179.
	//
	// +optional
	// +kubebuilder:default=179
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16384
	PeerPort uint16 `json:"peerPort,omitempty"`

	// HoldTime is the silence after which the session is given up, in whole
	// seconds (fractions are cut): 0, which turns it off, or 3 s and more
	// (RFC 4271, section 4.2). Not set: three times keepaliveTime, or 90 s.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$') && (duration(self).getSeconds() == 0 || duration(self).getSeconds() >= 3 && duration(self).getSeconds() <= 65535)",messageExpression="'holdTime \"' + self + '\" is not 0s nor a duration from 3s to 65535s'"
	HoldTime *metav1.Duration `json:"holdTime,omitempty"`

	// KeepaliveTime is the time between KEEPALIVE messages, at most holdTime.
	// Not set: a third of holdTime.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$')",messageExpression="'keepaliveTime \"' + self + '\" is not a duration of 0s or more'"
	KeepaliveTime *metav1.Duration `json:"keepaliveTime,omitempty"`

	// ConnectTime is the wait between two attempts to connect, a whole number of
	// seconds from 1 to 65535. Not set: 2 s.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$') && duration(self) >= duration('1s') && duration(self) <= duration('65535s') && duration(self).getMilliseconds() % 1000 == 0",messageExpression="'connectTime \"' + self + '\" is not a whole number of seconds from 1s to 65535s'"
	ConnectTime *metav1.Duration `json:"connectTime,omitempty"`

	// RouterID is the BGP identifier of this side, written as an IPv4 literal.
	// Not set: one is chosen per node.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == '' || isIP(self) && ip(self).family() == 4 && !ip(self).isUnspecified()",messageExpression="'routerID \"' + self + '\" is not an IPv4 address other than 0.0.0.0'"
	RouterID string `json:"routerID,omitempty"`

	// NodeSelectors choose the nodes that open this session: those that match
	// any of them. Empty: every node.
	//
	// +optional
	NodeSelectors LabelSelectors `json:"nodeSelectors,omitempty"`

	// Password is the key of the TCP MD5 signature (RFC 2385), readable by
	// everyone who can read this object; at most 80 octets. passwordSecret is
	// safer; at most one of the two is set.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=80
	Password string `json:"password,omitempty"`

	// PasswordSecret names a Secret of type kubernetes.io/basic-auth in the
	// namespace of this object, whose key "password" is the TCP MD5 key; line ends
	// after it are ignored. There is no session without the Secret. The namespace
	// member is accepted and ignored. An empty name is no Secret.
	//
	// +optional
	PasswordSecret *corev1.SecretReference `json:"passwordSecret,omitempty"`

	// BFDProfile names the BFDProfile of the BFD session that watches the peer.
	// Not set: no BFD. While there is no valid one of that name, the BGP session
	// goes on without, and ConfigurationState says so.
	//
	// +optional
	BFDProfile string `json:"bfdProfile,omitempty"`

	// EnableGracefulRestart keeps the routes in the peer while the speaker
	// restarts (RFC 4724). It cannot be changed once set: delete the object and
	// create it again.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'enableGracefulRestart cannot change from %s to %s: delete the peer and create it again'.format([oldSelf, self])"
	EnableGracefulRestart bool `json:"enableGracefulRestart,omitempty"`

	// EBGPMultiHop lets the peer of another autonomous system be more than one
	// hop away. Refused when peerASN equals the one shown to the peer.
	//
	// +optional
	EBGPMultiHop bool `json:"ebgpMultiHop,omitempty"`

	// VRFName is the Linux VRF, already present on the node, in which to peer.
	//
	// +optional
	VRFName string `json:"vrf,omitempty"`

	// DisableMP has no effect.
	//
	// Deprecated: each session carries its own address family unless
	// dualStackAddressFamily says otherwise.
	//
	// +optional
	// +kubebuilder:default=false
	DisableMP bool `json:"disableMP,omitempty"`

	// DualStackAddressFamily carries IPv4 and IPv6 routes over this one session
	// (RFC 4760). False: only routes of the family of the session.
	//
	// +optional
	// +kubebuilder:default=false
	DualStackAddressFamily bool `json:"dualStackAddressFamily,omitempty"`
}

// DynamicASN says which autonomous systems a peer may show.
//
// +kubebuilder:validation:Enum=internal;external
type DynamicASN string

// The values of DynamicASN.
const (
	// DynamicASNInternal wants the peer in the autonomous system of this side.
	DynamicASNInternal DynamicASN = "internal"
	// DynamicASNExternal wants the peer in any other autonomous system.
	DynamicASNExternal DynamicASN = "external"
)

// BGPPeerStatus is empty: what became of a peer stands in ServiceBGPStatus and
// ConfigurationState.
type BGPPeerStatus struct{}

// BGPPeerList is a list of BGPPeer.
//
// +kubebuilder:object:root=true
type BGPPeerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BGPPeer `json:"items"`
}
