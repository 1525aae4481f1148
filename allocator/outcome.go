package allocator

// Outcome is what [Assign] decided about one Service. The zero value leaves
// the Service alone.
type Outcome struct {
	Action Action
	// Assignment is what the Service holds from now on; zero for none.
	Assignment Assignment
	// Changed is set when the Service's status or pool annotation does not yet
	// say what Assignment says, and has to be written. Only the set of
	// addresses counts, not their order.
	Changed bool
	// Refusals say, as data, why the Service holds less than it asks for:
	// one for each pool or address asked. Empty if it has all of it.
	Refusals []Refusal
	// Standing is the same for a person: what stands against the Service for as
	// long as it does. It is what a condition says.
	Standing []Note
	// Notes are the news, in order, each to be said once as an Event: what
	// happened, and what of Standing the ledger has not been told before.
	Notes []Note
}

// Action is what becomes of the addresses of a Service.
type Action uint8

// The actions.
const (
	// Ignore: the Service is not ours and holds nothing of ours.
	Ignore Action = iota
	// Keep: it holds what it held. The name of the pool may have changed.
	Keep
	// Allocate: it held nothing and gets addresses.
	Allocate
	// Move: it gets others than it held, or one more, or one fewer.
	Move
	// Release: it held addresses and gets none.
	Release
	// Refuse: it held none and gets none. An address that another controller
	// wrote into its status is left there.
	Refuse
)

// String returns the action in lower case.
func (a Action) String() string {
	switch a {
	case Ignore:
		return "ignore"
	case Keep:
		return "keep"
	case Allocate:
		return "allocate"
	case Move:
		return "move"
	case Release:
		return "release"
	case Refuse:
		return "refuse"
	default:
		return "unknown"
	}
}

// Note is one thing to say about a Service, as an Event or in a condition.
type Note struct {
	Type NoteType
	// Reason is one of the Event reasons below.
	Reason string
	// Message is for a person and names addresses, pools and Services.
	Message string
}

// NoteType is how bad it is, in the words of Kubernetes Events.
type NoteType string

// The types of notes.
const (
	Normal  NoteType = "Normal"
	Warning NoteType = "Warning"
)

// The Event reasons of a note, in MetalLB's words and spelling: alerts and
// scripts look for them.
const (
	// EventIPAllocated: addresses were given.
	EventIPAllocated = "IPAllocated"
	// EventClearAssignment: addresses were taken away.
	EventClearAssignment = "ClearAssignment"
	// EventAdditionalAssignFailed: a Service that prefers dual-stack has to do
	// with one address.
	EventAdditionalAssignFailed = "AdditionalAssignFailed"
	// EventAllocationFailed: no address could be given, or not the one asked for.
	EventAllocationFailed = "AllocationFailed"
	// EventLoadBalancerFailed: the request cannot be read; what is held is kept.
	EventLoadBalancerFailed = "LoadBalancerFailed"
	// EventAddressConflict: a host outside the cluster uses the address. It is
	// ours alone: MetalLB does not look.
	EventAddressConflict = "AddressConflict"
	// EventNotEnoughClusterIPs: dual-stack is required of a Service with fewer
	// than two ClusterIPs.
	EventNotEnoughClusterIPs = "not enough clusterips"
	// EventClusterIPFamily: the ClusterIPs of a Service with addresses cannot
	// be read.
	EventClusterIPFamily = "noclusterIPsIPFamily"
	// EventStatusFamily: the addresses in status cannot be read, or are more
	// than one per family.
	EventStatusFamily = "nolbIPsIPFamily"
)
