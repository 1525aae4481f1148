package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clarion-lb/clarion/allocator"
)

// Controller holds the metrics of the controller.
type Controller struct {
	*Process
	total, totalIPv4, totalIPv6 *prometheus.GaugeVec
	inUse, inUseIPv4, inUseIPv6 *prometheus.GaugeVec
	services, quarantined       *prometheus.GaugeVec
}

// NewController registers the metrics of a controller.
func NewController(reg prometheus.Registerer) (*Controller, error) {
	pool := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "allocator", Name: name, Help: help,
		}, []string{"pool"})
	}
	c := &Controller{
		Process:     newProcess(),
		total:       pool("addresses_total", "Addresses the pool can give out."),
		totalIPv4:   pool("ipv4_addresses_total", "IPv4 addresses the pool can give out."),
		totalIPv6:   pool("ipv6_addresses_total", "IPv6 addresses the pool can give out."),
		inUse:       pool("addresses_in_use_total", "Distinct addresses of the pool that Services hold."),
		inUseIPv4:   pool("ipv4_addresses_in_use_total", "Distinct IPv4 addresses of the pool that Services hold."),
		inUseIPv6:   pool("ipv6_addresses_in_use_total", "Distinct IPv6 addresses of the pool that Services hold."),
		quarantined: pool("addresses_quarantined", "Addresses of the pool that hosts outside the cluster use and no Service holds."),
		services:    pool("services_allocated_total", "Services that hold addresses of the pool."),
	}
	all := c.collectors()
	for _, v := range c.gauges() {
		all = append(all, v)
	}
	return c, register(reg, all)
}

func (c *Controller) gauges() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{c.total, c.totalIPv4, c.totalIPv6, c.inUse, c.inUseIPv4, c.inUseIPv6, c.services, c.quarantined}
}

// Usage takes note of the use of every pool; those it does not name are gone.
func (c *Controller) Usage(pools map[string]allocator.Usage) {
	for _, v := range c.gauges() {
		v.Reset()
	}
	for name, u := range pools {
		c.totalIPv4.WithLabelValues(name).Set(float64(u.CapacityIPv4))
		c.totalIPv6.WithLabelValues(name).Set(float64(u.CapacityIPv6))
		c.total.WithLabelValues(name).Set(float64(u.CapacityIPv4) + float64(u.CapacityIPv6))
		c.inUseIPv4.WithLabelValues(name).Set(float64(u.AssignedIPv4))
		c.inUseIPv6.WithLabelValues(name).Set(float64(u.AssignedIPv6))
		c.inUse.WithLabelValues(name).Set(float64(u.AssignedIPv4) + float64(u.AssignedIPv6))
		c.quarantined.WithLabelValues(name).Set(float64(u.QuarantinedIPv4) + float64(u.QuarantinedIPv6))
		c.services.WithLabelValues(name).Set(float64(u.Services))
	}
}
