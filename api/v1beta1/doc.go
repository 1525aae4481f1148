// Package v1beta1 holds the kinds of API group metallb.io: what users write
// (pools, advertisements, peers, communities, BFD profiles) and what the
// product reports (service and configuration states). It has types and no
// behaviour: it never parses an address, resolves a reference or fills a
// default; the CRDs' schemas and package config do.
//
// All kinds are namespaced, and only the objects in the namespace of the
// product count. A field that is a pointer tells "not set" from "set to zero".
//
// +kubebuilder:object:generate=true
// +groupName=metallb.io
package v1beta1
