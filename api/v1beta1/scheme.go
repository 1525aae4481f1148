package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion names the API group and version of this package. Treat it as a
// constant: Go has no constant structs.
var GroupVersion = schema.GroupVersion{Group: "metallb.io", Version: "v1beta1"} //nolint:gochecknoglobals // a constant in all but syntax

// AddToScheme registers the kinds of this package with s.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&BFDProfile{}, &BFDProfileList{},
		&BGPAdvertisement{}, &BGPAdvertisementList{},
		&BGPPeer{}, &BGPPeerList{},
		&Community{}, &CommunityList{},
		&ConfigurationState{}, &ConfigurationStateList{},
		&IPAddressPool{}, &IPAddressPoolList{},
		&L2Advertisement{}, &L2AdvertisementList{},
		&ServiceBGPStatus{}, &ServiceBGPStatusList{},
		&ServiceL2Status{}, &ServiceL2StatusList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)

	return nil
}
