// Package monitor tells others how a run goes: Prometheus, by a file that node_exporter reads or by an
// address that is scraped, and a service like healthchecks.io, which notices a run that did not come.
//
// It reads counters that the run keeps anyway, and only when somebody looks. A side channel never
// fails a run: what can't be told is a warning. Nothing of a ping URL but its host is printed, for the
// rest of it is a secret.
package monitor

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firn/stages/service/report"
	"firn/stages/store/awsconf"
)

// Options say of which run is told, and whom. Without File, Address, Server and Ping nobody is.
type Options struct {
	File    string  // for node_exporter's textfile collector
	Address string  // HOST:PORT where metrics are served
	Server  *Server // serves them already, in place of Address, and goes on after this run; nil: none does
	Ping    string  // URL, as healthchecks.io gives it

	Command string            // "backup"
	Labels  map[string]string // that tell this run's series from those of others
	Version string            // of firn
	Totals  *report.Totals
	Tally   *awsconf.Tally

	Warn func(error)     // tells the user of what could not be told
	Said func() []string // the last lines that were printed, for the ping

	now func() time.Time // nil: time.Now
}

// every is how often the file is written.
const every = time.Minute

// A Monitor tells of one run. A nil Monitor tells nobody. Its methods may be called from any
// goroutine; Finish must be called.
type Monitor struct {
	o        Options
	registry *prometheus.Registry
	file     *textfile // nil: none
	server   *Server   // of this run alone; nil: none
	ping     *ping     // nil: none

	progress atomic.Pointer[func() report.Progress]
	warnings atomic.Int64
	began    time.Time

	mu    sync.Mutex
	past  past
	ended bool

	end     chan struct{}
	writing sync.WaitGroup
}

// past is what the runs before this one left to tell; with this one, once it has ended.
type past struct {
	success  time.Time // zero: there is none
	any      bool      // a run has ended; what follows is of the last one
	code     int
	end      time.Time
	duration time.Duration
}

// Start begins to tell of a run that begins now.
func Start(o Options) *Monitor {
	if o.File == "" && o.Address == "" && o.Server == nil && o.Ping == "" {
		return nil
	}
	if o.now == nil {
		o.now = time.Now
	}
	m := &Monitor{o: o, began: o.now(), end: make(chan struct{})}
	m.registry = m.register(func(family) bool { return true })
	if o.Ping != "" {
		m.ping = newPing(o.Ping, o.Version)
		m.ping.begin()
	}
	if o.File != "" {
		m.file = &textfile{path: o.File}
		m.past = m.file.past(m.labels())
		m.write()
		m.writing.Go(m.keepWriting)
	}
	if o.Server != nil {
		o.Server.run.Store(m.registry)
	} else if o.Address != "" {
		var err error
		if m.server, err = serve(o.Address, m.registry); err != nil {
			m.warn(err)
		}
	}
	return m
}

// register has those families told that are chosen.
func (m *Monitor) register(chosen func(family) bool) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(m, chosen))
	return r
}

// labels are those of all series of the run.
func (m *Monitor) labels() prometheus.Labels {
	all := prometheus.Labels{"command": m.o.Command}
	maps.Copy(all, m.o.Labels)
	for name, value := range all {
		all[name] = strings.ToValidUTF8(value, "\uFFFD") // names of files need not be
	}
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" }) // as for Prometheus
	return all
}

// Watch tells how the stages of the run do from now on.
func (m *Monitor) Watch(progress func() report.Progress) {
	if m != nil {
		m.progress.Store(&progress)
	}
}

// Event counts warnings.
func (m *Monitor) Event(e report.Event) {
	if m != nil && e.Kind == report.Warning {
		m.warnings.Add(1)
	}
}

// Succeeded tells of a success before this run that is newer than the one that is known.
func (m *Monitor) Succeeded(at time.Time) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.After(m.past.success) {
		m.past.success = at
	}
}

// Finish tells that the run has ended with an exit code. It returns when all are told, or after some
// seconds.
func (m *Monitor) Finish(code int) {
	if m == nil {
		return
	}
	close(m.end)
	m.writing.Wait()
	now := m.o.now()
	m.mu.Lock()
	m.ended = true
	m.past.any, m.past.code, m.past.end, m.past.duration = true, code, now, now.Sub(m.began)
	if code == 0 {
		m.past.success = now
	}
	m.mu.Unlock()
	if m.file != nil {
		m.write()
	}
	if m.server != nil {
		m.server.Close()
	}
	if m.ping != nil {
		for _, err := range m.ping.finish(code, m.o.Said()) {
			m.warn(err)
		}
	}
}

func (m *Monitor) keepWriting() {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.write()
		case <-m.end:
			return
		}
	}
}

func (m *Monitor) write() {
	if err := m.file.write(m.registry); err != nil {
		m.warn(err)
	}
}

func (m *Monitor) warn(err error) {
	m.warnings.Add(1)
	m.o.Warn(err)
}
