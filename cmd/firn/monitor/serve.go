package monitor

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A server serves metrics under /metrics while the run goes, and those of the process beside them.
type server struct {
	http   http.Server
	serves sync.WaitGroup
}

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

func serve(address string, run prometheus.Gatherer) (*server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &AddressError{address, err}
	}
	process := prometheus.NewRegistry()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{run, process}, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, Timeout: scrapeTime}))
	s := &server{http: http.Server{
		Handler: mux, ErrorLog: log.New(io.Discard, "", 0),
		ReadTimeout: scrapeTime, WriteTimeout: 2 * scrapeTime, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 16 << 10,
	}}
	s.serves.Go(func() { _ = s.http.Serve(listener) }) // it ends by close alone
	return s, nil
}

func (s *server) close() {
	_ = s.http.Close() // connections that are cut are no fault
	s.serves.Wait()
}
