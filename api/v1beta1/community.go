package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Community gives BGP communities names that BGPAdvertisements can use. The
// aliases of all Community objects form one table.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
type Community struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec CommunitySpec `json:"spec,omitempty"`
	// +optional
	Status CommunityStatus `json:"status,omitempty"`
}

// CommunitySpec is a list of aliases.
type CommunitySpec struct {
	// Comparing all with all is dear, so only lists of up to 200 aliases are judged
	// here; package config judges all, together with those of other objects.
	//
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:XValidation:rule="self.size() > 200 || self.all(alias, !has(alias.name) || self.exists_one(other, has(other.name) && other.name == alias.name))",messageExpression="'communities defines \"%s\" more than once'.format([self.filter(alias, has(alias.name) && !self.exists_one(other, has(other.name) && other.name == alias.name))[0].name])"

	// Communities are the aliases; no two have the same name.
	//
	// +optional
	Communities []CommunityAlias `json:"communities,omitempty"`
}

// CommunityAlias is a name for a BGP community.
type CommunityAlias struct {
	// Name is what BGPAdvertisements write.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// CEL cannot name an expression, and to reckon with every part of a community
	// is beyond its budget: the long one below is a number up to 65535, the one with
	// 25[0-5] an octet.
	//
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})|extended:((rt|soo):((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]):0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})|bandwidth:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):[0-9]{1,18}))$') || self.matches('^(large(:0*[0-9]{1,10}){3}|extended:(rt|soo):(0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}):0*[0-9]{1,10}|0*[0-9]{1,10}:0*(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})))$') && self.split(':').all(part, part in ['large', 'extended', 'rt', 'soo'] || int(part) <= 4294967295)",messageExpression="'\"' + self + '\" is not a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100'"

	// Value is a standard community "64496:100" (RFC 1997), a large community
	// "large:64496:1:2" (RFC 8092), or an extended community (RFC 4360): a route
	// target "extended:rt:64496:100", a route origin "extended:soo:64496:100",
	// both also of a 4-octet autonomous system (RFC 5668) or of an IPv4 address
	// "extended:rt:192.0.2.1:100", or a link bandwidth in octets per second
	// "extended:bandwidth:64496:125000000".
	//
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value"`
}

// CommunityStatus is empty.
type CommunityStatus struct{}

// CommunityList is a list of Community.
//
// +kubebuilder:object:root=true
type CommunityList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Community `json:"items"`
}
