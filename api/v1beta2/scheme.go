package v1beta2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion names the API group and version of this package. Treat it as a
// constant: Go has no constant structs.
var GroupVersion = schema.GroupVersion{Group: "metallb.io", Version: "v1beta2"} //nolint:gochecknoglobals // a constant in all but syntax

// AddToScheme registers the kinds of this package with s.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &BGPPeer{}, &BGPPeerList{})
	metav1.AddToGroupVersion(s, GroupVersion)

	return nil
}
