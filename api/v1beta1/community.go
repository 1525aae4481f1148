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
	Name string `json:"name,omitempty"`

	// Value is a standard community "64496:100" (RFC 1997) or a large community
	// "large:64496:1:2" (RFC 8092).
	//
	// +optional
	Value string `json:"value,omitempty"`
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
