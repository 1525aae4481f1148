package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// Speaker holds the metrics of one speaker. Report is for one goroutine.
type Speaker struct {
	*Process
	node      string
	announced *prometheus.GaugeVec
	verdicts  *prometheus.GaugeVec
	reasons   map[announce.Key]announce.Reason
}

// Engines are asked for their counters whenever those are scraped; none of them
// may be nil, but for Heartbeat where there are no heartbeats.
type Engines struct {
	Layer2 func() layer2.Status
	BGP    func() bgp.Status
	BFD    func() bfd.Status

	Heartbeat func() Heartbeat
}

// NewSpeaker registers the metrics of a speaker.
func NewSpeaker(reg prometheus.Registerer, node string, engines Engines) (*Speaker, error) {
	s := &Speaker{
		Process: newProcess(),
		node:    node,
		announced: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "speaker", Name: "announced",
			Help: "1 for each address of a Service that this node announces.",
		}, []string{"service", "protocol", "node", "ip"}),
		verdicts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "speaker", Name: "verdicts",
			Help: "Addresses of Services by what this node does about them; the reason is the word logs and Events use.",
		}, []string{"protocol", "reason"}),
		reasons: map[announce.Key]announce.Reason{},
	}
	all := append(s.collectors(), s.announced, s.verdicts, newLayer2(engines.Layer2), newBGP(engines.BGP), newBFD(engines.BFD), newHeartbeat(engines.Heartbeat))
	return s, register(reg, all)
}

// Report takes note of what a revision changed.
func (s *Speaker) Report(r announce.Revision) {
	for i := range r.Gone {
		s.forget(r.Gone[i].Key)
	}
	for i := range r.Changed {
		v := &r.Changed[i].Verdict
		s.forget(v.Key)
		if v.Quiet {
			continue // the other protocol's says it all
		}
		s.reasons[v.Key] = v.Reason
		s.verdicts.WithLabelValues(string(v.Protocol), string(v.Reason)).Inc()
		if v.Announced() {
			s.announced.WithLabelValues(s.labels(v.Key)...).Set(1)
		}
	}
}

func (s *Speaker) forget(k announce.Key) {
	reason, ok := s.reasons[k]
	if !ok {
		return
	}
	delete(s.reasons, k)
	s.verdicts.WithLabelValues(string(k.Protocol), string(reason)).Dec()
	s.announced.DeleteLabelValues(s.labels(k)...)
}

func (s *Speaker) labels(k announce.Key) []string {
	return []string{k.Service.String(), string(k.Protocol), s.node, k.Addr.String()}
}
