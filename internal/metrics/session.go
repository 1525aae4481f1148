package metrics

import "github.com/prometheus/client_golang/prometheus"

// sessions reads the state and the counters of sessions at scrape time: the
// engines know nothing of Prometheus, and nothing runs between scrapes.
type sessions[S any] struct {
	status func() []S
	// peer is the one label. Sessions that share it, because they lead to one
	// router by two source addresses or VRFs, are shown as one that is up when
	// all of them are: a repeated label would spoil the whole scrape.
	peer     func(*S) string
	up       func(*S) bool
	upDesc   *prometheus.Desc
	readings []reading[S]
}

// reading is one metric besides the state.
type reading[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*S) float64
}

// describer makes descriptions of one subsystem's metrics of sessions.
type describer string

func (subsystem describer) desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, string(subsystem), name), help, []string{"peer"}, nil)
}

// count returns a counter of a session.
func count[S any](desc *prometheus.Desc, value func(*S) uint64) reading[S] {
	return reading[S]{desc, prometheus.CounterValue, func(s *S) float64 { return float64(value(s)) }}
}

// gauge returns a number that goes up and down.
func gauge[S any](desc *prometheus.Desc, value func(*S) int) reading[S] {
	return reading[S]{desc, prometheus.GaugeValue, func(s *S) float64 { return float64(value(s)) }}
}

// Describe implements prometheus.Collector.
func (c *sessions[S]) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.upDesc
	for i := range c.readings {
		ch <- c.readings[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *sessions[S]) Collect(ch chan<- prometheus.Metric) {
	all := c.status()
	byPeer := map[string][]*S{}
	for i := range all {
		peer := c.peer(&all[i])
		byPeer[peer] = append(byPeer[peer], &all[i])
	}
	for peer, same := range byPeer {
		up := 1.0
		for _, s := range same {
			if !c.up(s) {
				up = 0
			}
		}
		ch <- prometheus.MustNewConstMetric(c.upDesc, prometheus.GaugeValue, up, peer)
		for i := range c.readings {
			r, sum := &c.readings[i], 0.0
			for _, s := range same {
				sum += r.value(s)
			}
			ch <- prometheus.MustNewConstMetric(r.desc, r.kind, sum, peer)
		}
	}
}
