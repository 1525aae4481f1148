package allocator

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clarion-lb/clarion/config"
)

// part is what of a Service could not be read; each has its own consequence.
type part uint8

const (
	// partRequest: the addresses it asks for. Nothing is given, nothing taken.
	partRequest part = iota
	// partClusterIPs: which families it has. Likewise.
	partClusterIPs
	// partStatus: what it holds. What can be read of it counts.
	partStatus
)

// problemIn returns the first problem with that part of the Service, or nil.
func problemIn(svc *config.Service, want part) *config.Problem {
	i := slices.IndexFunc(svc.Problems, func(p config.Problem) bool { return partOf(p.Field) == want })
	if i < 0 {
		return nil
	}
	return &svc.Problems[i]
}

func partOf(field string) part {
	switch {
	case strings.HasPrefix(field, "status."):
		return partStatus
	case strings.HasPrefix(field, "spec.clusterIP"):
		return partClusterIPs
	default:
		return partRequest
	}
}

// problemText says a problem without the object, which the reader looks at.
func problemText(p *config.Problem) string {
	return fmt.Sprintf("%s: invalid value %q: %s", p.Field, p.Value, p.Reason)
}
