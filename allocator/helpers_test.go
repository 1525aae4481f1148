package allocator

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// sameAddr lets cmp.Diff compare addresses, whose fields it cannot see.
var sameAddr = cmpopts.EquateComparable(netip.Addr{})

// pool is one IPAddressPool with the given entries.
func pool(name string, entries ...string) v1beta1.IPAddressPool {
	return v1beta1.IPAddressPool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.IPAddressPoolSpec{Addresses: entries},
	}
}

func noAutoAssign(p v1beta1.IPAddressPool) v1beta1.IPAddressPool {
	p.Spec.AutoAssign = new(bool)
	return p
}

func avoidBuggy(p v1beta1.IPAddressPool) v1beta1.IPAddressPool {
	p.Spec.AvoidBuggyIPs = true
	return p
}

// younger makes the pool lose against all others it contradicts.
func younger(p v1beta1.IPAddressPool) v1beta1.IPAddressPool {
	p.CreationTimestamp = metav1.NewTime(time.Unix(1, 0))
	return p
}

func pinned(p v1beta1.IPAddressPool, to v1beta1.ServiceAllocation) v1beta1.IPAddressPool {
	p.Spec.ServiceAllocation = &to
	return p
}

func onlyNamespace(name string) v1beta1.ServiceAllocation {
	return v1beta1.ServiceAllocation{Namespaces: []string{name}}
}

func onlyLabel(key, value string) v1beta1.ServiceAllocation {
	return v1beta1.ServiceAllocation{ServiceSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{key: value}}}}
}

// compile reads pools and the namespaces "default" and "blue" (tier=gold).
func compile(pools ...v1beta1.IPAddressPool) *config.Snapshot {
	snap, _ := config.Compile(config.Objects{Pools: pools, Namespaces: []corev1.Namespace{
		{ObjectMeta: metav1.ObjectMeta{Name: "default"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "blue", Labels: map[string]string{"tier": "gold"}}},
	}})
	return snap
}

// option changes one thing about a Service.
type option func(*config.Service)

// service is a LoadBalancer with one IPv4 ClusterIP and port 80/TCP in
// namespace default, unless the name says another and the options say more.
func service(name string, options ...option) config.Service {
	return with(config.Service{
		Name:         nameOf(name),
		LoadBalancer: true,
		Families:     []config.Family{config.IPv4},
		Ports:        []config.Port{{Protocol: "TCP", Number: 80}},
	}, options...)
}

func with(svc config.Service, options ...option) config.Service {
	for _, o := range options {
		o(&svc)
	}
	return svc
}

func nameOf(text string) types.NamespacedName {
	ns, name, found := strings.Cut(text, "/")
	if !found {
		ns, name = "default", text
	}
	return types.NamespacedName{Namespace: ns, Name: name}
}

func families(f ...config.Family) option {
	return func(s *config.Service) { s.Families = f }
}

func policy(p config.FamilyPolicy) option {
	return func(s *config.Service) { s.Policy = p }
}

func wantPool(name string) option {
	return func(s *config.Service) { s.WantPool = name }
}

func wantAddresses(text ...string) option {
	return func(s *config.Service) { s.WantAddresses = addresses(text...) }
}

func ports(p ...config.Port) option {
	return func(s *config.Service) { s.Ports = p }
}

func sharing(key string) option {
	return func(s *config.Service) { s.SharingKey, s.HasSharingKey = key, true }
}

// local is externalTrafficPolicy Local with a selector.
func local(selector string) option {
	return func(s *config.Service) { s.Local, s.Selector = true, selector }
}

func label(key, value string) option {
	return func(s *config.Service) { s.Labels = labels.Set{key: value} }
}

// status is what status.loadBalancer and the pool annotation say.
func status(fromPool string, text ...string) option {
	return func(s *config.Service) { s.FromPool, s.Addresses = fromPool, addresses(text...) }
}

func problem(field, value, reason string) option {
	return func(s *config.Service) {
		s.Problems = append(slices.Clip(s.Problems), config.Problem{
			Kind: "Service", Namespace: s.Name.Namespace, Name: s.Name.Name, Field: field, Value: value, Reason: reason,
		})
	}
}

func notLoadBalancer(s *config.Service) { s.LoadBalancer = false }

var (
	tcp80  = config.Port{Protocol: "TCP", Number: 80}
	tcp443 = config.Port{Protocol: "TCP", Number: 443}
	udp80  = config.Port{Protocol: "UDP", Number: 80}
)

func addresses(text ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range text {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// brief is an outcome as the tables write it.
type brief struct {
	Action    Action
	Addresses string // joined by blanks
	Pool      string
	Unchanged bool // status and annotation need no write
	Reasons   []Reason
	Notes     []string // reason: message
}

func briefly(o Outcome) brief {
	b := brief{Action: o.Action, Pool: o.Assignment.Pool, Unchanged: !o.Changed}
	for i, a := range o.Assignment.Addresses {
		if i > 0 {
			b.Addresses += " "
		}
		b.Addresses += a.String()
	}
	for _, r := range o.Refusals {
		b.Reasons = append(b.Reasons, r.Reason)
	}
	for _, n := range o.Notes {
		b.Notes = append(b.Notes, n.Reason+": "+n.Message)
	}
	return b
}

// settle assigns, applies and writes the status, as the controller does.
func settle(tb testing.TB, snap *config.Snapshot, l *Ledger, svc *config.Service) Outcome {
	tb.Helper()

	o := Assign(snap, l, *svc)
	if err := l.Apply(*svc, o); err != nil {
		tb.Fatalf("failed to apply the outcome for %s: %v", svc.Name, err)
	}
	if write(svc, o) { // of which the watch tells
		if err := l.Apply(*svc, Assign(snap, l, *svc)); err != nil {
			tb.Fatalf("failed to apply the written outcome for %s: %v", svc.Name, err)
		}
	}
	return o
}

// write puts an outcome into the status, as the API server then has it, and
// reports whether that was necessary.
func write(svc *config.Service, o Outcome) bool {
	if !o.Changed {
		return false
	}
	svc.Addresses, svc.FromPool = o.Assignment.Addresses, o.Assignment.Pool
	svc.Problems = deleteStatusProblems(svc.Problems)
	return true
}

func deleteStatusProblems(in []config.Problem) []config.Problem {
	var out []config.Problem
	for _, p := range in {
		if partOf(p.Field) != partStatus {
			out = append(out, p)
		}
	}
	return out
}
