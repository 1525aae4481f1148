package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IPAddressPool is a set of addresses that Services of type LoadBalancer are
// given. A pool alone makes no address reachable: an L2Advertisement or a
// BGPAdvertisement does.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Auto Assign",type=boolean,JSONPath=`.spec.autoAssign`
// +kubebuilder:printcolumn:name="Avoid Buggy IPs",type=boolean,JSONPath=`.spec.avoidBuggyIPs`
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=`.spec.addresses`
// +kubebuilder:printcolumn:name="Assigned IPv4",type=integer,JSONPath=`.status.assignedIPv4`
// +kubebuilder:printcolumn:name="Available IPv4",type=integer,JSONPath=`.status.availableIPv4`
// +kubebuilder:printcolumn:name="Assigned IPv6",type=integer,JSONPath=`.status.assignedIPv6`
// +kubebuilder:printcolumn:name="Available IPv6",type=integer,JSONPath=`.status.availableIPv6`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IPAddressPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec IPAddressPoolSpec `json:"spec"`
	// +optional
	Status IPAddressPoolStatus `json:"status,omitempty"`
}

// IPAddressPoolSpec says which addresses the pool holds and who may take them.
type IPAddressPoolSpec struct {
	// Addresses are CIDRs ("192.0.2.0/24"; bits of the host part are ignored)
	// and ranges ("192.0.2.10-192.0.2.20", both ends included; one address is
	// "192.0.2.10/32" or "192.0.2.10-192.0.2.10"), IPv4 and IPv6. They are
	// handed out in the order of this list, ascending within an entry.
	Addresses []string `json:"addresses"`

	// AutoAssign lets Services that name neither pool nor address take from this
	// pool. Not set: true.
	//
	// +optional
	// +kubebuilder:default=true
	AutoAssign *bool `json:"autoAssign,omitempty"`

	// AvoidBuggyIPs withholds the IPv4 addresses that end in .0 and .255, which
	// some old equipment drops. Not set: false.
	//
	// +optional
	// +kubebuilder:default=false
	AvoidBuggyIPs bool `json:"avoidBuggyIPs,omitempty"`

	// ServiceAllocation reserves the pool for some Services and puts it before
	// the pools that are not reserved. Not set: for every Service.
	//
	// +optional
	ServiceAllocation *ServiceAllocation `json:"serviceAllocation,omitempty"`
}

// ServiceAllocation says which Services may take from a pool: those of the
// namespaces (named, or matching a selector) and, of these, those matching a
// Service selector. What is not set does not restrict.
type ServiceAllocation struct {
	// Priority orders the reserved pools: the lower is tried first, and 0, the
	// default, comes last.
	//
	// +optional
	Priority int `json:"priority,omitempty"`

	// Namespaces are names of namespaces.
	//
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`

	// NamespaceSelectors choose namespaces by their labels: those that match any
	// of them.
	//
	// +optional
	NamespaceSelectors []metav1.LabelSelector `json:"namespaceSelectors,omitempty"`

	// ServiceSelectors choose Services by their labels: those that match any of
	// them.
	//
	// +optional
	ServiceSelectors []metav1.LabelSelector `json:"serviceSelectors,omitempty"`
}

// IPAddressPoolStatus counts the addresses of the pool. A count too large for
// its type stays at the largest it can hold.
type IPAddressPoolStatus struct {
	// AssignedIPv4 is how many IPv4 addresses Services hold; an address that
	// several share counts once.
	AssignedIPv4 int64 `json:"assignedIPv4"`

	// AssignedIPv6 is how many IPv6 addresses Services hold; an address that
	// several share counts once.
	AssignedIPv6 int64 `json:"assignedIPv6"`

	// AvailableIPv4 is how many IPv4 addresses are free.
	AvailableIPv4 int64 `json:"availableIPv4"`

	// AvailableIPv6 is how many IPv6 addresses are free.
	AvailableIPv6 int64 `json:"availableIPv6"`

	// Conditions tell what the product thinks of the pool.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// IPAddressPoolList is a list of IPAddressPool.
//
// +kubebuilder:object:root=true
type IPAddressPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IPAddressPool `json:"items"`
}
