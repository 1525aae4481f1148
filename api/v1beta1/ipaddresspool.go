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
	// An entry longer than 96 characters is no address; the bounds keep the rules
	// within what the API server lets a rule cost.
	//
	// +kubebuilder:validation:MaxItems=400
	// +kubebuilder:validation:items:MaxLength=96
	//
	// A pool with nothing in it is a mistake.
	// +kubebuilder:validation:XValidation:rule="self.size() > 0",message="addresses is empty: a pool holds at least one CIDR or range"
	//
	// No entry stands twice. Comparing all with all is dear, so only lists of up to
	// 200 entries are judged here; package config judges all, and overlaps too.
	// +kubebuilder:validation:XValidation:rule="self.size() > 200 || self.all(entry, self.exists_one(other, other == entry))",messageExpression="'addresses lists \"' + self.filter(entry, !self.exists_one(other, other == entry))[0] + '\" more than once'"
	//
	// What has no dash is a CIDR. IPv4-mapped IPv6 is read as IPv4, but CEL refuses
	// to parse it: "::fffe:" stands in for "::ffff:", which leaves the syntax as
	// good or bad as it was.
	// +kubebuilder:validation:items:XValidation:rule="self.contains('-') || isCIDR(self.lowerAscii().replace('::ffff:', '::fffe:'))",messageExpression="isIP(self) ? '\"' + self + '\" has no prefix length: write \"' + self + (ip(self).family() == 4 ? '/32' : '/128') + '\" for this one address' : isCIDR(self.trim()) ? '\"' + self + '\" has blanks around it' : '\"' + self + '\" is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20'"
	//
	// What has a dash is a range, of two addresses that may have blanks around.
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('-') || self.lowerAscii().replace('::ffff:', '::fffe:').split('-', 2).all(end, isIP(end.trim()))",messageExpression="'\"' + self + '\" is not a range: \"' + self.split('-', 2).filter(end, !isIP(end.trim()))[0].trim() + '\" is not an IP address'"
	//
	// Both ends of a range are of one family. IPv4-mapped ends are left to package
	// config from here on.
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('-') || !self.split('-', 2).all(end, isIP(end.trim())) || [self.split('-', 2).map(end, ip(end.trim()).family())].all(family, family[0] == family[1])",messageExpression="'\"' + self + '\" starts in one address family and ends in the other'"
	//
	// A range does not end before it starts. CEL has no order of addresses, so an
	// IPv4 address becomes a number.
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('-') || !self.split('-', 2).all(end, isIP(end.trim()) && !end.contains(':')) || self.split('-', 2).map(end, end.trim().split('.', 4)).map(byte, int(byte[0]) * 16777216 + int(byte[1]) * 65536 + int(byte[2]) * 256 + int(byte[3])).isSorted()",messageExpression="'\"' + self + '\" ends before it starts: write \"' + self.split('-', 2)[1].trim() + '-' + self.split('-', 2)[0].trim() + '\"'"
	//
	// The same for IPv6. An address becomes the numbers of its eight groups: those
	// left of "::", those right of it, zeros between; CEL cannot read hexadecimal,
	// so a group is four digits and a digit is its place among all digits. In order
	// means that no group falls unless one before it rises. An address that ends
	// in dotted quads is left to package config.
	// +kubebuilder:validation:items:XValidation:rule="!self.contains('-') || !self.split('-', 2).all(end, isIP(end.trim()) && !end.contains('.')) || [self.split('-', 2).map(end, end.trim().lowerAscii().split('::', 2).map(half, half.split(':', 8).map(group, ('0000' + group).substring(group.size()).split('', 4).map(digit, '0123456789abcdef'.indexOf(digit))).map(digit, digit[0] * 4096 + digit[1] * 256 + digit[2] * 16 + digit[3]))).map(half, [0, 1, 2, 3, 4, 5, 6, 7].map(i, i < half[0].size() ? half[0][i] : half.size() == 2 && i >= 8 - half[1].size() ? half[1][i - 8 + half[1].size()] : 0))].all(group, [0, 1, 2, 3, 4, 5, 6, 7].all(i, group[0][i] <= group[1][i] || [0, 1, 2, 3, 4, 5, 6, 7].exists(j, j < i && group[0][j] < group[1][j])))",messageExpression="'\"' + self + '\" ends before it starts: write \"' + self.split('-', 2)[1].trim() + '-' + self.split('-', 2)[0].trim() + '\"'"

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
	// +kubebuilder:validation:Minimum=0
	Priority int `json:"priority,omitempty"`

	// Namespaces are names of namespaces.
	//
	// +optional
	// +listType=set
	Namespaces []string `json:"namespaces,omitempty"`

	// NamespaceSelectors choose namespaces by their labels: those that match any
	// of them.
	//
	// +optional
	NamespaceSelectors LabelSelectors `json:"namespaceSelectors,omitempty"`

	// ServiceSelectors choose Services by their labels: those that match any of
	// them.
	//
	// +optional
	ServiceSelectors LabelSelectors `json:"serviceSelectors,omitempty"`
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

	// Quarantined are the addresses that hosts outside the cluster were seen to
	// use, and that nobody is given before ten minutes have passed without that:
	// the first hundred. An address that a Service holds all the same is not among
	// them.
	//
	// +optional
	// +listType=map
	// +listMapKey=address
	// +kubebuilder:validation:MaxItems=100
	Quarantined []QuarantinedAddress `json:"quarantined,omitempty"`

	// Conditions tell what the product thinks of the pool.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// QuarantinedAddress is an address that a host outside the cluster uses.
type QuarantinedAddress struct {
	// Address is the address.
	Address string `json:"address"`

	// MAC is the hardware address of the host.
	MAC string `json:"mac"`

	// Node is the node that saw it.
	Node string `json:"node"`
}

// IPAddressPoolList is a list of IPAddressPool.
//
// +kubebuilder:object:root=true
type IPAddressPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IPAddressPool `json:"items"`
}
