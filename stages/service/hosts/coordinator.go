package hosts

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/service/report"
)

// Options of a coordinator.
type Options struct {
	Link      Link
	Keys      *encryption.Keys
	Run       string        // id of the run, new for each
	Operation string        // "backup" …
	Settings  any           // what workers are told, as JSON; nothing secret
	Lease     time.Duration // of an item: what makes no progress for that long is handed out again
	Host      string
	Firn      string // version, which all hosts must have
	// Fits says why a worker must not work, by its own words of its path and its store; nil: it may.
	Fits   func(Hello) error
	Report report.Reporter // nil: nobody is told
	Works  *report.Works   // gets a task for each item in work, on any host; nil: none
	Begun  string          // the stage that the first half of a task moves in
	// Note is told of what a worker says of an item that it holds, at least once, and also after the
	// item has its result, if a worker is late; nil: nothing is said.
	Note func(id, host string, body []byte)
	// More is what a worker is told of an item beside its body when it asks whether it is wanted; nil:
	// nothing.
	More func(id string) []byte
	// Progress is the coordinator's own, for Status; what the workers say is added. nil: there is none.
	Progress func() report.Progress
	Totals   *report.Totals // of the run, for Status; nil: there are none
	// Stopping is closed by a soft stop of the run: Results calls Stop then. nil: it never is.
	Stopping <-chan struct{}

	taken bool
}

// A Hello is what a worker says of itself when it asks to work.
type Hello struct {
	Host  string    `json:"host"`            // its name, with the number of its process
	Firn  string    `json:"firn"`            // version
	Time  time.Time `json:"time"`            // by its clock
	Path  string    `json:"path,omitempty"`  // the backup path that it was given, "" if none
	Store string    `json:"store,omitempty"` // the URL of the store that it was given, "" if none
}

const (
	announced = 2 * time.Second // how often a run is announced
	glance    = time.Second     // how often a coordinator looks after what is offered
	// farewell is how long a coordinator waits for its workers to leave.
	farewell = 5 * time.Second
)

// A Coordinator offers items and gathers answers. Make one with Lead, and end it with End.
type Coordinator struct {
	o        Options
	seal     *sealer
	settings []byte
	begun    time.Time

	ctx   context.Context // until End
	end   context.CancelCauseFunc
	tasks sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed at each change that somebody may wait for, and made anew
	failed  error         // of the run
	over    *runSaid      // the run is over
	said    atomic.Int64  // number of what was announced last

	slots    map[string]*offering // by all that an item is or was kept under
	ends     recent[*ending]      // of items that were done
	open     int                  // items without a result
	offered  bool                 // there will be no more
	stopping time.Time            // since Stop; zero: it was not called
	withdrew bool                 // something was withdrawn

	members map[string]*member
	warned  map[string]bool // of what, with the host; only serve uses it, and others
	others  int             // key ids of other key files that were told of
	window  int
	counts  Counts
	tally   tally
	trouble []*offering // of Status, those that failed or were tried more than once
	short   int         // looks in a row at which the queue kept too little
	made    int         // how often the queue was made again, of which what was in it is offered again
	looked  time.Time   // at what the queue keeps
	awake   time.Time   // when census was called last; only census uses it
	told    rate
	faults  faults // of workers
	blamed  rate   // they were told
	lonely  bool   // it was told that nobody has joined
	seer    report.Observer
	outlook report.Outlook
}

// Lead takes the queue for a run.
func Lead(ctx context.Context, o Options) (*Coordinator, error) {
	settings, err := json.Marshal(o.Settings)
	if err != nil {
		return nil, fmt.Errorf("writing the settings of the run: %w", err)
	}
	seal, err := newSealer(o.Keys, o.Run, o.Firn)
	if err != nil {
		return nil, err
	}
	if o.Report == nil {
		o.Report = report.Discard{}
	}
	c := &Coordinator{
		outlook: report.Outlook{Left: -1},
		o:       o, seal: seal, settings: settings, begun: time.Now(), changed: make(chan struct{}),
		slots: map[string]*offering{}, members: map[string]*member{}, warned: map[string]bool{}, window: leastWindow,
	}
	if _, err := c.welcome("", helloSaid{}); err != nil {
		return nil, fmt.Errorf("the settings of the run: %w", err)
	}
	if err := o.Take(ctx); err != nil {
		return nil, err
	}
	c.ctx, c.end = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := errors.Join(o.Link.Heard(c.heard), o.Link.Serve(c.serve)); err != nil {
		c.end(nil)
		return nil, err
	}
	c.tasks.Go(c.announce)
	c.tasks.Go(c.look)
	return c, nil
}

// Take takes the queue, once: what is read after it, no other coordinator changes. It may wait for one
// that was killed. Lead does it if it was not done.
func (o *Options) Take(ctx context.Context) error {
	if o.taken {
		return nil
	}
	err := o.Link.Lead(ctx, o.Lease)
	o.taken = err == nil
	return err
}

// change wakes who waits. The caller holds mu.
func (c *Coordinator) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// until waits until ready, which holds mu, says so.
func (c *Coordinator) until(ctx context.Context, ready func() bool) error {
	for {
		c.mu.Lock()
		err, changed := c.failed, c.changed
		is := err == nil && ready()
		c.mu.Unlock()
		if err != nil || is {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// fail ends the run for a reason that is not one item's.
func (c *Coordinator) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil && c.ctx.Err() == nil {
		c.failed = pipeline.Fatal(err) // and not of each item that waits to be offered
		c.change()
	}
}

// announce tells all that there is this run, until it is over.
func (c *Coordinator) announce() {
	every := time.NewTicker(announced)
	defer every.Stop()
	for {
		c.say(runSaid{Operation: c.o.Operation, Left: int64(c.left())})
		select {
		case <-every.C:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Coordinator) say(s runSaid) {
	s.Number = c.said.Add(1)
	if message, err := c.seal.seal(kindSaid, "", s, nil); err == nil {
		_ = c.o.Link.Announce(message) // it is said again
	}
}

// End tells the workers that the run is over, and waits a moment for them to leave. ended is why it
// ended early; nil if it did not. The link may be closed then.
func (c *Coordinator) End(ended error) {
	over := runSaid{Operation: c.o.Operation, Over: true}
	if ended != nil {
		over.Why = brief(ended.Error())
	}
	c.mu.Lock()
	c.over = &over
	c.mu.Unlock()
	c.end(errEnded)
	c.tasks.Wait()
	c.mu.Lock()
	for _, o := range c.slots {
		o.task.End() // nobody ends it any more
	}
	c.mu.Unlock()
	if ended != nil {
		ctx, cancel := context.WithTimeout(context.Background(), farewell)
		_ = c.o.Link.Withdraw(ctx) // nobody answers for it: the next run drops it too
		cancel()
	}
	defer c.allGone()
	for until := time.Now().Add(farewell); ; {
		c.say(over)
		c.mu.Lock()
		present, changed := c.present(), c.changed
		c.mu.Unlock()
		if present == 0 || time.Now().After(until) {
			return
		}
		select {
		case <-changed:
		case <-time.After(farewell / 10):
		}
	}
}

// allGone notes that nobody is there any more, also those that said no goodbye: what they held is not
// this run's.
func (c *Coordinator) allGone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, m := range c.members {
		c.leaves(id, m)
	}
}

var errEnded = errors.New("the run has ended")

// Counts are what a summary says of the queue.
type Counts struct {
	Hosts     int64 // workers that took part: they passed their own checks, or took an item
	Retried   int64 // items that were handed out more than once
	Returned  int64 // times that a worker handed an item back, which it had not begun or not ended
	Twice     int64 // items that were done more than once: one answer counts
	Forged    int64 // messages that did not open
	Stale     int64 // messages of other runs
	Exhausted int64 // items that were handed out MaxTries times
	Again     int64 // items that the queue had lost, and that were offered again
}

// Counts may be called at any time.
func (c *Coordinator) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counted()
}

// counted is Counts. The caller holds mu.
func (c *Coordinator) counted() Counts {
	counts := c.counts
	for _, m := range c.members {
		counts.Forged += m.state.Forged
	}
	return counts
}

// word returns random letters that nobody guesses.
func word() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}

// brief shortens a reason.
func brief(why string) string {
	if len(why) > maxWhy {
		return why[:maxWhy] + " …"
	}
	return why
}
