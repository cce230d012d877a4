// Package metrics turns what happens on the line into figures. Here: the live figures for
// Prometheus. The indicators of the State's guide are computed from the journal.
package metrics

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"decroche/call"
)

// Gauge is one value read when Prometheus asks.
type Gauge struct {
	Name, Help string
	Labels     []string
	// Read gives each value with its labels' values.
	Read func(emit func(value float64, labels ...string))
	// Counter says that the value only grows.
	Counter bool
}

// Live counts the facts of the journal and serves them with gauges.
type Live struct {
	call.Journal
	registry *prometheus.Registry
	ended    *prometheus.CounterVec
	events   *prometheus.CounterVec
	waits    *prometheus.HistogramVec

	mu     sync.Mutex
	queues map[call.ID]string
}

// NewLive wraps a journal: each fact goes on to it and is counted on the way.
func NewLive(j call.Journal, gauges ...Gauge) *Live {
	l := &Live{
		Journal: j, registry: prometheus.NewRegistry(), queues: map[call.ID]string{},
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "decroche_calls_ended_total", Help: "Calls ended, by outcome and reason.",
		}, []string{"outcome", "reason"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "decroche_journal_events_total", Help: "Facts written to the journal, by kind.",
		}, []string{"kind"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "decroche_wait_seconds", Help: "Wait of answered callers, from joining the queue to the agent, by queue.",
			Buckets: []float64{1, 5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 1800},
		}, []string{"queue"}),
	}
	l.registry.MustRegister(l.ended, l.events, l.waits, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, g := range gauges {
		l.registry.MustRegister(newReader(g))
	}
	return l
}

// Append implements call.Journal.
func (l *Live) Append(e call.Event) {
	l.Journal.Append(e)
	l.events.WithLabelValues(string(e.Kind)).Inc()
	switch e.Kind {
	case call.EventQueued:
		var d struct{ Queue string }
		if json.Unmarshal(e.Data, &d) == nil {
			l.mu.Lock()
			l.queues[e.Call] = d.Queue
			l.mu.Unlock()
		}
	case call.EventConnected:
		var d struct {
			WaitMS float64 `json:"wait_ms"`
		}
		if json.Unmarshal(e.Data, &d) == nil {
			l.mu.Lock()
			queue := l.queues[e.Call]
			l.mu.Unlock()
			l.waits.WithLabelValues(queue).Observe(d.WaitMS / 1000)
		}
	case call.EventEnded:
		l.mu.Lock()
		delete(l.queues, e.Call)
		l.mu.Unlock()
		var end call.End
		if json.Unmarshal(e.Data, &end) == nil {
			l.ended.WithLabelValues(string(end.Outcome), string(end.Reason)).Inc()
		}
	}
}

// Handler serves the figures.
func (l *Live) Handler() http.Handler {
	return promhttp.HandlerFor(l.registry, promhttp.HandlerOpts{})
}

// reader is a collector of one Gauge.
type reader struct {
	Gauge
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newReader(g Gauge) *reader {
	kind := prometheus.GaugeValue
	if g.Counter {
		kind = prometheus.CounterValue
	}
	return &reader{g, prometheus.NewDesc(g.Name, g.Help, g.Labels, nil), kind}
}

// Describe implements prometheus.Collector.
func (r *reader) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect implements prometheus.Collector.
func (r *reader) Collect(ch chan<- prometheus.Metric) {
	r.Read(func(v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(r.desc, r.kind, v, labels...)
	})
}
