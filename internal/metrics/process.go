package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "metallb"

// Process counts what controller and speaker have in common.
type Process struct {
	updates, updateErrors prometheus.Counter
	loaded, stale         prometheus.Gauge
}

func newProcess() *Process {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Subsystem: "k8s_client", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "k8s_client", Name: name, Help: help})
	}
	return &Process{
		updates:      counter("updates_total", "Kubernetes objects handled."),
		updateErrors: counter("update_errors_total", "Kubernetes objects whose handling failed and is retried."),
		loaded:       gauge("config_loaded_bool", "1 once the configuration has been read."),
		stale:        gauge("config_stale_bool", "1 while an object of the configuration is not in force; its ConfigurationState says why."),
	}
}

// Update counts one object handled, and whether that failed.
func (p *Process) Update(err error) {
	p.updates.Inc()
	if err != nil {
		p.updateErrors.Inc()
	}
}

// Config tells that the configuration was read, with so many problems.
func (p *Process) Config(problems int) {
	p.loaded.Set(1)
	p.stale.Set(float64(min(problems, 1)))
}

func (p *Process) collectors() []prometheus.Collector {
	return []prometheus.Collector{p.updates, p.updateErrors, p.loaded, p.stale}
}

func register(reg prometheus.Registerer, all []prometheus.Collector) error {
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("metrics: failed to register: %w", err)
		}
	}
	return nil
}
