package kube

import "sigs.k8s.io/controller-runtime/pkg/metrics"

// Registry returns the registry that /metrics serves; the client libraries'
// own metrics are in it.
func Registry() metrics.RegistererGatherer { return metrics.Registry }
