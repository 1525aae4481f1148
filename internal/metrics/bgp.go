package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clarion-lb/clarion/bgp"
)

// newBGP returns the metrics of BGP sessions. The names are those of MetalLB's
// native and FRR modes together, but for route_refresh_sent: we never ask a
// router to repeat itself.
func newBGP(status func() bgp.Status) prometheus.Collector {
	type peer = bgp.PeerStatus
	d := describer("bgp")
	return &sessions[peer]{
		status: func() []peer { return status().Peers },
		peer:   func(p *peer) string { return p.Address.String() },
		up:     func(p *peer) bool { return p.State == bgp.Established },
		upDesc: d.desc("session_up", "1 while the BGP session is established."),
		readings: []reading[peer]{
			gauge(d.desc("announced_prefixes_total", "Prefixes advertised to the router."),
				func(p *peer) int { return p.Advertised }),
			gauge(d.desc("pending_prefixes_total", "Prefixes that should be advertised to the router."),
				func(p *peer) int { return p.Desired }),
			count(d.desc("updates_total", "UPDATE messages sent."),
				func(p *peer) uint64 { return p.Counters.UpdatesSent }),
			count(d.desc("updates_total_received", "UPDATE messages received, none of which is looked into."),
				func(p *peer) uint64 { return p.Counters.UpdatesReceived }),
			count(d.desc("opens_sent", "OPEN messages sent."),
				func(p *peer) uint64 { return p.Counters.OpensSent }),
			count(d.desc("opens_received", "OPEN messages received."),
				func(p *peer) uint64 { return p.Counters.OpensReceived }),
			count(d.desc("notifications_sent", "NOTIFICATION messages sent."),
				func(p *peer) uint64 { return p.Counters.NotificationsSent }),
			count(d.desc("keepalives_sent", "KEEPALIVE messages sent."),
				func(p *peer) uint64 { return p.Counters.KeepalivesSent }),
			count(d.desc("keepalives_received", "KEEPALIVE messages received."),
				func(p *peer) uint64 { return p.Counters.KeepalivesReceived }),
			count(d.desc("total_sent", "BGP messages sent."),
				func(p *peer) uint64 { return p.Counters.TotalSent }),
			count(d.desc("total_received", "BGP messages received."),
				func(p *peer) uint64 { return p.Counters.TotalReceived }),
		},
	}
}
