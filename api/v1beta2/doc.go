// Package v1beta2 holds the version of BGPPeer, of API group metallb.io, that
// the API server stores. It has types and no behaviour: it never parses an
// address, resolves a reference or fills a default; the CRD's schema and
// package config do.
//
// A field that is a pointer tells "not set" from "set to zero", which for
// timers are different wishes.
//
// +kubebuilder:object:generate=true
// +groupName=metallb.io
package v1beta2
