package report

import "time"

// MostWork is how many works Progress.Now names at most.
const MostWork = 8

// A Work is a subtree or archive in work.
type Work struct {
	Path   string // as the user would write it
	Doing  string // the stage that it is in, by its name
	Source int64  // bytes of its regular files, where they are known
	// Done of Total bytes have gone through that stage; Total 0: that is not known.
	Done, Total int64
}

// A Past is what an earlier run of the same kind, which reached its end, found and did.
type Past struct {
	Ended    time.Time     `json:"ended"`
	Duration time.Duration `json:"duration"`
	Entries  int64         `json:"entries"`  // found
	Subtrees int64         `json:"subtrees"` // or archives, found
	Bytes    int64         `json:"bytes"`    // found: of regular files, or of the archives' objects
	Read     int64         `json:"read"`     // of Bytes, those that were read
	Stored   int64         `json:"stored"`   // bytes of objects that were stored
}

// Past is what a run did that ended now.
func (s *Summary) Past(t *Totals, now time.Time) Past {
	return Past{
		Ended: now.UTC(), Duration: s.Elapsed, Entries: t.Entries.Load(), Subtrees: t.Subtrees.Load(), Bytes: t.Bytes.Load(),
		Read: s.Load.Done, Stored: t.Stored.Load(),
	}
}
