package awsconf

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Weather is how well a service is reached during a run. An outage is weather: it is waited out, and
// costs no request any of its tries.
//
// A request that fails twice, or can't connect, raises the question whether the service can be
// reached at all. One small request (the probe) answers it. If it fails too, nothing is sent but the
// probe, with growing waits, until something gets through: then all go on at once. The run ends when
// nothing got through for Options.RetryFor. A service that answers the probe can be reached, so a
// request that still fails has a bounded number of tries. To be asked for fewer requests costs no
// try either: such requests go on as long as any of them gets through.
//
// A run that is being cancelled waits for nothing: before its next request the service is asked once
// more, and if it does not answer soon, nothing is sent any more.
//
// It is for many goroutines.
type Weather struct {
	limit, most time.Duration // of an outage, 0: none; of one wait
	tries       int
	tell        func(Outage)
	idle        func() // closes connections that an outage may have killed

	service, where string
	probe          func(context.Context) error

	turn      chan struct{}   // of who asks for all others: it holds a value while somebody does
	cancelled <-chan struct{} // closed when the run is being cancelled
	lastly    sync.Once       // what is asked then

	mu      sync.Mutex
	reached bool // at least once
	answers int  // so far
	outages int  // that are over
	down    *spell
	busy    *spell
	gone    error // why the run was given up
}

// A spell is a time in which nothing gets through.
type spell struct {
	Outage
	waits int           // so far, of a service that is not reached
	err   error         // of the last try
	told  bool          // of its beginning
	over  chan struct{} // closed at its end
}

// An Outage is a time in which a service does not answer, or only asks for fewer requests.
type Outage struct {
	Service string // "S3"
	Where   string // its URL, "" if it is AWS
	Cause   string // a few words; they may be the server's own
	Busy    bool   // it answers, and asks for fewer requests
	First   bool   // nothing has reached it before
	Since   time.Time
	Next    time.Time     // of the next try; zero: it is over
	Until   time.Time     // when the run is given up; zero: never
	For     time.Duration // until now, or until its end
}

// An OutageError: nothing got through for as long as Options.RetryFor allows.
type OutageError struct {
	Outage
	Err error // of the last try
}

// Error says of which service, for how long it was tried, and what failed last.
func (e *OutageError) Error() string {
	tried := e.For.Round(time.Second / 10)
	if tried > time.Minute {
		tried = tried.Round(time.Second)
	}
	if e.Busy {
		return fmt.Sprintf("%s let no request through for %s: %v", e.Service, tried, Brief(e.Err))
	}
	return fmt.Sprintf("%s could not be reached for %s: %v", e.Service, tried, Brief(e.Err))
}

// Unwrap returns the error of the last try.
func (e *OutageError) Unwrap() error { return e.Err }

const (
	defaultRetryFor   = time.Hour
	defaultMaxBackoff = 30 * time.Second
	firstBackoff      = 500 * time.Millisecond
	probeFor          = 20 * time.Second // how long the probe may take
	lastProbeFor      = 3 * time.Second  // in a run that is being cancelled
	tellAfter         = 5 * time.Second  // of an outage: less is no news, if the service was reached before
	nameTries         = 3                // of a host that has no address and never had one
)

// errTries: the service is reached, and the request failed each time.
var errTries = errors.New("it failed at every try")

// Watch names the service, the URL that the user gave it, "" if it is AWS, and how it is probed: by one
// small request, which is sent with a context that the weather gives it.
func (w *Weather) Watch(service, where string, probe func(context.Context) error) {
	w.service, w.where, w.probe = service, where, probe
}

// A try is what the weather knows of one request.
type try struct {
	failures int // in all
	counted  int // while the service was reached
	answers  int // of the service, when it failed last
	began    time.Time
}

// pass waits until requests are sent at all.
func (w *Weather) pass(ctx context.Context) error {
	if ctx.Value(probing{}) != nil {
		return nil
	}
	if w.isCancelled() && ctx.Err() == nil {
		w.lastly.Do(w.askLast)
	}
	w.mu.Lock()
	down, gone := w.down, w.gone
	w.mu.Unlock()
	if gone != nil || down == nil {
		return gone
	}
	_, err := w.wait(ctx, 0, nil)
	return err
}

// probing is a key of the context of a probe, which passes during an outage.
type probing struct{}

// failed waits until a request can be sent again that failed with err, which may pass. Its error says
// that it is given up: an *OutageError with the whole run, or ctx's cause.
func (w *Weather) failed(ctx context.Context, t *try, err error) error {
	if t.failures++; t.failures == 1 {
		t.began = time.Now()
	}
	if isBusy(err) {
		return w.rest(ctx, t, err)
	}
	w.mu.Lock()
	seen, reached := t.answers, w.reached
	t.answers = w.answers
	w.mu.Unlock()
	if t.failures == 1 {
		seen = t.answers
	}
	if isName(err) && !reached {
		if t.counted++; t.counted >= nameTries {
			return errTries
		}
		return sleep(ctx, w.backoff(t.counted), nil, nil)
	}
	if t.failures > 1 || isDial(err) {
		if waited, err := w.wait(ctx, seen, err); err != nil || waited {
			return err
		}
	}
	if t.counted++; t.counted >= w.tries {
		return errTries
	}
	return sleep(ctx, w.backoff(t.counted), nil, nil)
}

// wait finds out whether the service is reached, which it is if it answered since there were so many
// answers, and waits until it is. Only one does so at a time. It reports whether there was an outage.
func (w *Weather) wait(ctx context.Context, seen int, cause error) (waited bool, err error) {
	w.mu.Lock()
	outages := w.outages
	w.mu.Unlock()
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	defer func() { <-w.turn }()
	w.mu.Lock()
	down, gone, fresh, waited := w.down, w.gone, w.answers != seen, w.outages != outages
	w.mu.Unlock()
	switch {
	case gone != nil:
		return waited, gone
	case down != nil:
	case waited || fresh || cause == nil:
		return waited, nil
	default:
		since := time.Now()
		if err := w.ask(ctx); err == nil || ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		down = w.shut(since, cause)
	}
	return true, w.watch(ctx, down, cause)
}

// watch asks until the service answers.
func (w *Weather) watch(ctx context.Context, s *spell, cause error) error {
	for {
		s.waits++
		pause, err := w.next(s, cause, s.waits)
		if err != nil {
			return err
		}
		if err := sleep(ctx, pause, s.over, w.cancelled); err != nil {
			return err
		}
		select {
		case <-s.over:
			return nil
		case <-w.cancelled:
			continue
		default:
		}
		if cause = w.ask(ctx); cause == nil {
			return nil
		}
	}
}

// ask sends the probe. An answer ends an outage.
func (w *Weather) ask(ctx context.Context) error {
	limit := probeFor
	if w.isCancelled() {
		limit = lastProbeFor
	}
	asking, cancel := context.WithTimeout(context.WithValue(ctx, probing{}, true), limit)
	defer cancel()
	err := w.probe(asking)
	if isAnswer(err) {
		w.answered(false)
		return nil
	}
	return err
}

func (w *Weather) isCancelled() bool {
	select {
	case <-w.cancelled:
		return true
	default:
		return false
	}
}

// askLast finds out whether the service is reached in a run that is being cancelled. If it is not, the
// run is given up.
func (w *Weather) askLast() {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	var cause error
	if down == nil {
		since := time.Now()
		if cause = w.ask(context.Background()); cause == nil || isBusy(cause) {
			return
		}
		down = w.shut(since, cause)
	}
	_, _ = w.next(down, cause, 1) // keeps the error
}

// shut begins an outage, unless there is one.
func (w *Weather) shut(since time.Time, cause error) *spell {
	w.idle()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down == nil {
		w.down = w.newSpell(since)
		w.down.First, w.down.err, w.down.Cause = !w.reached, cause, words(cause)
	}
	return w.down
}

func (w *Weather) newSpell(since time.Time) *spell {
	s := &spell{Outage: Outage{Service: w.service, Where: w.where, Since: since}, over: make(chan struct{})}
	if w.limit > 0 {
		s.Until = since.Add(w.limit)
	}
	return s
}

// next is how long to wait after so many failures in a spell, of which it tells. cause is the last one;
// nil if there is none since. Error: an *OutageError if the spell is over the limit, or the run is being
// cancelled and the service not reached.
func (w *Weather) next(s *spell, cause error, failures int) (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	s.For = now.Sub(s.Since)
	if cause != nil {
		s.err, s.Cause = cause, words(cause)
	}
	if w.limit > 0 && s.For >= w.limit || !s.Busy && w.isCancelled() {
		w.gone = &OutageError{s.Outage, s.err}
		return 0, w.gone
	}
	pause := w.backoff(failures)
	if w.limit > 0 {
		pause = min(pause, w.limit-s.For)
	}
	if now.Before(s.Next) {
		return pause, nil // another request has told when it is sent
	}
	s.Next = now.Add(pause)
	if s.told = s.told || s.First || s.For >= tellAfter; s.told {
		w.tell(s.Outage)
	}
	return pause, nil
}

// rest waits after the service asked for fewer requests.
func (w *Weather) rest(ctx context.Context, t *try, cause error) error {
	w.mu.Lock()
	if w.busy == nil {
		w.busy = w.newSpell(time.Now())
		w.busy.Busy = true
	}
	s := w.busy
	w.mu.Unlock()
	pause, err := w.next(s, cause, t.failures)
	if err == nil && w.limit > 0 && time.Since(t.began) >= w.limit {
		err = errTries // while others got through
	}
	if err != nil {
		return err
	}
	return sleep(ctx, pause, nil, nil)
}

// answered notes that the service has answered: a request of the run, or the probe.
func (w *Weather) answered(request bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = true
	w.answers++
	if request && w.busy != nil {
		w.end(w.busy)
		w.busy = nil
	}
	if w.down != nil {
		close(w.down.over)
		w.outages++
		w.end(w.down)
		w.down = nil
	}
}

// end tells of the end of a spell.
func (w *Weather) end(s *spell) {
	if s.told {
		s.For, s.Next = time.Since(s.Since), time.Time{}
		w.tell(s.Outage)
	}
}

// backoff is the wait after so many failures: it doubles, up to a cap, and varies by a half.
func (w *Weather) backoff(failures int) time.Duration {
	d := min(firstBackoff<<min(max(failures-1, 0), 20), w.most)
	return d/2 + rand.N(d/2+1)
}

// sleep returns early when over or cancelled is closed, and with ctx's cause when ctx ends.
func sleep(ctx context.Context, d time.Duration, over, cancelled <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-cancelled:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// isBusy reports whether a service asked for fewer requests, or for patience.
func isBusy(err error) bool {
	if Status(err) == 503 || Status(err) == 429 {
		return true
	}
	return throttles.IsErrorThrottle(err).Bool()
}

// isDial reports whether there was no connection at all.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" || is[*net.DNSError](err)
}

// isName reports whether the host has no address.
func isName(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}
