// Package artifacts builds the programs the lab runs, from source, into the cache directory of the repository: the Kubernetes
// control plane (minutes, once per version), the container runtime and the product's own binaries (seconds, each time). It never
// downloads a program.
package artifacts
