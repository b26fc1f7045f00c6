package forecast

import (
	"errors"
	"sync"

	"firn/stages/format/exclude"
	"firn/stages/format/prices"
	"firn/stages/stage/walk"
)

// A Report is what is known of a backup before it runs.
type Report struct {
	Path   string // the backup path
	Class  string
	Prices *prices.Table
	Assume *Assume
	Given  bool // the ratio was given, or measured: it is no mere bound

	Depths []*Depth
	Costs  []Cost  // of the depths, in the class
	Others []Cost  // of the best depth, in all classes that have prices
	Advice *Advice // nil: there is but one depth

	Excluded []Excluded
	Idle     []exclude.Idle // patterns that matched nothing
	Caches   int64          // directories with a CACHEDIR.TAG, whose content is left out
	Systems  int64          // directories on another file system
	Vanished int64          // entries that were gone when they were looked at
	Unread   int64          // directories and entries that could not be read

	Bucket *Bucket // nil: no store was asked
	Sample *Sample // nil: nothing was read
}

// A Bucket is what is known of the store.
type Bucket struct {
	URL      string
	Archives int64 // below the backup path, of any depth and format
	Versions bool  // what is replaced is kept as an older version
	Unknown  error // why that is not known; nil if it is
	Exact    bool  // archives were compared by their fingerprints, as a run does; else by times of modification
}

// An Excluded says what a pattern left out.
type Excluded struct {
	Pattern            string // as in exclude.List.Lines
	Files, Directories int64
	Bytes              int64 // of the files; what is in a directory is not known
}

// Price sets the costs of the depths and, if there are several, chooses one. Errors:
// *prices.MissingError.
func (r *Report) Price() error {
	r.Costs = nil
	for _, d := range r.Depths {
		c, err := d.Cost(r.Prices, r.Class)
		if err != nil {
			return err
		}
		r.Costs = append(r.Costs, c)
	}
	if len(r.Depths) > 1 {
		a := Advise(r.Depths, r.Costs)
		r.Advice = &a
	}
	r.Others = r.Best().Costs(r.Prices)
	return nil
}

// Best is the depth that is recommended, or the only one.
func (r *Report) Best() *Depth {
	if r.Advice != nil {
		return r.Depths[r.Advice.Best]
	}
	return r.Depths[0]
}

// A Tally counts what patterns leave out, from many goroutines.
type Tally struct {
	mu  sync.Mutex
	all map[int]Excluded
}

// Add is for walk.Options.Excluded.
func (t *Tally) Add(pattern int, dir bool, size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[int]Excluded{}
	}
	e := t.all[pattern]
	if dir {
		e.Directories++
	} else {
		e.Files++
	}
	e.Bytes += size
	t.all[pattern] = e
}

// Excluded is what the patterns of a list left out, in their order.
func (t *Tally) Excluded(x *exclude.List) (all []Excluded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, line := range x.Lines() {
		if e, ok := t.all[i]; ok {
			e.Pattern = line
			all = append(all, e)
		}
	}
	return all
}

// Fault counts an error of a walk, and reports whether it is one to be told: what vanished is not.
func (r *Report) Fault(err error) bool {
	if errors.Is(err, walk.ErrVanished) {
		r.Vanished++
		return false
	}
	r.Unread++
	return true
}

// Left counts a directory whose content is left out.
func (r *Report) Left(l walk.Left) {
	if l.Cache {
		r.Caches++
	} else {
		r.Systems++
	}
}
