// Package controlplane runs the control plane of a Kubernetes cluster on one host of a network: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler, with certificates made for the occasion. It never runs a node.
//
// Everything that decides what a cluster does is the real thing with its defaults. What is changed is only what makes a small
// machine suffer: etcd does not wait for the disk, nobody elects leaders among one, and controllers that no Clarion test could
// meet are left out.
package controlplane
