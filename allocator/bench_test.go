package allocator

import (
	"fmt"
	"testing"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

const many = 10_000

// hundredPools are pools of 200 addresses each: room for twice as many
// Services as there are.
func hundredPools() *config.Snapshot {
	var pools []v1beta1.IPAddressPool
	for i := range 100 {
		pools = append(pools, pool(fmt.Sprintf("pool-%02d", i), fmt.Sprintf("10.0.%d.20-10.0.%d.219", i, i)))
	}
	return compile(pools...)
}

func manyServices(options ...option) []config.Service {
	out := make([]config.Service, many)
	for i := range out {
		out[i] = service(fmt.Sprintf("svc-%05d", i), options...)
	}
	return out
}

// settleAll assigns all Services on a new ledger, with the statuses written.
func settleAll(b *testing.B, snap *config.Snapshot, services []config.Service) *Ledger {
	b.Helper()

	l := NewLedger()
	for i := range services {
		settle(b, snap, l, &services[i])
	}
	return l
}

// BenchmarkAssignAll gives addresses to 10,000 Services that have none; one
// operation is all of them.
func BenchmarkAssignAll(b *testing.B) {
	hundred, one := hundredPools(), compile(pool("p", "10.0.0.0/16"))
	cases := []struct {
		name     string
		snap     *config.Snapshot
		services []config.Service
	}{
		{"pools=100", hundred, manyServices()},
		{"pools=1", one, manyServices()},
		{"pools=1/one-key-one-port", one, manyServices(sharing("k"))},
		{"pools=1/dual-stack", compile(pool("p", "10.0.0.0/16", "2001:db8::/64")), manyServices(families(config.IPv4, config.IPv6), policy(config.RequireDualStack))},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l := NewLedger()
				for i := range c.services {
					if err := l.Apply(c.services[i], Assign(c.snap, l, c.services[i])); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/Service")
		})
	}
}

// BenchmarkAssign asks about one Service among 10,000 in 100 pools.
func BenchmarkAssign(b *testing.B) {
	snap, services := hundredPools(), manyServices()
	l := settleAll(b, snap, services)

	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if o := Assign(snap, l, services[many/2]); o.Action != Keep || o.Changed {
				b.Fatalf("%+v", o)
			}
		}
	})
	b.Run("created", func(b *testing.B) {
		svc := service("new")
		b.ReportAllocs()
		for b.Loop() {
			if o := Assign(snap, l, svc); o.Action != Allocate {
				b.Fatalf("%+v", o)
			}
		}
	})
	b.Run("created-and-deleted", func(b *testing.B) {
		svc := service("new")
		b.ReportAllocs()
		for b.Loop() {
			if err := l.Apply(svc, Assign(snap, l, svc)); err != nil {
				b.Fatal(err)
			}
			l.Release(svc.Name)
		}
	})
	b.Run("moved-to-another-pool", func(b *testing.B) {
		svc := with(services[many/2], wantPool("pool-99"))
		b.ReportAllocs()
		for b.Loop() {
			if o := Assign(snap, l, svc); o.Action != Move {
				b.Fatalf("%+v", o)
			}
		}
	})
	b.Run("pending", func(b *testing.B) {
		svc := service("new", families(config.IPv6))
		b.ReportAllocs()
		for b.Loop() {
			if o := Assign(snap, l, svc); o.Action != Refuse {
				b.Fatalf("%+v", o)
			}
		}
	})
}

// BenchmarkAdopt enters 10,000 holders, as after a start.
func BenchmarkAdopt(b *testing.B) {
	snap, services := hundredPools(), manyServices()
	settleAll(b, snap, services)
	b.ReportAllocs()
	for b.Loop() {
		if n := NewLedger().Adopt(snap, services); n != many {
			b.Fatalf("adopted %d", n)
		}
	}
}
