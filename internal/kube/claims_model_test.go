package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// apiServer is one in memory: writes are atomic, name the version they replace,
// and every one makes a new version.
type apiServer struct {
	writes   int
	services map[types.NamespacedName]*corev1.Service // replaced, never modified
	claims   *ownClaims
	// given are the terms on which each Service was last given each address it
	// shows.
	given map[types.NamespacedName]map[netip.Addr]allocator.Holder
}

func newAPIServer() *apiServer {
	return &apiServer{
		services: map[types.NamespacedName]*corev1.Service{},
		claims:   &ownClaims{},
		given:    map[types.NamespacedName]map[netip.Addr]allocator.Holder{},
	}
}

// put stores a Service under a new version.
func (s *apiServer) put(obj *corev1.Service) {
	s.writes++
	obj.ResourceVersion = strconv.Itoa(s.writes)
	svc := config.ParseService(obj)
	before := s.given[svc.Name]
	after := map[netip.Addr]allocator.Holder{}
	for _, a := range svc.Addresses {
		h, had := before[a]
		if !had {
			h = allocator.NewHolder(&svc, "")
		}
		after[a] = h
	}
	s.given[svc.Name], s.services[svc.Name] = after, obj.DeepCopy()
}

// drop deletes a Service.
func (s *apiServer) drop(name types.NamespacedName) {
	delete(s.services, name)
	delete(s.given, name)
}

// doubleHolder names an address that two Services show which do not share it.
func (s *apiServer) doubleHolder() string {
	for one, its := range s.given {
		for a, h := range its {
			for other, theirs := range s.given {
				g, too := theirs[a]
				if other == one || !too {
					continue
				}
				if _, err := (allocator.Claim{Address: a, Holders: []allocator.Holder{g}}).With(h); err != nil {
					return fmt.Sprintf("%s is shown by %s and %s: %v", a, one, other, err)
				}
			}
		}
	}
	return ""
}

// dispute has a stranger use an address, as a speaker says in its claim, or go.
func (s *apiServer) dispute(a netip.Addr, heard bool) {
	c := s.claims.at(a)
	if c.Stranger = nil; heard {
		c.Stranger = &allocator.Stranger{MAC: "02:00:5e:00:53:01", Interface: "eth0", Node: "node-a", Heard: time.Now()}
	}
	if c.Version != "" || heard {
		_, _ = s.claims.write(context.Background(), c)
	}
}

// leaks names claims that no Service shows, and shown addresses without claim.
func (s *apiServer) leaks() string {
	for a, c := range s.claims.claims {
		if c.Empty() {
			return fmt.Sprintf("the claim of %s says nothing", a)
		}
		if !c.Released.IsZero() {
			continue
		}
		for _, h := range c.Holders {
			if svc := s.services[h.Service]; svc == nil || !shows(svc, a) {
				return fmt.Sprintf("%s is claimed for %s, which does not show it", a, h.Service)
			}
		}
	}
	for name, svc := range s.services {
		for _, in := range svc.Status.LoadBalancer.Ingress {
			if _, ok := s.claims.at(netip.MustParseAddr(in.IP)).Of(name); !ok {
				return fmt.Sprintf("%s shows %s without a claim", name, in.IP)
			}
		}
	}
	return ""
}

var (
	errKilled = errors.New("killed")
	errLost   = errors.New("the answer was lost")
)

// process is one controller, which believes that it leads. It stops before
// every request to the API server, until it is told to go on.
type process struct {
	server   *apiServer
	assigner *assigner
	// cache are the Services as it has heard of them; pools the configuration.
	cache map[types.NamespacedName]*corev1.Service
	pools int

	busy    bool
	arrived chan struct{} // before a request, or at the end
	verdict chan error    // what becomes of the request
	free    bool          // it does not stop
}

// startProcess starts a controller that has read everything just now.
func startProcess(server *apiServer, pools int) *process {
	p := &process{
		server: server, pools: pools, cache: maps.Clone(server.services),
		arrived: make(chan struct{}), verdict: make(chan error),
	}
	a := &assigner{
		ControllerOptions: ControllerOptions{Process: Process{Meter: nobody{}, Log: slog.New(slog.DiscardHandler)}},
		services:          p, claims: gatedClaims{p}, events: nobody{},
		ledger:  allocator.NewLedger(),
		waiting: map[types.NamespacedName]struct{}{}, written: map[types.NamespacedName]string{},
	}
	a.read = func(context.Context) (facts, error) {
		f := facts{objects: modelPools(p.pools), claims: slices.Collect(maps.Values(server.claims.claims))}
		for _, obj := range p.cache {
			f.services = append(f.services, config.ParseService(obj))
		}
		return f, nil
	}
	p.assigner = a
	if _, err := a.prepare(context.Background(), false); err != nil {
		panic(err)
	}
	return p
}

// start begins to reconcile a Service, up to its first request.
func (p *process) start(t *testing.T, name types.NamespacedName) {
	t.Helper()
	p.begin(t, func(ctx context.Context) error {
		_, err := p.assigner.reconcile(ctx, reconcile.Request{NamespacedName: name})
		return err
	})
}

// begin begins to do something, up to its first request.
func (p *process) begin(t *testing.T, do func(context.Context) error) {
	t.Helper()
	p.busy = true
	go func() {
		if err := do(context.Background()); err != nil && !errors.Is(err, errKilled) && !errors.Is(err, errLost) {
			t.Errorf("failed to reconcile: %v", err)
		}
		p.busy = false
		p.arrived <- struct{}{}
	}()
	<-p.arrived
}

// proceed lets it do one request.
func (p *process) proceed(verdict error) {
	if p.busy {
		p.verdict <- verdict
		<-p.arrived
	}
}

// kill ends it where it stands.
func (p *process) kill() {
	for p.busy {
		p.proceed(errKilled)
	}
}

// request stops before a request and returns what becomes of it.
func (p *process) request() (lost bool, err error) {
	if p.free {
		return false, nil
	}
	p.arrived <- struct{}{}
	verdict := <-p.verdict
	if errors.Is(verdict, errLost) {
		return true, nil
	}
	return false, verdict
}

func (p *process) cached(_ context.Context, name types.NamespacedName) (*corev1.Service, error) {
	return p.cache[name], nil
}

func (p *process) live(_ context.Context, name types.NamespacedName) (*corev1.Service, error) {
	if _, err := p.request(); err != nil {
		return nil, err
	}
	return p.server.services[name], nil
}

func (p *process) write(_ context.Context, last, next *corev1.Service) (bool, error) {
	lost, err := p.request()
	if err != nil {
		return false, err
	}
	now := p.server.services[types.NamespacedName{Namespace: last.Namespace, Name: last.Name}]
	if now == nil || now.ResourceVersion != last.ResourceVersion {
		return false, nil
	}
	p.server.put(next)
	if lost {
		return false, errLost
	}
	return true, nil
}

// gatedClaims are the server's claims as a process reaches them.
type gatedClaims struct{ p *process }

func (g gatedClaims) read(ctx context.Context, a netip.Addr) (allocator.Claim, error) {
	if _, err := g.p.request(); err != nil {
		return allocator.Claim{}, err
	}
	return g.p.server.claims.read(ctx, a)
}

func (g gatedClaims) write(ctx context.Context, c allocator.Claim) (allocator.Claim, error) {
	lost, err := g.p.request()
	if err != nil {
		return c, err
	}
	c, err = g.p.server.claims.write(ctx, c)
	if err == nil {
		for _, h := range c.Holders {
			if _, shown := g.p.server.given[h.Service][c.Address]; shown && c.Released.IsZero() {
				g.p.server.given[h.Service][c.Address] = h
			}
		}
	}
	if lost {
		return c, errLost
	}
	return c, err
}

func (g gatedClaims) remove(ctx context.Context, c allocator.Claim) error {
	lost, err := g.p.request()
	if err != nil {
		return err
	}
	err = g.p.server.claims.remove(ctx, c)
	if lost {
		return errLost
	}
	return err
}

// nobody listens to Events and counts nothing.
type nobody struct{}

func (nobody) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
func (nobody) Update(error)                                                                  {}
func (nobody) Config(int)                                                                    {}

// modelPools are the configurations there may be: all addresses, fewer, none,
// and with or without keeping them.
func modelPools(which int) config.Objects {
	ranges := []string{"192.0.2.1-192.0.2.3", "192.0.2.2-192.0.2.3", ""}[which%3]
	if ranges == "" {
		return config.Objects{}
	}
	pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	pool.Spec.Addresses = []string{ranges}
	if which >= 3 {
		pool.Annotations = map[string]string{config.AnnotationRetention: "1h"}
	}
	return config.Objects{Pools: []v1beta1.IPAddressPool{pool}}
}

// modelNames are the Services there may be.
func modelNames() []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: "default", Name: "a"},
		{Namespace: "default", Name: "b"},
		{Namespace: "default", Name: "c"},
		{Namespace: "default", Name: "d"},
	}
}

func modelAddresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}
}

// edit does to a Service what a user may: the bits say what it then asks for.
func (s *apiServer) edit(name types.NamespacedName, bits byte) {
	obj := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	if old := s.services[name]; old != nil {
		obj = old.DeepCopy()
	}
	obj.Spec.ClusterIPs = []string{"10.96.0.1"}
	obj.Spec.Type = corev1.ServiceTypeLoadBalancer
	if bits&0x80 != 0 {
		obj.Spec.Type = corev1.ServiceTypeClusterIP
	}
	obj.Spec.Ports = []corev1.ServicePort{{Protocol: corev1.ProtocolTCP, Port: 80 + int32(bits&1)}}
	if obj.Annotations == nil {
		obj.Annotations = map[string]string{}
	}
	delete(obj.Annotations, "metallb.io/allow-shared-ip")
	delete(obj.Annotations, "metallb.io/loadBalancerIPs")
	if bits&2 != 0 {
		obj.Annotations["metallb.io/allow-shared-ip"] = "key"
	}
	if bits&4 != 0 {
		obj.Annotations["metallb.io/loadBalancerIPs"] = modelAddresses()[int(bits>>3)%3].String()
	}
	s.put(obj)
}

// FuzzTwoLeaders defends P1: two controllers that both believe they lead, with
// views and configurations of different age, interrupted before any request,
// killed there or left without an answer, never give one address to two
// Services that do not share it. Left alone in the end, one of them leaves no
// claim without a Service and no address without a claim.
func FuzzTwoLeaders(f *testing.F) {
	for _, s := range []string{
		"\x00\x00\x00\x02\x00\x00\x04\x00\x00\x05\x00\x00\x06\x00\x00\x05\x00\x00",                 // claimed, killed
		"\x00\x00\x02\x00\x01\x03\x02\x00\x00\x02\x11\x00\x04\x00\x00\x04\x11\x00\x05\x00\x05\x11", // shared
		"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(twoLeaders)
}

func twoLeaders(t *testing.T, data []byte) {
	server := newAPIServer()
	leaders := []*process{startProcess(server, 0), startProcess(server, 0)}
	names, addrs := modelNames(), modelAddresses()
	for step := 0; len(data) >= 3 && step < 200; step++ {
		what, which, arg := data[0]%14, data[1], data[2]
		data = data[3:]
		p := leaders[which&1]
		name := names[int(which>>1)%len(names)]
		switch what {
		case 0:
			server.edit(name, arg)
		case 1:
			if arg%4 == 0 {
				server.drop(name)
			}
		case 2, 3:
			p.hear(name)
			if what == 3 && !p.busy {
				p.start(t, name)
			}
		case 4:
			if !p.busy {
				p.start(t, name)
			}
		case 5, 6, 7:
			p.proceed(nil)
		case 8:
			p.proceed(errLost)
		case 9:
			p.assigner.heard(server.claims.at(addrs[int(arg)%len(addrs)]))
		case 10:
			if arg%4 == 0 {
				p.kill()
				leaders[which&1] = startProcess(server, int(arg>>2)%6)
			}
		case 11:
			if !p.busy {
				p.pools = int(arg) % 6
				if _, err := p.assigner.prepare(t.Context(), true); err != nil {
					t.Fatal(err)
				}
			}
		case 12:
			server.dispute(addrs[int(arg)%len(addrs)], arg&4 == 0)
		case 13:
			if !p.busy {
				p.begin(t, func(ctx context.Context) error {
					_, err := p.assigner.lift(ctx, addrs[int(arg)%len(addrs)])
					return err
				})
			}
		}
		if found := server.doubleHolder(); found != "" {
			t.Fatalf("step %d: %s", step, found)
		}
	}
	leaders[1].kill()
	for leaders[0].busy {
		leaders[0].proceed(nil)
	}
	leaders[0].rest(t)
	if found := server.doubleHolder() + server.leaks(); found != "" {
		t.Fatalf("at rest: %s", found)
	}
}

// hear brings the cache up to date about one Service.
func (p *process) hear(name types.NamespacedName) {
	if obj := p.server.services[name]; obj != nil {
		p.cache[name] = obj
	} else {
		delete(p.cache, name)
	}
}

// rest lets it hear everything and act on it until there is nothing to do.
func (p *process) rest(t *testing.T) {
	t.Helper()
	p.free = true
	for range 30 {
		services, claims := p.server.writes, p.server.claims.writes
		for _, a := range modelAddresses() {
			p.assigner.heard(p.server.claims.at(a))
			if _, err := p.assigner.lift(t.Context(), a); err != nil {
				t.Fatalf("failed to lift the quarantine of %s: %v", a, err)
			}
		}
		for _, name := range modelNames() {
			p.hear(name)
			if _, err := p.assigner.reconcile(t.Context(), reconcile.Request{NamespacedName: name}); err != nil {
				t.Fatalf("failed to reconcile %s: %v", name, err)
			}
		}
		if services == p.server.writes && claims == p.server.claims.writes {
			return
		}
	}
	t.Fatal("30 rounds and no rest")
}
