package metrics

import "github.com/prometheus/client_golang/prometheus"

// Heartbeat is what heartbeats have to say of this node and of the others.
type Heartbeat struct {
	// Fit is whether this node may answer for addresses now.
	Fit bool
	// Down is how many nodes must own nothing.
	Down int
	// Sent and Received are packets; Rejected those that could not be opened.
	Sent, Received, Rejected uint64
	// NodesDown and SpeakersDown are verdicts that this node gave; Stalls how often
	// it was not running for longer than the detection time.
	NodesDown, SpeakersDown, Stalls uint64
}

// heartbeatCollector reads the monitor's counters at scrape time.
type heartbeatCollector struct {
	status                                     func() Heartbeat
	fit, down                                  *prometheus.Desc
	sent, received, rejected, verdicts, stalls *prometheus.Desc
}

// newHeartbeat returns the metrics of heartbeats. A nil status means that there
// are none, and that nothing keeps this node from answering.
func newHeartbeat(status func() Heartbeat) *heartbeatCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "heartbeat", name), help, labels, nil)
	}
	return &heartbeatCollector{
		status: status,
		fit: prometheus.NewDesc(prometheus.BuildFQName(namespace, "speaker", "fit"),
			"1 while this node may answer for addresses; 0 while it was stalled, is cut off, or does not know yet who owns what.", nil, nil),
		down:     desc("down", "Nodes that must not own addresses, by the verdict of those that watch them."),
		sent:     desc("sent_total", "Heartbeats sent."),
		received: desc("received_total", "Heartbeats received."),
		rejected: desc("rejected_total", "Heartbeats that could not be opened: of another key, or damaged."),
		verdicts: desc("verdicts_total", "Verdicts of this node on another: its node or only its speaker is dead.", "kind"),
		stalls:   desc("stalls_total", "Times this process was not running for longer than the detection time."),
	}
}

// Describe implements prometheus.Collector.
func (c *heartbeatCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.fit, c.down, c.sent, c.received, c.rejected, c.verdicts, c.stalls} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *heartbeatCollector) Collect(ch chan<- prometheus.Metric) {
	if c.status == nil {
		ch <- prometheus.MustNewConstMetric(c.fit, prometheus.GaugeValue, 1)
		return
	}
	h, fit := c.status(), 0.0
	if h.Fit {
		fit = 1
	}
	ch <- prometheus.MustNewConstMetric(c.fit, prometheus.GaugeValue, fit)
	ch <- prometheus.MustNewConstMetric(c.down, prometheus.GaugeValue, float64(h.Down))
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	count(c.sent, h.Sent)
	count(c.received, h.Received)
	count(c.rejected, h.Rejected)
	count(c.verdicts, h.NodesDown, "node")
	count(c.verdicts, h.SpeakersDown, "speaker")
	count(c.stalls, h.Stalls)
}
