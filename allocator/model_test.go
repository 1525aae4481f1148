package allocator

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// world is a small cluster that a script of bytes drives: six Services, and
// pools of a few addresses that overlap, move, shrink and turn invalid.
type world struct {
	t        *testing.T
	snap     *config.Snapshot
	ledger   *Ledger
	services map[types.NamespacedName]*config.Service
	// applied are the Services as the ledger last saw them.
	applied map[types.NamespacedName]config.Service
	// given is with what each Service was last assigned each address. Tainted are
	// the addresses that somebody else wrote into a status: who shows these is
	// not our doing alone.
	given   map[types.NamespacedName]map[netip.Addr]config.Service
	tainted map[netip.Addr]bool
	// disputed are the addresses that a stranger uses.
	disputed map[netip.Addr]bool
}

func newWorld(t *testing.T) *world {
	t.Helper()

	return &world{
		t: t, snap: menu.compile(0), ledger: NewLedger(),
		services: make(map[types.NamespacedName]*config.Service),
		applied:  make(map[types.NamespacedName]config.Service),
		given:    make(map[types.NamespacedName]map[netip.Addr]config.Service),
		tainted:  make(map[netip.Addr]bool),
		disputed: make(map[netip.Addr]bool),
	}
}

// snapshots remembers what was compiled, which would otherwise be most of the
// work of a fuzz target.
type snapshots struct {
	mu   sync.Mutex
	seen map[byte]*config.Snapshot
}

var menu = snapshots{seen: make(map[byte]*config.Snapshot)}

// compile reads the pools that the bits choose.
func (m *snapshots) compile(bits byte) *config.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()

	if s := m.seen[bits]; s != nil {
		return s
	}
	on := func(bit int) bool { return bits&(1<<bit) != 0 }
	a := pool("a", "192.0.2.0/30", "2001:db8::/126")
	if on(1) { // shrinks
		a = pool("a", "192.0.2.0/31", "2001:db8::/127")
	}
	if on(2) { // turns invalid
		a.Spec.Addresses = append(a.Spec.Addresses, "nonsense")
	}
	if on(3) { // is renamed
		a.Name = "e"
	}
	if on(4) {
		a = avoidBuggy(a)
	}
	b := pool("b", "192.0.2.4-192.0.2.6")
	if on(5) {
		b = pinned(b, onlyNamespace("blue"))
	}
	c := noAutoAssign(pool("c", "198.51.100.0/31", "2001:db8:1::/127"))
	// d overlaps a and b, and loses against both.
	d := younger(pool("d", "192.0.2.2-192.0.2.8"))

	var pools []v1beta1.IPAddressPool
	if !on(0) {
		pools = append(pools, a)
	}
	pools = append(pools, b)
	if !on(6) {
		pools = append(pools, c)
	}
	if on(7) {
		pools = append(pools, d)
	}
	if bits == 0xff {
		pools = nil
	}
	m.seen[bits] = compile(pools...)
	return m.seen[bits]
}

// op is one step of a script.
type op struct{ what, arg1, arg2 byte }

// script reads a fuzz input, at most 40 steps of it.
func script(data []byte) []op {
	var out []op
	for ; len(data) >= 3 && len(out) < 40; data = data[3:] {
		out = append(out, op{data[0] % 16, data[1], data[2]})
	}
	return out
}

// names are the Services there can be, in two namespaces.
var names = []types.NamespacedName{
	nameOf("default/s0"), nameOf("default/s1"), nameOf("default/s2"),
	nameOf("default/s3"), nameOf("blue/s4"), nameOf("blue/s5"),
}

// pick returns the Service that a byte means, made if there is none.
func (w *world) pick(b byte) *config.Service {
	name := names[int(b)%len(names)]
	if w.services[name] == nil {
		svc := service(name.String())
		w.services[name] = &svc
	}
	return w.services[name]
}

// step does one op. It returns the Services whose own state it changed, and
// whether pools or the ledger's memory changed.
func (w *world) step(o op) (touched *config.Service, global bool) {
	switch o.what {
	case 0, 1, 2, 3:
		svc := w.pick(o.arg1)
		edit(svc, o.arg2)
		return svc, false
	case 4, 5, 6, 7, 8:
		svc := w.pick(o.arg1)
		w.process(svc)
		return svc, false
	case 9: // the write of the status is lost
		svc := w.pick(o.arg1)
		w.apply(svc)
		return svc, false
	case 10:
		w.snap = menu.compile(o.arg1)
		return nil, true
	case 11:
		svc := w.pick(o.arg1)
		w.ledger.Release(svc.Name)
		delete(w.services, svc.Name)
		delete(w.applied, svc.Name)
		delete(w.given, svc.Name)
		return svc, false
	case 12:
		w.restart(int(o.arg1))
		return nil, true
	case 13:
		svc := w.pick(o.arg1)
		tamper(svc, o.arg2)
		for _, a := range svc.Addresses {
			w.tainted[a] = true
		}
		return svc, false
	case 15: // a stranger comes or goes
		all := addresses("192.0.2.1", "192.0.2.2", "192.0.2.4", "2001:db8::1", "198.51.100.0")
		a := all[int(o.arg1)%len(all)]
		if w.disputed[a] = !w.disputed[a]; w.disputed[a] {
			w.ledger.Learn(disputedBy(a.String(), "02:00:00:00:00:01"))
		} else {
			w.ledger.Unlearn(a)
		}
		return nil, true
	default:
		for _, name := range names {
			if svc := w.services[name]; svc != nil {
				w.process(svc)
			}
		}
		return nil, true
	}
}

// process assigns, applies and writes.
func (w *world) process(svc *config.Service) Outcome {
	o := w.apply(svc)
	write(svc, o)
	return o
}

func (w *world) apply(svc *config.Service) Outcome {
	o := Assign(w.snap, w.ledger, *svc)
	if err := w.ledger.Apply(*svc, o); err != nil {
		w.t.Fatalf("an outcome that was just made cannot be applied: %v", err)
	}
	w.enter(*svc)
	return o
}

// enter notes that the ledger has seen the Service as it is.
func (w *world) enter(svc config.Service) {
	w.applied[svc.Name] = svc
	if w.given[svc.Name] == nil {
		w.given[svc.Name] = make(map[netip.Addr]config.Service)
	}
	a, _ := w.ledger.Assignment(svc.Name)
	for _, addr := range a.Addresses {
		w.given[svc.Name][addr] = svc
	}
}

// restart forgets the ledger and adopts the Services in some order. One that
// was changed since it was given what it shows may no longer share it, and of
// those that did there is no telling who changed.
func (w *world) restart(rotate int) {
	for name, svc := range w.services {
		for _, a := range svc.Addresses {
			if g := w.given[name][a]; !sameSharing(&g, svc) {
				w.tainted[a] = true
			}
		}
	}
	w.ledger = NewLedger()
	for a, disputed := range w.disputed {
		if disputed {
			w.ledger.Learn(disputedBy(a.String(), "02:00:00:00:00:01"))
		}
	}
	w.applied = make(map[types.NamespacedName]config.Service)
	all := w.list(rotate)
	w.ledger.Adopt(w.snap, all)
	for _, svc := range all {
		if _, ok := w.ledger.Assignment(svc.Name); ok {
			w.enter(svc)
		}
	}
}

// list copies the Services, starting with another one each time.
func (w *world) list(rotate int) []config.Service {
	var out []config.Service
	for i := range names {
		if svc := w.services[names[(i+rotate)%len(names)]]; svc != nil {
			out = append(out, *svc)
		}
	}
	return out
}

// edit changes one thing in the spec of a Service.
func edit(svc *config.Service, b byte) {
	v4, v6 := config.IPv4, config.IPv6
	switch v := b / 8; b % 8 {
	case 0:
		svc.SharingKey = []string{"", "k", "k", "q"}[v%4]
	case 1:
		svc.Ports = [][]config.Port{{tcp80}, {tcp443}, {tcp443, tcp80}, {udp80}, nil}[v%5]
	case 2:
		svc.Local, svc.Selector = v%2 == 1, []string{"", "app=x", "app=y"}[v%3]
	case 3:
		svc.Families = [][]config.Family{{v4}, {v6}, {v4, v6}, {v6, v4}, nil}[v%5]
		svc.Policy = []config.FamilyPolicy{config.SingleStack, config.PreferDualStack, config.RequireDualStack}[v%3]
	case 4:
		svc.WantPool = []string{"", "", "a", "b", "c", "d", "nope"}[v%7]
	case 5:
		svc.WantAddresses = [][]netip.Addr{
			nil, nil, addresses("192.0.2.1"), addresses("192.0.2.4"), addresses("2001:db8::1"),
			addresses("192.0.2.1", "2001:db8::1"), addresses("198.51.100.1"), addresses("203.0.113.1"),
		}[v%8]
	case 6:
		svc.LoadBalancer = v%4 != 0
	case 7:
		svc.Problems = nil
		if v%3 == 0 {
			*svc = with(*svc, problem("spec.loadBalancerIP", "x", "is not an IP address"))
		}
	}
}

// tamper changes the status of a Service behind our back.
func tamper(svc *config.Service, b byte) {
	svc.FromPool = []string{"a", "b", "", "d", "gone"}[b%5]
	svc.Addresses = [][]netip.Addr{
		nil, addresses("192.0.2.1"), addresses("192.0.2.1"), addresses("192.0.2.4"), addresses("2001:db8::1"),
		addresses("192.0.2.2", "2001:db8::1"), addresses("192.0.2.1", "192.0.2.2"), addresses("203.0.113.1"),
	}[b/5%8]
}

// mayShare is the rule of the reference, section 3.4, once more.
func mayShare(a, b config.Service) bool {
	if a.SharingKey == "" || a.SharingKey != b.SharingKey || a.BackendKey() != b.BackendKey() {
		return false
	}
	return !slices.ContainsFunc(a.Ports, func(p config.Port) bool { return slices.Contains(b.Ports, p) })
}

// held is who holds an address, as the ledger's assignments say.
func (w *world) held() map[netip.Addr][]types.NamespacedName {
	out := make(map[netip.Addr][]types.NamespacedName)
	for _, name := range names {
		a, _ := w.ledger.Assignment(name)
		for _, addr := range a.Addresses {
			out[addr] = append(out[addr], name)
		}
	}
	return out
}

// doubleHolder returns two Services that hold one address and may not.
func (w *world) doubleHolder() string {
	for addr, holders := range w.held() {
		for i, a := range holders {
			for _, b := range holders[i+1:] {
				if !mayShare(w.applied[a], w.applied[b]) {
					return fmt.Sprintf("%s is held by %s and %s", addr, a, b)
				}
			}
		}
	}
	return ""
}

// doubleStatus returns two Services that show one address in their status and
// were not both given it to share.
func (w *world) doubleStatus() string {
	for i, a := range names {
		for _, b := range names[i+1:] {
			x, y := w.services[a], w.services[b]
			if x == nil || y == nil {
				continue
			}
			for _, addr := range x.Addresses {
				if slices.Contains(y.Addresses, addr) && !w.tainted[addr] && !mayShare(w.given[a][addr], w.given[b][addr]) {
					return fmt.Sprintf("%s is in the status of %s and %s", addr, a, b)
				}
			}
		}
	}
	return ""
}

// naive finds what a Service that asks for nothing is given, by looking at
// every address of every pool.
func (w *world) naive(svc config.Service) []netip.Addr {
	free := func(a netip.Addr) bool {
		if w.disputed[a] {
			return false
		}
		for name, r := range w.ledger.services {
			for _, h := range r.holdings {
				other := config.Service{SharingKey: h.identity.key, Local: true, Selector: h.identity.backend, Ports: h.ports}
				if h.addr == a && name != svc.Name && !mayShare(svc, other) {
					return false
				}
			}
		}
		return true
	}
	lowest := func(p *config.Pool, f config.Family) (netip.Addr, bool) {
		for _, r := range p.Ranges {
			for a := r.From(); config.FamilyOf(a) == f && r.Contains(a); a = a.Next() {
				if !p.Withholds(a) && free(a) {
					return a, true
				}
			}
		}
		return netip.Addr{}, false
	}
	tries := [][]config.Family{svc.Families}
	if svc.Policy == config.PreferDualStack && len(svc.Families) == 2 {
		tries = append(tries, svc.Families[:1], svc.Families[1:])
	}
	for _, pinned := range []bool{true, false} {
		for _, families := range tries {
			for _, p := range w.snap.Pools { // no priorities in this world
				if p.Suspended || !p.AutoAssign || (p.Allocation != nil) != pinned || !p.Admits(svc.Name.Namespace, svc.Labels) {
					continue
				}
				var got []netip.Addr
				for _, f := range families {
					if a, ok := lowest(p, f); ok {
						got = append(got, a)
					}
				}
				if len(got) == len(families) {
					slices.SortFunc(got, netip.Addr.Compare)
					return got
				}
			}
		}
	}
	return nil
}

// audit compares the ledger's indexes with its records.
func audit(l *Ledger) string {
	type indexes struct {
		Holders  map[string]string
		Used     string
		Shared   map[string]string
		Ports    map[string]string
		Assigned map[string]count
	}
	members := func(s *addressSet) string {
		var out []netip.Addr
		for _, p := range s.pages {
			for i, ok := p.bits.next(0); ok; i, ok = p.bits.next(i + 1) {
				out = append(out, p.base.at(i))
				if i == 255 {
					break
				}
			}
		}
		return fmt.Sprint(out)
	}

	want := indexes{map[string]string{}, "", map[string]string{}, map[string]string{}, map[string]count{}}
	var used addressSet
	shared, ports := map[string]*addressSet{}, map[string]*addressSet{}
	for _, name := range slices.SortedFunc(maps.Keys(l.services), compareNames) {
		seen := map[netip.Addr]bool{}
		for _, h := range l.services[name].holdings {
			if seen[h.addr] {
				continue
			}
			seen[h.addr] = true
			want.Holders[h.addr.String()] += name.String() + " "
			used.add(h.addr)
			if h.identity.key == "" {
				continue
			}
			setOf(shared, fmt.Sprint(h.identity)).add(h.addr)
			for _, p := range h.ports {
				setOf(ports, fmt.Sprint(h.identity, p)).add(h.addr)
			}
		}
	}
	for a := range l.claims {
		used.add(a)
	}
	want.Used = members(&used)
	for k, s := range shared {
		want.Shared[k] = members(s)
	}
	for k, s := range ports {
		want.Ports[k] = members(s)
	}

	got := indexes{map[string]string{}, members(&l.used), map[string]string{}, map[string]string{}, l.assigned}
	for a, t := range l.tenants {
		for _, h := range t.holders {
			got.Holders[a.String()] += h.String() + " "
		}
		if t.pool != "" {
			n := want.Assigned[t.pool]
			n[slot(config.FamilyOf(a))]++
			want.Assigned[t.pool] = n
		}
	}
	for k, s := range l.shared {
		got.Shared[fmt.Sprint(k)] = members(s)
	}
	for k, s := range l.ports {
		got.Ports[fmt.Sprint(k.identity, k.port)] = members(s)
	}
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// news says what an outcome still has to say or to write.
func news(o Outcome) string {
	var parts []string
	if o.Changed {
		parts = append(parts, "the status is to be written")
	}
	for _, n := range o.Notes {
		parts = append(parts, n.Reason+": "+n.Message)
	}
	if o.Action == Allocate || o.Action == Move || o.Action == Release {
		parts = append(parts, "the action is "+o.Action.String())
	}
	return strings.Join(parts, "; ")
}
