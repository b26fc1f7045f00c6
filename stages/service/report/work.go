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

// A Past is what an earlier run of the same kind, which ended well, found and did.
type Past struct {
	Ended                    time.Time
	Duration                 time.Duration
	Entries, Subtrees, Bytes int64 // found; bytes of regular files
	Read                     int64 // of Bytes, those that were read
	Stored                   int64 // bytes of objects that were sent or fetched
}
