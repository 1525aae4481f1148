package main

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/bgp/bfd/socket"
	"github.com/clarion-lb/clarion/bgp/gobgp"
	"github.com/clarion-lb/clarion/bgp/unnumbered"
	"github.com/clarion-lb/clarion/internal/heartbeat"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/metrics"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/layer2/wire"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// engines make addresses reachable: on segments, and through routers.
type engines struct {
	layer2  *layer2.Engine
	bgp     *bgp.Engine
	bfd     *bfd.Engine
	routers finder
}

// engineOptions are what the engines of a node are told once.
type engineOptions struct {
	node           string
	drain, refresh time.Duration // 0: none
	// fit reports whether this node may answer for addresses; nil: always.
	fit func() bool
	log *slog.Logger
}

// newEngines makes the engines of a node on its real network, and starts none.
func newEngines(o engineOptions) (e engines, err error) {
	// To the engines 0 is their default.
	none := func(d time.Duration) time.Duration {
		if d == 0 {
			return -1
		}
		return d
	}
	e.layer2, err = layer2.New(layer2.Options{Wire: wire.Sockets{}, Fit: o.fit, Refresh: none(o.refresh), Log: o.log})
	if err != nil {
		return e, err
	}
	up, err := uptime()
	if err != nil {
		return e, err
	}
	e.bgp, err = bgp.New(bgp.Options{Wire: gobgp.Network{}, Node: o.node, Restarted: restarted(up), DrainTime: none(o.drain), Log: o.log})
	if err != nil {
		return e, err
	}
	if e.bfd, err = bfd.New(bfd.Options{Wire: &socket.Sockets{}, Log: o.log}); err != nil {
		return e, err
	}
	e.routers.Engine, err = unnumbered.New(unnumbered.Options{Wire: unnumbered.Sockets{}, Log: o.log})
	return e, err
}

// meters are where the metrics come from; beats is nil without heartbeats.
func (e *engines) meters(beats *heartbeat.Monitor) metrics.Engines {
	m := metrics.Engines{Layer2: e.layer2.Status, BGP: e.bgp.Status, BFD: e.bfd.Status}
	if beats != nil {
		m.Heartbeat = func() metrics.Heartbeat {
			c := beats.Counters()
			return metrics.Heartbeat{
				Fit: beats.Fit(), Down: beats.Down(), Sent: c.Sent, Received: c.Received, Rejected: c.Rejected,
				NodesDown: c.NodesDown, SpeakersDown: c.SpeakersDown, Stalls: c.Stalls,
			}
		}
	}
	return m
}

// conflicts says who else uses addresses of this node, for the cluster to know.
func (e *engines) conflicts() []kube.Conflict {
	status := e.layer2.Exceptions()
	var out []kube.Conflict
	note := func(addr netip.Addr, c *layer2.Conflict, held bool) {
		out = append(out, kube.Conflict{
			Address: addr, MAC: c.MAC.String(), Interface: c.Interface, Since: c.Since, Heard: c.Last, Held: held,
		})
	}
	for i := range status.Addresses {
		if a := &status.Addresses[i]; a.Conflict != nil {
			note(a.Addr, a.Conflict, a.Occupied)
		}
	}
	for i := range status.Watched {
		note(status.Watched[i].Addr, &status.Watched[i].Conflict, true)
	}
	return out
}

// sessions says how the BGP sessions are, for Events.
func (e *engines) sessions() []kube.Session {
	var out []kube.Session
	for _, p := range e.bgp.Status().Peers {
		out = append(out, kube.Session{
			Peer: p.Name, Router: p.Address.String(), Established: p.State == bgp.Established,
			Ups: p.Counters.Established, Cause: string(p.LastCause), Detail: p.LastError,
		})
	}
	return out
}

// finder is the engine that finds routers, told of links as the speaker does.
type finder struct{ *unnumbered.Engine }

// Set implements speaker.Unnumbered.
func (f finder) Set(links []announce.Link) {
	out := make([]unnumbered.Link, len(links))
	for i, l := range links {
		out[i] = unnumbered.Link{Name: l.Name, Index: l.Index, MAC: l.MAC, LinkLocal: l.LinkLocal}
	}
	f.Engine.Set(out)
}
