package config

import (
	"math/bits"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Node is what announcements depend on of one Kubernetes node. A node's other
// properties (Ready, cordon, most taints) deliberately play no part.
type Node struct {
	Name   string
	Labels labels.Set
	// Excluded nodes carry the label
	// node.kubernetes.io/exclude-from-external-load-balancers, with any value.
	Excluded bool
	// NetworkUnavailable mirrors the node condition of that name being True.
	NetworkUnavailable bool
	// Draining nodes are about to leave: traffic is to move away before they do.
	Draining bool
}

const (
	// KeyDrain is an annotation, and the key of a taint, that makes a cordon mean
	// that the node leaves. The annotation's value "false" takes it back.
	KeyDrain = annotationPrefix + "drain"

	// taintAutoscaler is what the cluster autoscaler puts on a node that it is
	// about to delete.
	taintAutoscaler = "ToBeDeletedByClusterAutoscaler"
	// shuttingDown is what a kubelet says in its Ready condition from the moment
	// the machine is told to shut down. Other complaints may stand beside it.
	shuttingDown = "node is shutting down"
)

// ParseNode reads one node. It cannot fail.
func ParseNode(n *corev1.Node) Node {
	node := Node{Name: n.Name, Labels: n.Labels}
	_, node.Excluded = n.Labels[corev1.LabelNodeExcludeBalancers]
	node.Draining = drained(n)
	for _, c := range n.Status.Conditions {
		switch {
		case c.Type == corev1.NodeNetworkUnavailable && c.Status == corev1.ConditionTrue:
			node.NetworkUnavailable = true
		case c.Type == corev1.NodeReady && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, shuttingDown):
			node.Draining = true
		}
	}
	return node
}

// drained reports whether somebody who removes nodes is at work on this one. A
// cordon alone says no such thing: it keeps new Pods away, and what the node
// serves it goes on serving.
func drained(n *corev1.Node) bool {
	tainted := func(key string) bool {
		return slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == key })
	}
	wish, annotated := n.Annotations[KeyDrain]
	asked := annotated && wish != "false" || tainted(KeyDrain)
	return n.Spec.Unschedulable && asked || tainted(taintAutoscaler)
}

// Equal reports whether nothing that announcements depend on differs.
func (n Node) Equal(o Node) bool {
	return n.Name == o.Name && n.Excluded == o.Excluded && n.Draining == o.Draining &&
		n.NetworkUnavailable == o.NetworkUnavailable && labels.Equals(n.Labels, o.Labels)
}

// NodeSet is a set of positions in [Snapshot.Nodes]. The zero value is empty;
// sets of one snapshot are of one length or nil.
type NodeSet []uint64

// NewNodeSet returns an empty set with room for n nodes.
func NewNodeSet(n int) NodeSet { return make(NodeSet, (n+63)/64) }

// Add puts position i into the set.
func (s NodeSet) Add(i int) { s[i/64] |= 1 << (i % 64) }

// Has reports whether position i is in the set.
func (s NodeSet) Has(i int) bool {
	return i >= 0 && i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0
}

// Union adds all of o to s.
func (s NodeSet) Union(o NodeSet) {
	for i := range o {
		s[i] |= o[i]
	}
}

// Intersect removes from s what is not in o.
func (s NodeSet) Intersect(o NodeSet) {
	for i := range s {
		if i < len(o) {
			s[i] &= o[i]
		} else {
			s[i] = 0
		}
	}
}

// Intersects reports whether some position is in both sets.
func (s NodeSet) Intersects(o NodeSet) bool {
	for i := range min(len(s), len(o)) {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// Subtract removes from s what is in o.
func (s NodeSet) Subtract(o NodeSet) {
	for i := range min(len(s), len(o)) {
		s[i] &^= o[i]
	}
}

// Empty reports whether nothing is in the set.
func (s NodeSet) Empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

// Len counts the members.
func (s NodeSet) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// All yields the members in ascending order.
func (s NodeSet) All(yield func(int) bool) {
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}
