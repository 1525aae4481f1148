package kube

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/speaker/announce"
)

const testNamespace = "metallb-system"

// recorded is an API server that notes what is written to it.
type recorded struct {
	client.Client
	writes *[]string
}

func newRecorded(t *testing.T) recorded {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	var writes []string
	note := func(verb string, obj client.Object) {
		writes = append(writes, verb+" "+obj.GetLabels()[v1beta1.LabelNode])
	}
	c := fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1beta1.ServiceL2Status{}, &v1beta1.ServiceBGPStatus{}).
		WithIndex(&v1beta1.ServiceL2Status{}, byService, indexServiceStatus).
		WithIndex(&v1beta1.ServiceBGPStatus{}, byService, indexServiceStatus).
		WithObjects(
			&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}},
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a", UID: "uid-a"}},
			&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-b", UID: "uid-b"}},
		).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
				note("create", obj)
				obj.SetUID(uuid.NewUUID()) // as the real one does
				return c.Create(ctx, obj, opts...)
			},
			Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
				note("delete", obj)
				return c.Delete(ctx, obj, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				note("patch", obj)
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	return recorded{c, &writes}
}

// written returns what was written since the last call.
func (r recorded) written() []string {
	out := *r.writes
	*r.writes = nil
	return out
}

// statusNode is one node's writer, as after its first report.
type statusNode struct {
	*testing.T
	*serviceStatus
	heard *events.FakeRecorder
}

func newStatusNode(t *testing.T, kind statusKind, on recorded, node string) *statusNode {
	t.Helper()
	heard := events.NewFakeRecorder(100)
	w := newServiceStatus(kind, testNamespace, node)
	w.client, w.events, w.owner = on, heard, nodeOwner(on, node)
	w.report(announce.Revision{})
	return &statusNode{t, w, heard}
}

func webKey(addr string, p announce.Protocol) announce.Key {
	return announce.Key{Service: types.NamespacedName{Namespace: "default", Name: "web"}, Addr: netip.MustParseAddr(addr), Protocol: p}
}

// judge reports verdicts and lets them settle.
func (n *statusNode) judge(all ...announce.Verdict) {
	n.Helper()
	var r announce.Revision
	for _, v := range all {
		r.Changed = append(r.Changed, announce.Change{Verdict: v})
	}
	n.report(r)
	n.act()
}

func (n *statusNode) act() {
	n.Helper()
	if _, err := n.reconcile(n.Context(), reconcile.Request{NamespacedName: webKey("192.0.2.1", "").Service}); err != nil {
		n.Fatal(err)
	}
}

// told returns the Events since the last call.
func (n *statusNode) told() (all []string) {
	for {
		select {
		case e := <-n.heard.Events:
			all = append(all, e)
		default:
			return all
		}
	}
}

// stored returns the status objects there are, as "node: where owner".
func (n *statusNode) stored(on recorded) []string {
	n.Helper()
	list := n.kind.list()
	if err := on.List(n.Context(), list); err != nil {
		n.Fatal(err)
	}
	var out []string
	add := func(obj client.Object) {
		s := n.kind.read(obj)
		if !strings.HasPrefix(obj.GetName(), n.kind.prefix) || s.service != webKey("192.0.2.1", "").Service {
			n.Errorf("an object called %s speaks of %s", obj.GetName(), s.service)
		}
		owner := obj.GetOwnerReferences()[0]
		out = append(out, s.node+": "+strings.Join(s.where, " ")+" of "+owner.Kind+" "+string(owner.UID))
	}
	switch l := list.(type) {
	case *v1beta1.ServiceBGPStatusList:
		for i := range l.Items {
			add(&l.Items[i])
		}
	case *v1beta1.ServiceL2StatusList:
		for i := range l.Items {
			add(&l.Items[i])
		}
	}
	slices.Sort(out)
	return out
}

func (n *statusNode) want(what string, got []string, want ...string) {
	n.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		n.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

func routed(addr string, peers ...string) announce.Verdict {
	return announce.Verdict{Key: webKey(addr, announce.BGP), Reason: announce.Announced, Peers: peers}
}

func refusedRoute(addr string, r announce.Reason, detail string) announce.Verdict {
	return announce.Verdict{Key: webKey(addr, announce.BGP), Reason: r, Detail: detail}
}

// TestServiceBGPStatus tells the life of a Service that two nodes advertise:
// each says so for itself (P7), and nothing is written twice (P10).
func TestServiceBGPStatus(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	a, b := newStatusNode(t, bgpStatus(), on, "node-a"), newStatusNode(t, bgpStatus(), on, "node-b")

	a.judge(routed("192.0.2.1", "tor-2"))
	a.judge(routed("2001:db8::1", "tor-1", "tor-2"))
	b.judge(routed("192.0.2.1", "tor-3"))
	a.want("written", on.written(), "create node-a", "patch node-a", "patch node-a", "create node-b", "patch node-b")
	a.want("stored", a.stored(on), "node-a: tor-1 tor-2 of Node uid-a", "node-b: tor-3 of Node uid-b")
	a.want("told", a.told(), `Normal nodeAssigned announcing from node "node-a" with protocol "bgp"`)

	a.act()
	b.act()
	restarted := newStatusNode(t, bgpStatus(), on, "node-a")
	restarted.judge(routed("192.0.2.1", "tor-2"), routed("2001:db8::1", "tor-1", "tor-2"))
	a.want("written when nothing changed but the process", on.written())
	a.want("told", restarted.told())

	a.judge(refusedRoute("192.0.2.1", announce.NoEndpoints, ""))
	a.judge(refusedRoute("2001:db8::1", announce.NoEndpoints, ""))
	a.want("stored", a.stored(on), "node-b: tor-3 of Node uid-b")
	b.report(announce.Revision{Gone: []announce.Verdict{routed("192.0.2.1", "tor-3")}})
	b.act()
	a.want("stored", a.stored(on))
	a.want("told of a withdrawal", a.told())
}

// TestServiceL2Status: the one node that answers removes what another left
// behind, which may be gone itself.
func TestServiceL2Status(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	a, b := newStatusNode(t, layer2Status(), on, "node-a"), newStatusNode(t, layer2Status(), on, "node-b")
	v := announce.Verdict{Key: webKey("192.0.2.1", announce.Layer2), Reason: announce.Announced, Interfaces: []string{"eth0", "eth1"}, Selected: []string{"eth0"}}
	a.judge(v)
	a.want("stored", a.stored(on), "node-a: eth0 of Node uid-a")
	v.Selected = nil
	b.judge(v)
	a.want("stored", a.stored(on), "node-b:  of Node uid-b")
	a.want("written", on.written(), "create node-a", "patch node-a", "delete node-a", "create node-b", "patch node-b")

	v.Reason = announce.NotOwner
	a.judge(v)
	a.act()
	a.want("written by a node that does not own", on.written())
}

// TestDispute: nodes that disagree about who owns an address do not fight over
// the API server (P10).
func TestDispute(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	a, b := newStatusNode(t, layer2Status(), on, "node-a"), newStatusNode(t, layer2Status(), on, "node-b")
	v := announce.Verdict{Key: webKey("192.0.2.1", announce.Layer2), Reason: announce.Announced}
	a.judge(v)
	b.judge(v)
	on.written()
	for range 3 {
		a.act()
		b.act()
	}
	a.want("written", on.written())
	a.want("stored", a.stored(on), "node-b:  of Node uid-b")

	v.Reason = announce.NotOwner
	b.judge(v)
	a.act()
	a.want("stored when it is settled", a.stored(on), "node-a:  of Node uid-a")
}

// TestNothingIsSaidBeforeTheFirstReport: a speaker that has not decided yet
// takes back nothing that an earlier one wrote.
func TestNothingIsSaidBeforeTheFirstReport(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	newStatusNode(t, bgpStatus(), on, "node-a").judge(routed("192.0.2.1", "tor-1"))
	on.written()

	restarted := newStatusNode(t, bgpStatus(), on, "node-a")
	restarted.reported = false
	restarted.act()
	restarted.want("written", on.written())
}

// TestCacheBehind: what the cache does not show yet is not written again.
func TestCacheBehind(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	a := newStatusNode(t, bgpStatus(), on, "node-a")
	a.judge(routed("192.0.2.1", "tor-1"))
	on.written()

	for uid := range a.written {
		a.written[uid] = "1000000"
	}
	a.judge(routed("192.0.2.1", "tor-2"))
	a.want("written", on.written())
}

// TestComplaints: a person is told once of what this node should announce and
// cannot, and not of every Service that one mistake concerns.
func TestComplaints(t *testing.T) {
	t.Parallel()

	on := newRecorded(t)
	a := newStatusNode(t, bgpStatus(), on, "node-a")
	conflict := refusedRoute("192.0.2.1", announce.ConflictingAdvertisements, "fast and slow disagree")
	a.judge(conflict)
	a.judge(conflict)
	a.want("told", a.told(), "Warning announceFailed cannot announce 192.0.2.1 from node node-a: fast and slow disagree")

	a.judge(refusedRoute("192.0.2.1", announce.NoPeer, "no BGPPeer selects this node"))
	a.want("told of what may well be meant", a.told())

	a.judge(conflict)
	a.want("told when it is back", a.told(), "Warning announceFailed cannot announce 192.0.2.1 from node node-a: fast and slow disagree")

	for a.complaints.TryAccept() { // other Services use it up
	}
	a.judge(refusedRoute("192.0.2.1", announce.NoEndpoints, ""))
	a.report(announce.Revision{Changed: []announce.Change{{Verdict: conflict}}})
	got, err := a.reconcile(t.Context(), reconcile.Request{NamespacedName: conflict.Service})
	if err != nil || got.RequeueAfter != complaintDelay {
		t.Errorf("reconcile: %+v, %v, want another attempt in %s", got, err, complaintDelay)
	}
	a.want("told", a.told())
}
