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
	ID       string           `json:"run"`
	Number   int64            `json:"number"`
	Started  time.Time        `json:"started"`
	Path     string           `json:"path,omitempty"` // the backup path, as catalogue.Escape writes it
	Chain    *catalogue.Chain `json:"chain,omitempty"`
	HMAC     string           `json:"hmac_sha256,omitempty"` // of its object
	Retired  []string         `json:"retired,omitempty"`
	Learned  bool             `json:"learned,omitempty"`   // the state file has what its manifest says
	OtherKey string           `json:"other_key,omitempty"` // its key id, if it was made with another key file than the memo

	RetiredKeys []string `json:"retired_keys,omitempty"`

	keyfile int // catalogue.Run.Keyfile

	ETag string `json:"etag,omitempty"` // of its object when it was read; an object with another one is read again
	Size int64  `json:"size,omitempty"` // bytes of its object
}

// History is what the runs in the catalogue say to the next one.
type History struct {
	Last  Step            // of the newest run; zero if there is none that can be read
	Packs map[string]bool // keys of those in the store that can be referred to: no rebuild retired them
	Next  int64           // the number of the next run
	Lost  int             // runs that can't be read, though not for their key file
	New   []catalogue.Run // those that are wanted, and that were not learned, as they were made

	Others  map[string]string // key ids of other key files → the last run with them, by its id
	Retired map[string]bool   // key ids that a run took the place of

	steps    []Step
	unread   map[string]bool // ids of runs that can't be read, or are retired
	others   map[string]bool // ids of runs that are said to be of another key file
	replaced []Step          // what the memo says of runs whose objects are others now
	dir      string          // what the keys of the catalogue begin with
}

// compare orders runs as they were made: each has a higher number than those that it found. Two that
// did not know of each other may have the same, and runs of earlier versions of firn have none: their
// clocks decide.
func (s Step) compare(t Step) int {
	return cmp.Or(cmp.Compare(s.Number, t.Number), s.Started.Compare(t.Started), strings.Compare(s.ID, t.ID))
}

// History reads what the memo does not know, and the runs of the wanted backup paths that were not
// learned. It costs a listing of the catalogue, and nothing for a run that it read before and whose
// object is the same. Errors: those of the store as a whole, or ctx's cause.
func (l *Ledger) History(ctx context.Context, memo Memo, wanted func(path string) bool) (History, error) {
	h := History{Packs: map[string]bool{}, unread: map[string]bool{}, others: map[string]bool{}, dir: Dir(l.Prefix), Others: map[string]string{}, Retired: map[string]bool{}}
	var lost []string
	listed := int64(0)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var mu sync.Mutex
	err := l.Store.List(ctx, h.dir, func(o store.Object) error {
		switch {
		case !l.Has(o.Key):
			return nil
		case IsPack(o.Key):
			mu.Lock()
			defer mu.Unlock()
			h.Packs[o.Key] = true
			return nil
		case !IsRun(o.Key):
			return nil
		}
		listed++
		known := stepIn(memo, RunOf(o.Key))
		enough := known.OtherKey != "" || known.Learned || !wanted(known.path())
		if known.ID == RunOf(o.Key) && known.is(o) && enough {
			mu.Lock()
			defer mu.Unlock()
			h.add(known)
			return nil
		}
		group.Go(func() error {
			s, run, replaced, err := l.step(inner, o, known, memo)
			mu.Lock()
			defer mu.Unlock()
			if s.ID == "" {
				lost = append(lost, o.Key)
				h.unread[RunOf(o.Key)] = true
			} else {
				h.add(s)
			}
			switch {
			case replaced:
				h.replaced = append(h.replaced, known)
			case run.ID != "" && wanted(run.Path):
				h.New = append(h.New, run)
			}
			return err
		})
		return nil
	})
	err = errors.Join(err, group.Wait())
	slices.SortFunc(h.New, func(a, b catalogue.Run) int { return StepOf(a).compare(StepOf(b)) })
	retired := map[string]bool{}
	for _, s := range h.steps {
		for _, key := range s.Retired {
			retired[key] = true
			delete(h.Packs, key)
			if IsRun(key) {
				h.unread[RunOf(key)] = true
			}
		}
	}
	h.Lost = len(slices.DeleteFunc(lost, func(key string) bool { return retired[key] }))
	h.Next = max(h.Last.Number, listed) + 1 // those that can't be read have numbers too
	return h, err
}

func (h *History) add(s Step) {
	if s.OtherKey != "" {
		h.others[s.ID] = true
		h.Others[s.OtherKey] = max(h.Others[s.OtherKey], s.ID)
		return
	}
	if h.Last.ID == "" || s.compare(h.Last) > 0 {
		h.Last = s
	}
	for _, id := range s.RetiredKeys {
		h.Retired[id] = true
	}
	h.steps = append(h.steps, s)
}

// step reads a run. The step of one that can't be read is zero. replaced says that it is not the run
// that is known: then the memo is left as it is.
func (l *Ledger) step(ctx context.Context, o store.Object, known Step, memo Memo) (s Step, run catalogue.Run, replaced bool, err error) {
	run, err = l.run(ctx, o.Key)
	s = StepOf(run)
	switch {
	case err != nil && ctx.Err() != nil || pipeline.IsFatal(err):
		return Step{}, run, false, err
	case errors.Is(err, encryption.ErrOtherKey):
		s = Step{ID: RunOf(o.Key), OtherKey: otherKey(err)}
	case err != nil:
		return Step{}, run, known.HMAC != "" && IsDamage(err), nil
	}
	if known.HMAC != "" && known.HMAC != s.HMAC {
		return s, run, true, nil
	}
	s = s.at(o)
	s.Keep(memo)
	return s, run, false, nil
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

// StepOf returns the step of a run, but for what its object is.
func StepOf(run catalogue.Run) Step {
	return Step{
		ID: run.ID, Number: run.Number, Started: run.Started, Path: catalogue.Escape(run.Path),
		Chain: run.Chain, HMAC: run.HMAC, Retired: run.Retired, RetiredKeys: run.RetiredKeys, keyfile: run.Keyfile,
	}
}

// at sets what the object of the run is.
func (s Step) at(o store.Object) Step {
	s.ETag, s.Size = o.ETag, o.Size
	return s
}

// is reports whether an object is the one that was read. Memos of earlier versions of firn do not
// know it.
func (s Step) is(o store.Object) bool {
	return s.Size == o.Size && s.ETag == o.ETag && (s.HMAC != "" || s.OtherKey != "")
}

// Keep writes a step to the memo. An error costs the next run a request.
func (s Step) Keep(memo Memo) { s.keepAs(memo, s.ID) }

func (s Step) keepAs(memo Memo, name string) {
	if value, err := json.Marshal(s); err == nil {
		_ = memo.KeepRun(name, value)
	}
}

// stepIn reads a step from the memo; zero if there is none.
func stepIn(memo Memo, name string) (s Step) {
	if json.Unmarshal(memo.Run(name), &s) != nil {
		return Step{}
	}
	return s
}

// Learn notes that the state file has what the manifest of a run says.
func Learn(memo Memo, id string) {
	if s := stepIn(memo, id); s.ID == id {
		s.Learned = true
		s.Keep(memo)
	}
}

// path is the backup path as in keys; "" if it is not known.
func (s Step) path() string {
	path, err := catalogue.Unescape(s.Path)
	if err != nil {
		return ""
	}
	return path
}
