package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// statusKind is what the status objects of one protocol are like.
type statusKind struct {
	protocol announce.Protocol
	// name is the kind; prefix begins the names of its objects, and watch is
	// what their reconciler is called in the metrics.
	name, prefix, watch string
	// single says that one node announces at a time, all addresses alike: its
	// object replaces those of all others, which may not be there to remove them.
	single bool
	// failures are the reasons a person should hear of: this node should
	// announce, and cannot.
	failures []announce.Reason

	object func() client.Object
	list   func() client.ObjectList
	// where names, of a verdict that announces, what a status lists.
	where func(*announce.Verdict) []string
	// read and fill translate between object and statement.
	read func(client.Object) statement
	fill func(client.Object, statement)
}

// statement is what a status object says.
type statement struct {
	node    string
	service types.NamespacedName
	// where is sorted: the interfaces selected, or the peers.
	where []string
}

func (s statement) equal(o statement) bool {
	return s.node == o.node && s.service == o.service && slices.Equal(s.where, o.where)
}

// layer2Status returns the kind that says which node answers for a Service, on
// which interfaces if not on all.
func layer2Status() statusKind {
	return statusKind{
		protocol: announce.Layer2,
		name:     "ServiceL2Status", prefix: "l2-", watch: "servicel2status",
		single:   true,
		failures: []announce.Reason{announce.NoInterface},
		object:   func() client.Object { return &v1beta1.ServiceL2Status{} },
		list:     func() client.ObjectList { return &v1beta1.ServiceL2StatusList{} },
		where:    func(v *announce.Verdict) []string { return v.Selected },
		read: func(obj client.Object) (s statement) {
			if o, ok := obj.(*v1beta1.ServiceL2Status); ok {
				s.node = o.Status.Node
				s.service = types.NamespacedName{Namespace: o.Status.ServiceNamespace, Name: o.Status.ServiceName}
				for _, i := range o.Status.Interfaces {
					s.where = append(s.where, i.Name)
				}
			}
			return s
		},
		fill: func(obj client.Object, s statement) {
			if o, ok := obj.(*v1beta1.ServiceL2Status); ok {
				o.Status = v1beta1.ServiceL2StatusStatus{Node: s.node, ServiceName: s.service.Name, ServiceNamespace: s.service.Namespace}
				for _, name := range s.where {
					o.Status.Interfaces = append(o.Status.Interfaces, v1beta1.InterfaceInfo{Name: name})
				}
			}
		},
	}
}

// bgpStatus returns the kind that says which peers one node tells of a Service;
// every node that does has its own object.
func bgpStatus() statusKind {
	return statusKind{
		protocol: announce.BGP,
		name:     "ServiceBGPStatus", prefix: "bgp-", watch: "servicebgpstatus",
		failures: []announce.Reason{announce.ConflictingAdvertisements},
		object:   func() client.Object { return &v1beta1.ServiceBGPStatus{} },
		list:     func() client.ObjectList { return &v1beta1.ServiceBGPStatusList{} },
		where:    func(v *announce.Verdict) []string { return v.Peers },
		read: func(obj client.Object) (s statement) {
			if o, ok := obj.(*v1beta1.ServiceBGPStatus); ok {
				s.node = o.Status.Node
				s.service = types.NamespacedName{Namespace: o.Status.ServiceNamespace, Name: o.Status.ServiceName}
				s.where = o.Status.Peers
			}
			return s
		},
		fill: func(obj client.Object, s statement) {
			if o, ok := obj.(*v1beta1.ServiceBGPStatus); ok {
				o.Status = v1beta1.ServiceBGPStatusStatus{
					Node: s.node, ServiceName: s.service.Name, ServiceNamespace: s.service.Namespace, Peers: s.where,
				}
			}
		},
	}
}
