package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/store"
)

// A Memo keeps what is known of each run, so that a later History need not fetch it. What it returns
// may be nil, or anything.
type Memo interface {
	Run(id string) []byte
	KeepRun(id string, value []byte) error
}

// A Step is what the next run has to know of a run.
type Step struct {
	ID       string    `json:"run"`
	Number   int64     `json:"number"`
	Started  time.Time `json:"started"`
	Retired  []string  `json:"retired,omitempty"`
	By       string    `json:"by"`                  // the key id of those who read it: others may not be able to
	OtherKey string    `json:"other_key,omitempty"` // its key id, if they could not: it was made with another key file

	RetiredKeys []string `json:"retired_keys,omitempty"`
}

// History is what the runs in the catalogue say to the next one.
type History struct {
	Last  Step            // of the newest run; zero if there is none that can be read
	Packs map[string]bool // keys of those in the store that can be referred to: no rebuild retired them
	Next  int64           // the number of the next run
	Lost  int             // runs that can't be read, though not for their key file

	Others  map[string]string // key ids of other key files → the last run with them, by its id
	Retired map[string]bool   // key ids that a run took the place of
}

// compare orders runs as they were made: each has a higher number than those that it found. Two that
// did not know of each other may have the same, and runs of earlier versions of firn have none: their
// clocks decide.
func (s Step) compare(t Step) int {
	return cmp.Or(cmp.Compare(s.Number, t.Number), s.Started.Compare(t.Started), strings.Compare(s.ID, t.ID))
}

// History reads what the memo does not know. It costs a listing of the catalogue, and nothing for a
// run that it read before. Errors: those of the store as a whole, or ctx's cause.
func (l *Ledger) History(ctx context.Context, memo Memo) (History, error) {
	h := History{Packs: map[string]bool{}, Others: map[string]string{}, Retired: map[string]bool{}}
	var retired, lost []string
	listed := int64(0)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var mu sync.Mutex
	add := func(s Step) {
		mu.Lock()
		defer mu.Unlock()
		if s.ID != "" && s.OtherKey == "" && (h.Last.ID == "" || s.compare(h.Last) > 0) {
			h.Last = s
		}
		retired = append(retired, s.Retired...)
		for _, id := range s.RetiredKeys {
			h.Retired[id] = true
		}
		if s.OtherKey != "" {
			h.Others[s.OtherKey] = max(h.Others[s.OtherKey], s.ID)
		}
	}
	err := l.Store.List(ctx, Dir(l.Prefix), func(o store.Object) error {
		switch {
		case IsPack(o.Key):
			mu.Lock()
			defer mu.Unlock()
			h.Packs[o.Key] = true
			return nil
		case !IsRun(o.Key):
			return nil
		}
		listed++
		var s Step
		id := RunOf(o.Key)
		if json.Unmarshal(memo.Run(id), &s) == nil && s.ID == id && s.By == l.Keys.ID() {
			add(s)
			return nil
		}
		group.Go(func() error {
			s, err := l.step(inner, o.Key, memo)
			if add(s); s.ID == "" {
				mu.Lock()
				defer mu.Unlock()
				lost = append(lost, o.Key)
			}
			return err
		})
		return nil
	})
	err = errors.Join(err, group.Wait())
	for _, key := range retired {
		delete(h.Packs, key)
	}
	h.Lost = len(slices.DeleteFunc(lost, func(key string) bool { return slices.Contains(retired, key) }))
	h.Next = max(h.Last.Number, listed) + 1 // those that can't be read have numbers too
	return h, err
}

// step reads a run. The step of one that can't be read is zero.
func (l *Ledger) step(ctx context.Context, key string, memo Memo) (Step, error) {
	run, err := l.run(ctx, key)
	s := StepOf(run)
	switch {
	case err != nil && ctx.Err() != nil || pipeline.IsFatal(err):
		return Step{}, err
	case errors.Is(err, encryption.ErrOtherKey):
		s = Step{ID: RunOf(key), OtherKey: otherKey(err)}
	case err != nil:
		return Step{}, nil
	}
	s.By = l.Keys.ID()
	s.Keep(memo)
	return s, nil
}

// otherKey returns the key id in an error that wraps encryption.ErrOtherKey.
func otherKey(err error) string {
	if e, ok := errors.AsType[*encryption.OtherKeyError](err); ok {
		return e.KeyID
	}
	return ""
}

// RetiredKeys are the ids of keys that a run took the place of, each with the last such run's id.
func RetiredKeys(all []catalogue.Run) map[string]string {
	by := map[string]string{}
	for _, run := range all {
		for _, id := range run.RetiredKeys {
			by[id] = run.ID
		}
	}
	return by
}

// StepOf returns the step of a run.
func StepOf(run catalogue.Run) Step {
	return Step{ID: run.ID, Number: run.Number, Started: run.Started, Retired: run.Retired, RetiredKeys: run.RetiredKeys}
}

// Keep writes a step to the memo. An error costs the next run a request.
func (s Step) Keep(memo Memo) {
	if value, err := json.Marshal(s); err == nil {
		_ = memo.KeepRun(s.ID, value)
	}
}
