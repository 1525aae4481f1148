// Package mounted follows a file that Kubernetes mounts from a ConfigMap or a
// Secret. It never writes one, and never judges what it says.
//
// The kubelet changes such a file not by writing to it: it makes a new directory
// beside the old one and moves the symbolic link ..data, on which the path to the
// file rests, from one to the other. The file itself never changes, so it is the
// directory that has to be watched. A volume that is mounted with subPath is not
// updated at all, here or anywhere.
package mounted
