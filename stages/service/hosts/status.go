package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/service/report"
)

// Phases of a run, as Status names them.
const (
	PhaseFinding  = "finding"  // more may be offered
	PhaseWorking  = "working"  // all is offered
	PhaseStopping = "stopping" // only what is in work is finished
	PhaseOver     = "over"
)

// A Status is how a run on many hosts gets on.
type Status struct {
	Run       string        `json:"run"`
	Operation string        `json:"operation"`
	Firn      string        `json:"firn"`
	Host      string        `json:"host"` // of the coordinator
	Phase     string        `json:"phase"`
	Begun     time.Time     `json:"begun"`
	Elapsed   time.Duration `json:"elapsed"`

	// Found is what is to be looked at, in subtrees or archives, and in bytes; Done what is saved, skipped or
	// failed of it; Failed are items.
	Found      int64 `json:"found"`
	FoundBytes int64 `json:"foundBytes"`
	All        bool  `json:"all"` // Found does not grow any more
	Done       int64 `json:"done"`
	DoneBytes  int64 `json:"doneBytes"`
	Failed     int64 `json:"failed"`

	Open  int           `json:"open"`  // items that are offered and have no result
	Left  time.Duration `json:"left"`  // until all is through; -1: it can't be told yet
	Limit string        `json:"limit"` // the stage with the most left to do; "" if it is unknown

	Hosts   []report.Host `json:"hosts"`
	Trouble []Trouble     `json:"trouble"` // items that failed, or that were tried more than once, the last ones
	Kept    Kept          `json:"kept"`
	Counts  Counts        `json:"counts"`
}

// A Trouble is an item that failed, or that was handed out more than once.
type Trouble struct {
	Name   string   `json:"name"`
	Hosts  []string `json:"hosts"`           // that had it
	Tries  []Try    `json:"tries,omitempty"` // what they said
	Open   bool     `json:"open"`            // it has no result
	Failed string   `json:"failed,omitempty"`
}

// troubled keeps what Status says of an item. The caller holds mu.
func (c *Coordinator) troubled(o *offering) {
	if slices.Contains(c.trouble, o) {
		return
	}
	if len(c.trouble) >= maxTroubled {
		i := max(slices.IndexFunc(c.trouble, func(o *offering) bool { return o.failed == "" }), 0) // failed ones stay longest
		c.trouble = slices.Delete(c.trouble, i, i+1)
	}
	c.trouble = append(c.trouble, o)
}

// observe keeps what Status says of what is left.
func (c *Coordinator) observe() {
	if c.o.Progress == nil || c.o.Totals == nil {
		return
	}
	p := c.o.Progress()
	c.Merge(&p)
	out := c.seer.Look(p, c.o.Totals, time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outlook = out
}

// Status is how the run gets on.
func (c *Coordinator) Status() Status {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	kept, _ := c.o.Link.Kept(ctx) // or nothing is said of it
	cancel()
	var p report.Progress
	c.Merge(&p)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{
		Run: c.o.Run, Operation: c.o.Operation, Firn: c.o.Firn, Host: c.o.Host, Phase: c.phase(), Begun: c.begun,
		Elapsed: time.Since(c.begun), Open: c.open, Left: c.outlook.Left, Limit: c.outlook.Limit, Hosts: p.Seen(), Kept: kept, Counts: c.counted(),
	}
	if t := c.o.Totals; t != nil {
		s.Found, s.FoundBytes, s.All = t.Subtrees.Load(), t.Bytes.Load(), t.Final()
		s.Done, s.DoneBytes, s.Failed = t.DoneSubtrees.Load(), t.DoneBytes.Load(), t.Failed.Load()
	}
	for _, o := range c.trouble {
		s.Trouble = append(s.Trouble, Trouble{
			Name: o.Name, Hosts: slices.Clone(o.had), Tries: slices.Clone(o.tries), Open: !o.claimed, Failed: o.failed,
		})
	}
	return s
}

// phase is that of the run. The caller holds mu.
func (c *Coordinator) phase() string {
	switch {
	case c.over != nil:
		return PhaseOver
	case !c.stopping.IsZero():
		return PhaseStopping
	case c.offered:
		return PhaseWorking
	}
	return PhaseFinding
}

// sealStatus replies to who asks how the run gets on.
func (c *Coordinator) sealStatus(nonce string) ([]byte, error) {
	s := c.Status()
	for {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		reply, err := c.seal.seal(kindState, nonce, struct{}{}, text)
		if !errors.Is(err, errTooLong) || len(s.Hosts)+len(s.Trouble) == 0 {
			return reply, err
		}
		s.Hosts, s.Trouble = s.Hosts[:len(s.Hosts)/2], s.Trouble[:len(s.Trouble)/2]
	}
}

// AskStatus asks the coordinator how its run gets on. ErrNobody if there is none;
// *encryption.OtherKeyError if it has another key file.
func AskStatus(ctx context.Context, link Link, keys *encryption.Keys, firn string) (Status, error) {
	var s Status
	seal, _, err := seek(ctx, link, keys, firn)
	if err != nil {
		return s, err
	}
	body, err := seal.ask(ctx, link, kindStatus, struct{}{}, kindState, &struct{}{})
	if err == nil {
		err = Decode(body, &s)
	}
	return s, err
}

// A Glimpse is what is seen of a run without its key file. Nothing proves it.
type Glimpse struct {
	Run   string `json:"run"` // "": no coordinator answers
	KeyID string `json:"keyId"`
	Firn  string `json:"firn"`
	Kept  Kept   `json:"kept"`
}

// Look sees what there is to be seen without a key file.
func Look(ctx context.Context, link Link) (Glimpse, error) {
	var g Glimpse
	h, _, err := find(ctx, link)
	switch {
	case err == nil:
		g.Run, g.KeyID, g.Firn = h.Run, h.KeyID, h.Firn
	case !errors.Is(err, ErrNobody):
		return g, err
	}
	g.Kept, err = link.Kept(ctx)
	return g, err
}
