package hosts

import (
	"context"
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
	Report report.Reporter
	Works  *report.Works // gets a task for each item in work, on any host; nil: none
	Begun  string        // the stage that the first half of a task moves in
	// Note is told of what a worker says of an item that it holds, at least once; nil: nothing is said.
	Note func(id, host string, body []byte)
	// Progress is the coordinator's own, for status; its Hosts are added.
	Progress func() report.Progress
}

// A Hello is what a worker says of itself when it asks to work.
type Hello struct {
	Host  string    `json:"host"`            // its name, with the number of its process
	Firn  string    `json:"firn"`            // version
	Time  time.Time `json:"time"`            // by its clock
	Path  string    `json:"path,omitempty"`  // the backup path that it was given, "" if none
	Store string    `json:"store,omitempty"` // the URL of the store that it was given, "" if none
}

// An Item is what is offered.
type Item struct {
	ID    string // the key: what it does is idempotent by it
	Name  string // for people: the path, as the user would write it
	Bytes int64  // of the first half of its work
	Body  []byte // what the worker is told, the operation's own
}

// A Result is the first answer for an item.
type Result struct {
	ID   string
	Host string // that answered; "": no worker did
	Body []byte // the operation's own; nil if Err is not ""
	Err  string // why the item failed for good
	// Tries are what hosts said that gave it up before.
	Tries []Try
}

// A Try is a host that had an item, and did not end it.
type Try struct {
	Host string `json:"host"`
	Why  string `json:"why"` // "": its lease ended, and it said nothing
}

// A Coordinator offers items and gathers answers. Make one with Lead.
type Coordinator struct{}

// Lead takes the queue for a run.
func Lead(ctx context.Context, o Options) (*Coordinator, error) { panic("being built") }

// Offer offers an item once there is room: what is offered and not answered is bounded, by what the
// workers can hold, so that the largest items that are known go first.
func (c *Coordinator) Offer(ctx context.Context, item Item) error { panic("being built") }

// Offered says that nothing more will be offered, until Results returns.
func (c *Coordinator) Offered() {}

// Results passes on the result of each item once, one at a time, until Offered was called and all that
// was offered has one: then it returns nil. After Stop, until all that workers hold has one: then
// pipeline.ErrStopped if something was withdrawn.
func (c *Coordinator) Results(ctx context.Context, fn func(ctx context.Context, r Result) error) error {
	panic("being built")
}

// Stop withdraws what nobody holds.
func (c *Coordinator) Stop(ctx context.Context) {}

// Merge adds what the workers say of themselves to the progress of the coordinator.
func (c *Coordinator) Merge(p *report.Progress) {}

// End tells the workers that the run is over, and waits a moment for them to leave. ended is why it
// ended early; nil if it did not.
func (c *Coordinator) End(ended error) {}

// Counts are what a summary says of the queue.
type Counts struct {
	Hosts     int64 // workers that have joined
	Retried   int64 // items that were handed out more than once
	Twice     int64 // answers for items that were answered before
	Forged    int64 // messages that did not open
	Exhausted int64 // items that were handed out MaxTries times
}

// Counts may be called at any time.
func (c *Coordinator) Counts() Counts { return Counts{} }

var _ pipeline.Taking = (*Member)(nil)
