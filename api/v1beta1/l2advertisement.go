package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// L2Advertisement makes the addresses of pools reachable on flat networks: one
// node at a time answers ARP and NDP for each address.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="IPAddressPools",type=string,JSONPath=`.spec.ipAddressPools`
// +kubebuilder:printcolumn:name="IPAddressPool Selectors",type=string,JSONPath=`.spec.ipAddressPoolSelectors`
// +kubebuilder:printcolumn:name="Interfaces",type=string,JSONPath=`.spec.interfaces`
// +kubebuilder:printcolumn:name="Node Selectors",type=string,JSONPath=`.spec.nodeSelectors`,priority=10
type L2Advertisement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec L2AdvertisementSpec `json:"spec,omitempty"`
	// +optional
	Status L2AdvertisementStatus `json:"status,omitempty"`
}

// L2AdvertisementSpec says which addresses are announced, from which nodes and
// on which interfaces. An empty spec is: all, from all, on all.
type L2AdvertisementSpec struct {
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

	// NodeSelectors choose the nodes that may announce: those that match any of
	// them. Empty: every node.
	//
	// +optional
	NodeSelectors LabelSelectors `json:"nodeSelectors,omitempty"`

	// Interfaces are names of the interfaces to announce on. Empty: every
	// interface except those the product is told to leave alone.
	//
	// +optional
	Interfaces []string `json:"interfaces,omitempty"`

	// ServiceSelectors choose the Services to announce by their labels: those
	// that match any of them. Empty: every Service.
	//
	// +optional
	ServiceSelectors LabelSelectors `json:"serviceSelectors,omitempty"`

	// PreferredNodeSelectors move addresses to the nodes with the highest sum of
	// weights, while such a node is able to announce. Empty: all nodes alike.
	//
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	PreferredNodeSelectors []PreferredNodeSelector `json:"preferredNodeSelectors,omitempty"`
}

// PreferredNodeSelector adds a weight to the nodes it matches.
type PreferredNodeSelector struct {
	// Weight is what a node that matches gains, 1 to 100.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`

	// The rules of LabelSelectors.
	//
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || [0, 1, 2, 3, 4, 5, 6, 7].all(i, i >= self.matchExpressions.size() || self.matchExpressions[i].operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])",message="a match expression has an operator that is not In, NotIn, Exists or DoesNotExist"
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || [0, 1, 2, 3, 4, 5, 6, 7].all(i, i >= self.matchExpressions.size() || (has(self.matchExpressions[i].values) && self.matchExpressions[i].values.size() > 0 ? !(self.matchExpressions[i].operator in ['Exists', 'DoesNotExist']) : !(self.matchExpressions[i].operator in ['In', 'NotIn'])))",message="a match expression has values that do not fit its operator: In and NotIn need some, Exists and DoesNotExist take none"

	// Preference chooses nodes by their labels. Empty matches every node.
	Preference metav1.LabelSelector `json:"preference"`
}

// L2AdvertisementStatus is empty: what became of an advertisement stands in
// ServiceL2Status and ConfigurationState.
type L2AdvertisementStatus struct{}

// L2AdvertisementList is a list of L2Advertisement.
//
// +kubebuilder:object:root=true
type L2AdvertisementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []L2Advertisement `json:"items"`
}
