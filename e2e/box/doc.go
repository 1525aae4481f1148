// Package box runs one container: a root file system made of the files of an image and nothing else, the mounts, user and
// capabilities its Pod asks for, in the network of a namespace given by path. It never talks to Kubernetes.
//
// It treats privileges as runc does, so that a Pod which works here works in a cluster and, what matters more, a Pod that
// lacks a capability fails here too.
package box
