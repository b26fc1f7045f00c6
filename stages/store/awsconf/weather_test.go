package awsconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A sky is a service whose weather is simulated.
type sky struct {
	*Weather
	mu    sync.Mutex
	fault func(key string) error // nil: none; key "" is the probe
	sent  map[string]int
	told  []Outage

	cancel func() // the run
}

func newSky(limit time.Duration) *sky {
	s := &sky{sent: map[string]int{}}
	var run context.Context
	run, s.cancel = context.WithCancel(context.Background())
	s.Weather = Options{RetryFor: limit, OnOutage: func(o Outage) { s.told = append(s.told, o) }}.weather(run, new(aws.Config), nil)
	s.Watch("S3", "https://s3.example", func(context.Context) error { return s.do("") })
	return s
}

func (s *sky) set(fault func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *sky) do(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[key]++
	if s.fault == nil {
		return nil
	}
	return s.fault(key)
}

// send sends a request as the SDK does.
func (s *sky) send(ctx context.Context, key string) error {
	t := new(try)
	for {
		if err := s.pass(ctx); err != nil {
			return err
		}
		err := s.do(key)
		if isAnswer(err) {
			s.answered(true)
			return err
		}
		if given := s.failed(ctx, t, err); given != nil {
			return errors.Join(err, given)
		}
	}
}

func answer(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S3", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: &smithy.GenericAPIError{Code: code},
	}}
}

var (
	refused = &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	reset   = &smithyhttp.RequestSendError{Err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}
	unnamed = &smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}}
	broken  = answer(500, "InternalError")
	slow    = answer(503, "SlowDown")
)

func all(err error) func(string) error { return func(string) error { return err } }

// TestOutage: whatever fails for all is waited out, with one small request every half minute at most,
// and told; then all go on at once.
func TestOutage(t *testing.T) {
	for name, fault := range map[string]error{"refused": refused, "reset": reset, "broken": broken, "no host": unnamed} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(time.Hour)
				if err := s.send(t.Context(), "first"); err != nil {
					t.Fatal(err)
				}
				s.set(all(fault))
				start := time.Now()
				time.AfterFunc(50*time.Minute, func() { s.set(nil) })
				var all sync.WaitGroup
				for i := range 64 {
					all.Go(func() {
						if err := s.send(t.Context(), fmt.Sprint(i)); err != nil {
							t.Errorf("%d: %v", i, err)
						}
					})
				}
				all.Wait()
				if took := time.Since(start); took < 50*time.Minute || took > 51*time.Minute {
					t.Errorf("it took %s", took)
				}
				for i := range 64 {
					if n := s.sent[fmt.Sprint(i)]; n > 4 {
						t.Errorf("%d was sent %d times", i, n)
					}
				}
				if n := s.sent[""]; n < 90 || n > 300 {
					t.Errorf("%d probes", n)
				}
				first, last := s.told[0], s.told[len(s.told)-1]
				if first.Cause != words(fault) || first.For < tellAfter || first.For > 4*tellAfter || first.Next.Sub(first.Since) < first.For || first.Service != "S3" {
					t.Errorf("told first: %+v", first)
				}
				if !last.Next.IsZero() || last.For < 49*time.Minute {
					t.Errorf("told last: %+v", last)
				}
			})
		})
	}
}

// TestOutageOverLimit: the run is given up when nothing got through for as long as it may, and not
// before; then nobody waits any more.
func TestOutageOverLimit(t *testing.T) {
	for name, fault := range map[string]error{"refused": refused, "broken": broken, "throttled": slow} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(10 * time.Minute)
				s.set(all(fault))
				start := time.Now()
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						err := s.send(t.Context(), fmt.Sprint(i))
						if out := new(OutageError); !errors.As(err, &out) || out.For < 10*time.Minute || !errors.Is(err, fault) {
							t.Errorf("%v", err)
						} else if !strings.Contains(out.Error(), "for 10m") {
							t.Error(out)
						}
					})
				}
				all.Wait()
				if took := time.Since(start); took < 10*time.Minute || took > 11*time.Minute {
					t.Errorf("it took %s", took)
				}
				start = time.Now()
				if err := s.send(t.Context(), "later"); err == nil || time.Since(start) > 0 {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // for ever
		s := newSky(-1)
		s.set(all(refused))
		time.AfterFunc(100*time.Hour, func() { s.set(nil) })
		if err := s.send(t.Context(), "k"); err != nil {
			t.Error(err)
		}
	})
}

// TestPoisonedRequest: one request that always fails is given up, alone and among others, and is no
// outage.
func TestPoisonedRequest(t *testing.T) {
	for _, fault := range []error{broken, reset} {
		for _, others := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(time.Hour)
				ctx, stop := context.WithCancel(t.Context())
				s.set(func(key string) error {
					if key == "poisoned" {
						return fault
					}
					return nil
				})
				var more sync.WaitGroup
				if others {
					more.Go(func() {
						for ctx.Err() == nil {
							_ = s.send(ctx, "other")
							time.Sleep(time.Second)
						}
					})
				}
				start := time.Now()
				err := s.send(t.Context(), "poisoned")
				if out := new(OutageError); err == nil || errors.As(err, &out) || s.sent["poisoned"] != defaultAttempts || time.Since(start) > 5*time.Minute {
					t.Errorf("%v after %d tries in %s", err, s.sent["poisoned"], time.Since(start))
				}
				if len(s.told) > 0 {
					t.Errorf("told: %+v", s.told)
				}
				stop()
				more.Wait()
			})
		}
	}
}

// TestThrottled: who is asked for fewer requests goes on as long as any get through, and loses no try.
func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(time.Hour)
		n := 0
		s.set(func(key string) error {
			if n++; key == "" || n%40 == 0 {
				return nil
			}
			return slow
		})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if err := s.send(t.Context(), fmt.Sprint(i)); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		all.Wait()
		if len(s.told) == 0 || !s.told[0].Busy || s.told[0].Cause != "SlowDown" || !s.told[len(s.told)-1].Next.IsZero() {
			t.Errorf("told: %+v", s.told)
		}
	})
}

// TestOutageCancelled: a cancelled run ends at once; where it was the one that asked, another asks.
func TestOutageCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(-1)
		s.set(all(refused))
		reason := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		done, rest := make(chan error, 1), make(chan error, 1)
		go func() { done <- s.send(ctx, "asks") }()
		time.Sleep(time.Minute)
		go func() { rest <- s.send(t.Context(), "follows") }()
		time.Sleep(time.Minute)
		at := time.Now()
		cancel(reason)
		if err := <-done; !errors.Is(err, reason) || time.Since(at) > 0 {
			t.Errorf("%v after %s", err, time.Since(at))
		}
		time.Sleep(time.Hour)
		s.set(nil)
		at = time.Now()
		if err := <-rest; err != nil || time.Since(at) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(at))
		}
	})
}

// TestFirstContact: a service that nothing has reached yet is told of at once, and later outages when
// they have lasted.
func TestFirstContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(time.Hour)
		for _, after := range []time.Duration{0, tellAfter} {
			s.told = nil
			s.set(all(refused))
			start := time.Now()
			time.AfterFunc(time.Minute, func() { s.set(nil) })
			if err := s.send(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
			first, last := s.told[0], s.told[len(s.told)-1]
			if first.First != (after == 0) || first.Where != "https://s3.example" || first.For < after || first.For > 4*after || first.Until.Sub(start) != time.Hour {
				t.Errorf("told first: %+v", first)
			}
			if !last.Next.IsZero() || last.First != first.First || last.Since != first.Since {
				t.Errorf("told last: %+v", last)
			}
		}
	})
}

// TestCancelledRun: what a run that is being cancelled still has to send waits for no outage.
func TestCancelledRun(t *testing.T) {
	for name, tt := range map[string]struct {
		known bool  // the outage began before
		fault error // when the run is cancelled
		wait  time.Duration
		sent  int // probes
	}{
		"reached":     {sent: 1},
		"known":       {known: true, fault: refused},
		"not known":   {fault: refused, sent: 1},
		"no answer":   {fault: context.DeadlineExceeded, wait: lastProbeFor, sent: 1},
		"asks for it": {fault: slow, sent: 1, wait: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSky(-1)
				s.Watch("S3", "", func(ctx context.Context) error {
					err := s.do("")
					if errors.Is(err, context.DeadlineExceeded) {
						<-ctx.Done()
					}
					return err
				})
				if err := s.send(t.Context(), "before"); err != nil {
					t.Fatal(err)
				}
				var waits sync.WaitGroup
				if tt.known {
					s.set(all(refused))
					for range 3 {
						waits.Go(func() {
							if err := s.send(context.WithoutCancel(t.Context()), "waits"); err == nil {
								t.Error("sent")
							}
						})
					}
					time.Sleep(time.Minute)
				}
				s.set(all(tt.fault))
				s.sent[""] = 0
				s.cancel()
				at := time.Now()
				waits.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), tt.wait+time.Second)
				defer cancel()
				for range 2 {
					err := s.send(ctx, "after")
					given := tt.fault != nil && tt.fault != slow
					if out := new(OutageError); errors.As(err, &out) != given || err == nil != (tt.fault == nil) {
						t.Errorf("%v", err)
					}
				}
				if took := time.Since(at); took > tt.wait+time.Second || s.sent[""] != tt.sent {
					t.Errorf("%d probes in %s", s.sent[""], took)
				}
			})
		})
	}
}

// TestNoSuchHost: a name that never had an address is a typo.
func TestNoSuchHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(time.Hour)
		s.set(all(unnamed))
		start := time.Now()
		if err := s.send(t.Context(), "k"); !errors.Is(err, unnamed) || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

// TestRetryable: what may pass, and what is no answer of the service.
func TestRetryable(t *testing.T) {
	base := newBase("", nil)
	for name, tt := range map[string]struct {
		err         error
		retry, busy bool
	}{
		"refused":        {refused, true, false},
		"no name":        {unnamed, true, false},
		"500":            {broken, true, false},
		"SlowDown":       {slow, true, true},
		"503 of a proxy": {answer(503, ""), true, true},
		"502 of a proxy": {answer(502, ""), true, false},
		"429":            {answer(429, ""), true, true},
		"DynamoDB":       {answer(400, "ProvisionedThroughputExceededException"), true, true},
		"RequestTimeout": {answer(400, "RequestTimeout"), true, false},
		"expired":        {answer(400, "ExpiredToken"), false, false},
		"denied":         {answer(403, "AccessDenied"), false, false},
		"no bucket":      {answer(404, "NoSuchBucket"), false, false},
		"no role": {&smithy.OperationError{ServiceID: "S3", Err: fmt.Errorf("get identity: %w",
			&smithy.OperationError{ServiceID: "ec2imds", Err: refused})}, false, false},
	} {
		if got := base.IsErrorRetryable(tt.err); got != tt.retry || isBusy(tt.err) != tt.busy || isAnswer(tt.err) == tt.retry && !isLocal(tt.err) {
			t.Errorf("%s: retry %t, busy %t, answer %t", name, got, isBusy(tt.err), isAnswer(tt.err))
		}
	}
}
