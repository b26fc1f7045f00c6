package monitor

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"firn/stages/service/report"
)

// A Server serves metrics of the process under /metrics, and beside them those of one run after the other:
// of the last one until the next begins.
type Server struct {
	http   http.Server
	serves sync.WaitGroup
	run    atomic.Pointer[prometheus.Registry]
}

// Gather implements prometheus.Gatherer: it gives the metrics of the run.
func (s *Server) Gather() ([]*dto.MetricFamily, error) { return s.run.Load().Gather() }

// An AddressError says that metrics could not be served at an address.
type AddressError struct {
	Address string
	Err     error
}

func (e *AddressError) Error() string {
	cause := e.Err
	if op, ok := errors.AsType[*net.OpError](cause); ok {
		cause = op.Err // it names the address too
	}
	return fmt.Sprintf("metrics are not served at %s: %v", e.Address, cause)
}

func (e *AddressError) Unwrap() error { return e.Err }

// Bounds of what scrapers can make the run do.
const (
	mostScrapes = 4 // at once
	scrapeTime  = 10 * time.Second
)

// Serve begins to serve at an address for the worker, or what else is named, of a version of firn. Before
// its first run, only these two are told, and that no run is under way. Error: *AddressError.
func Serve(address, command, version string) (*Server, error) {
	idle := &Monitor{o: Options{Command: command, Version: version, Totals: new(report.Totals), now: time.Now}, ended: true}
	return serve(address, idle.register(func(f family) bool { return f.name == buildName || f.name == activeName }))
}

func serve(address string, run *prometheus.Registry) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &AddressError{address, err}
	}
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	s := &Server{http: http.Server{
		Handler: mux, ErrorLog: log.New(io.Discard, "", 0),
		ReadTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 16 << 10,
	}}
	s.run.Store(run)
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{s, process}, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, Timeout: scrapeTime}))
	s.serves.Go(func() { _ = s.http.Serve(listener) }) // it ends by Close alone
	return s, nil
}

// Close ends it. Of a nil Server it does nothing.
func (s *Server) Close() {
	if s == nil {
		return
	}
	_ = s.http.Close() // connections that are cut are no fault
	s.serves.Wait()
}
