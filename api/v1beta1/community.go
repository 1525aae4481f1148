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

	// Value is a standard community "64496:100" (RFC 1997) or a large community
	// "large:64496:1:2" (RFC 8092).
	//
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{1,9}:[0-9]{1,9}$') && self.split(':').all(part, int(part) <= 65535) || self.matches('^large(:[0-9]{1,18}){3}$') && self.split(':').all(part, part == 'large' || int(part) <= 4294967295)",messageExpression="'\"' + self + '\" is not a community such as 64496:100 or large:64496:1:2'"
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
