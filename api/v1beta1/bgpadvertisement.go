package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BGPAdvertisement makes the addresses of pools reachable through routers:
// nodes announce routes to them over BGP.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="IPAddressPools",type=string,JSONPath=`.spec.ipAddressPools`
// +kubebuilder:printcolumn:name="IPAddressPool Selectors",type=string,JSONPath=`.spec.ipAddressPoolSelectors`
// +kubebuilder:printcolumn:name="Peers",type=string,JSONPath=`.spec.peers`
// +kubebuilder:printcolumn:name="Node Selectors",type=string,JSONPath=`.spec.nodeSelectors`,priority=10
type BGPAdvertisement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec BGPAdvertisementSpec `json:"spec,omitempty"`
	// +optional
	Status BGPAdvertisementStatus `json:"status,omitempty"`
}

// An aggregate covers addresses of Services that were not selected.
// +kubebuilder:validation:XValidation:rule="!has(self.serviceSelectors) || self.serviceSelectors.size() == 0 || (!has(self.aggregationLength) || self.aggregationLength == 32) && (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128)",fieldPath=".serviceSelectors",messageExpression="'serviceSelectors need single addresses, not aggregates: aggregationLength %d must be 32, aggregationLengthV6 %d must be 128'.format([self.?aggregationLength.orValue(32), self.?aggregationLengthV6.orValue(128)])"

// BGPAdvertisementSpec says which routes are announced, from which nodes, to
// which peers, and with which attributes. An empty spec is: every address as
// its own route, from all, to all.
type BGPAdvertisementSpec struct {
	// AggregationLength is the prefix length to which an IPv4 address is cut
	// before it is announced, 1 to 32. Not set: 32, the address itself. The
	// advertisement is not used for pools with an entry that has no block as large
	// as that: its routes would be for addresses of others, too.
	//
	// +optional
	// +kubebuilder:default=32
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32
	AggregationLength *int32 `json:"aggregationLength,omitempty"`

	// AggregationLengthV6 is the prefix length to which an IPv6 address is cut
	// before it is announced, 0 to 128. Not set: 128, the address itself. See
	// aggregationLength.
	//
	// +optional
	// +kubebuilder:default=128
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	AggregationLengthV6 *int32 `json:"aggregationLengthV6,omitempty"`

	// LocalPref is the LOCAL_PREF attribute (RFC 4271, section 5.1.5) shown to
	// peers of the same autonomous system. Not set, or 0: 100. Of two
	// advertisements that give the same routes of a pool different ones, the
	// younger is not used for that pool.
	//
	// +optional
	// +kubebuilder:validation:Format=int64
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	LocalPref uint32 `json:"localPref,omitempty"`

	// CEL cannot name an expression, and to reckon with every part of a community
	// is beyond its budget: the long one below is a number up to 65535, the one with
	// 25[0-5] an octet.
	//
	// +kubebuilder:validation:items:XValidation:rule="!self.contains(':') || self.matches('^(0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})|extended:((rt|soo):((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]):0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})|bandwidth:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):[0-9]{1,18}))$') || self.matches('^(large(:0*[0-9]{1,10}){3}|extended:(rt|soo):(0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):0*[0-9]{1,10}|0*[0-9]{1,10}:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})))$') && self.split(':').all(part, part in ['large', 'extended', 'rt', 'soo'] || int(part) <= 4294967295)",messageExpression="'\"' + self + '\" is neither an alias nor a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100'"

	// Communities are put on the routes: aliases of a Community object, the names
	// of well-known communities, and communities as a Community object writes
	// them: "64496:100", "large:64496:1:2", "extended:rt:64496:100". An alias comes
	// before what else its name means.
	//
	// The names are accept-own, blackhole, graceful-shutdown, llgr-stale,
	// no-advertise, no-export, no-export-subconfed (or local-as), no-llgr and
	// no-peer, in any case, with hyphens or underscores.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	Communities []string `json:"communities,omitempty"`

	// IPAddressPools are names of the pools to announce, together with those of
	// ipAddressPoolSelectors. Both empty: every pool. A name that no pool has
	// is ignored.
	//
	// +optional
	// +listType=set
	IPAddressPools []string `json:"ipAddressPools,omitempty"`

	// IPAddressPoolSelectors choose the pools to announce by their labels: those
	// that match any of them.
	//
	// +optional
	IPAddressPoolSelectors LabelSelectors `json:"ipAddressPoolSelectors,omitempty"`

	// NodeSelectors choose the nodes that announce: those that match any of
	// them. Empty: every node.
	//
	// +optional
	NodeSelectors LabelSelectors `json:"nodeSelectors,omitempty"`

	// Peers are names of the BGPPeers to announce to. Empty: every peer. A name
	// that no peer has is ignored.
	//
	// +optional
	// +listType=set
	Peers []string `json:"peers,omitempty"`

	// ServiceSelectors choose the Services to announce by their labels: those
	// that match any of them. Empty: every Service. Only with the default
	// aggregation lengths, since an aggregate covers other Services too.
	//
	// +optional
	ServiceSelectors LabelSelectors `json:"serviceSelectors,omitempty"`
}

// BGPAdvertisementStatus is empty: what became of an advertisement stands in
// ServiceBGPStatus and ConfigurationState.
type BGPAdvertisementStatus struct{}

// BGPAdvertisementList is a list of BGPAdvertisement.
//
// +kubebuilder:object:root=true
type BGPAdvertisementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BGPAdvertisement `json:"items"`
}
