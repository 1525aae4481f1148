package bgp

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// BenchmarkAdvertise measures what happens between Set and the last message of
// four sessions: for 10,000 new routes, and for one that changes among them. The
// wire is memory, so encoding is not in it.
func BenchmarkAdvertise(b *testing.B) {
	const routes, peers = 10_000, 4
	attributes := make([]*Attributes, 100) // as many as there are groups of Services
	for i := range attributes {
		attributes[i] = &Attributes{Communities: []Community{Community(i)}}
	}
	all := hosts(routes, nil)
	for i := range all {
		all[i].Attributes = attributes[i%len(attributes)]
	}

	b.Run("all", func(b *testing.B) {
		l, c := benchLab(b, peers)
		full := Routes{}.Edit(all, nil)
		b.ReportAllocs()
		for b.Loop() {
			c = l.advertise(c, full, routes)
			b.StopTimer()
			c = l.advertise(c, Routes{}, 0)
			b.StartTimer()
		}
		l.end(context.Canceled)
	})
	b.Run("one", func(b *testing.B) {
		l, c := benchLab(b, peers)
		current := Routes{}.Edit(all, nil)
		c = l.advertise(c, current, routes)
		one := all[routes/2 : routes/2+1]
		var before int
		for _, r := range l.routers {
			before = r.heardPrefixes()
		}
		b.ReportAllocs()
		for i := 1; b.Loop(); i++ {
			one[0].Attributes = attributes[i%len(attributes)]
			current = current.Edit(one, nil)
			c = c.withRoutes(current)
			l.engine.Set(c)
			for _, r := range l.routers {
				for r.heardPrefixes() < before+i {
					time.Sleep(time.Microsecond)
				}
			}
		}
		l.end(context.Canceled)
	})
}

func benchLab(b *testing.B, peers int) (*lab, Config) {
	b.Helper()
	l := newLab(b, func(o *Options) { o.DrainTime = -1 })
	var c Config
	for i := range peers {
		addr := fmt.Sprintf("192.0.2.%d", i+1)
		l.router(addr)
		c.Peers = append(c.Peers, peer(addr, addr))
	}
	l.engine.Set(c)
	for up := 0; up < peers; {
		time.Sleep(time.Millisecond)
		up = 0
		for _, s := range l.engine.Status().Peers {
			if s.State == Established {
				up++
			}
		}
	}
	return l, c
}

func (c Config) withRoutes(r Routes) Config {
	out := Config{}
	for _, p := range c.Peers {
		p.Routes = r
		out.Peers = append(out.Peers, p)
	}
	return out
}

// advertise sets the routes of all peers and waits until they have been sent.
func (l *lab) advertise(c Config, routes Routes, n int) Config {
	c = c.withRoutes(routes)
	l.engine.Set(c)
	for {
		done := 0
		for _, s := range l.engine.Status().Peers {
			if s.Advertised == n {
				done++
			}
		}
		if done == len(c.Peers) {
			return c
		}
		time.Sleep(10 * time.Microsecond)
	}
}

func (r *router) heardPrefixes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prefixes
}
