package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

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

// NewSpeaker registers the metrics of a speaker; status is asked for the
// layer-2 counters whenever they are scraped.
func NewSpeaker(reg prometheus.Registerer, node string, status func() layer2.Status) (*Speaker, error) {
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
	all := append(s.collectors(), s.announced, s.verdicts, newLayer2(status))
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

// layer2Collector reads the engine's counters at scrape time: the answering
// path keeps plain atomic counters and knows nothing of Prometheus.
type layer2Collector struct {
	status                       func() layer2.Status
	requests, responses, unasked *prometheus.Desc
}

func newLayer2(status func() layer2.Status) *layer2Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "layer2", name), help, []string{"ip"}, nil)
	}
	return &layer2Collector{
		status:    status,
		requests:  desc("requests_received", "ARP and NDP requests received for an owned address."),
		responses: desc("responses_sent", "ARP and NDP answers sent for an owned address."),
		unasked:   desc("gratuitous_sent", "Gratuitous ARP frames and unsolicited neighbour advertisements sent for an owned address."),
	}
}

// Describe implements prometheus.Collector.
func (c *layer2Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.requests
	ch <- c.responses
	ch <- c.unasked
}

// Collect implements prometheus.Collector.
func (c *layer2Collector) Collect(ch chan<- prometheus.Metric) {
	for _, a := range c.status().Addresses {
		ip := a.Addr.String()
		ch <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(a.Requests), ip)
		ch <- prometheus.MustNewConstMetric(c.responses, prometheus.CounterValue, float64(a.Responses), ip)
		ch <- prometheus.MustNewConstMetric(c.unasked, prometheus.CounterValue, float64(a.Gratuitous), ip)
	}
}
