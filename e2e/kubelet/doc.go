// Package kubelet is a small kubelet: it registers a node, keeps its lease, runs the Pods bound to it as processes in boxes, probes
// and restarts them, keeps their status and serves their logs. It never pulls an image; what an image holds is told to it.
//
// Layers:
//
//	Kubelet     the node: registration, heartbeats, which Pods there are, the HTTPS endpoint of `kubectl logs`
//	pod         one Pod from binding to deletion: network, volumes, its containers, its status
//	container   one container through its restarts, with its probes
//	status, environment, privileges    functions from what a Pod asks for and what happened to what Kubernetes is told
//
// It differs from the real kubelet where a lab is better off: restarts back off from one second instead of ten, a container that is
// not ready yet is probed twice a second, and volumes are brought up to date every five seconds instead of once a minute. It has no
// hooks, no exec probes, no resource limits and no persistent volumes; a Pod that asks for one of the first two is refused rather than
// half served.
package kubelet
