package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clarion-lb/clarion/layer2"
)

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
