package config

import (
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
)

// Endpoints is where the traffic of one Service can be served.
type Endpoints struct {
	// Serving is set when any endpoint can serve, wherever it is.
	Serving bool
	// Nodes are the names of nodes with an endpoint that can serve, sorted.
	Nodes []string
}

// ParseEndpoints reads all EndpointSlices of one Service.
//
// An endpoint can serve if it is ready, if nothing is known of its readiness,
// or if it is still serving while it terminates.
func ParseEndpoints(slicesOf []*discoveryv1.EndpointSlice) Endpoints {
	var e Endpoints
	for _, sl := range slicesOf {
		for i := range sl.Endpoints {
			ep := &sl.Endpoints[i]
			ready := ep.Conditions.Ready == nil || *ep.Conditions.Ready
			serving := ep.Conditions.Serving != nil && *ep.Conditions.Serving
			if !ready && !serving {
				continue
			}
			e.Serving = true
			if ep.NodeName != nil {
				e.Nodes = append(e.Nodes, *ep.NodeName)
			}
		}
	}
	slices.Sort(e.Nodes)
	e.Nodes = slices.Compact(e.Nodes)
	return e
}

// On reports whether the named node has an endpoint that can serve.
func (e Endpoints) On(node string) bool {
	_, ok := slices.BinarySearch(e.Nodes, node)
	return ok
}

// Equal reports whether both say the same.
func (e Endpoints) Equal(o Endpoints) bool {
	return e.Serving == o.Serving && slices.Equal(e.Nodes, o.Nodes)
}
