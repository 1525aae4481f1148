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
	conflicts                    *prometheus.Desc
	conceded, occupied           *prometheus.Desc
}

func newLayer2(status func() layer2.Status) *layer2Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "layer2", name), help, labels, nil)
	}
	return &layer2Collector{
		status:    status,
		requests:  desc("requests_received", "ARP and NDP requests received for an owned address.", "ip"),
		responses: desc("responses_sent", "ARP and NDP answers sent for an owned address.", "ip"),
		unasked:   desc("gratuitous_sent", "Gratuitous ARP frames and unsolicited neighbour advertisements sent for an owned address.", "ip"),
		conflicts: desc("conflicts", "Times a host outside the cluster claimed an address that this node owns or watches.", "ip"),
		conceded:  desc("conceded", "Owned addresses that this node does not answer for, because a node that ranks before it still does."),
		occupied:  desc("occupied", "Owned addresses that this node never announced, because a host outside the cluster has them."),
	}
}

// Describe implements prometheus.Collector.
func (c *layer2Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.requests
	ch <- c.responses
	ch <- c.unasked
	ch <- c.conflicts
	ch <- c.conceded
	ch <- c.occupied
}

// Collect implements prometheus.Collector.
func (c *layer2Collector) Collect(ch chan<- prometheus.Metric) {
	conceded, occupied := 0, 0
	conflict := func(ip string, of *layer2.Conflict) {
		ch <- prometheus.MustNewConstMetric(c.conflicts, prometheus.CounterValue, float64(of.Times), ip)
	}
	status := c.status()
	for i := range status.Addresses {
		a := &status.Addresses[i]
		ip := a.Addr.String()
		ch <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(a.Requests), ip)
		ch <- prometheus.MustNewConstMetric(c.responses, prometheus.CounterValue, float64(a.Responses), ip)
		ch <- prometheus.MustNewConstMetric(c.unasked, prometheus.CounterValue, float64(a.Gratuitous), ip)
		if a.Conflict != nil {
			conflict(ip, a.Conflict)
		}
		if a.Conceded {
			conceded++
		}
		if a.Occupied {
			occupied++
		}
	}
	for i := range status.Watched {
		conflict(status.Watched[i].Addr.String(), &status.Watched[i].Conflict)
	}
	ch <- prometheus.MustNewConstMetric(c.conceded, prometheus.GaugeValue, float64(conceded))
	ch <- prometheus.MustNewConstMetric(c.occupied, prometheus.GaugeValue, float64(occupied))
}
