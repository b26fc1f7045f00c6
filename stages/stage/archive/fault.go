package archive

import (
	"errors"
	"fmt"
	"io/fs"

	"firn/stages/format/catalogue"
	"firn/stages/stage/walk"
)

// Kind says what became of an entry that could not be archived as it was.
type Kind string

// The kinds of fault, by what is in the archive.
const (
	// Unreadable: the entry, or what is in the directory, could not be read and is missing.
	Unreadable Kind = catalogue.FaultUnreadable
	// Vanished: the entry is missing, because it was gone or replaced when its turn came.
	Vanished Kind = catalogue.FaultVanished
	// Truncated: the file is there, but reading failed at some point; the rest is zeros.
	Truncated Kind = catalogue.FaultTruncated
	// Bare: the entry is there, but not all of its extended attributes.
	Bare Kind = "attributes missing"
	// Copied: the file is there as a file of its own, not as a link to another name (maxLinks).
	Copied Kind = "link stored as copy"
	// Changed: the file is there as it was read, but it changed meanwhile. What it shrank by is zeros,
	// what it grew by is missing.
	Changed Kind = "changed while read"
	// Skipped: a tar can't hold the entry: a socket.
	Skipped Kind = "skipped"
)

// Fault is the report of one entry.
type Fault struct {
	Path string // on disk
	What Kind
	Read int64 // bytes of a Truncated file before the zeros
	Err  error // never nil; says what was being done to Path, and why it failed
}

// The reasons for Changed, Copied and Skipped.
var (
	ErrGrew     = errors.New("grew while it was read; stored up to the size it had")
	ErrShrank   = errors.New("shrank while it was read; zeros stand for what was gone")
	ErrModified = errors.New("was modified while it was read; stored as read")
	ErrSocket   = errors.New("is a socket, which a tar can't hold and programs create again")
	ErrType     = errors.New("is of a type that a tar can't hold")
	ErrLinks    = errors.New("has other names, but there are too many such files to remember; stored whole under this name")
)

func (st *stream) fault(path string, what Kind, err error) {
	st.report(Fault{Path: path, What: what, Err: err})
}

func (st *stream) report(f Fault) {
	switch f.What {
	case Changed:
		st.result.Changed++
	case Skipped:
		st.result.Skipped++
	default:
		st.result.Faults++
	}
	if st.observer.Fault != nil {
		st.observer.Fault(f)
	}
}

// unreadable reports an entry, or what is in it, that is not in the archive: the walk's faults,
// and those of opening a file.
func (st *stream) unreadable(path string, err error) {
	what := Unreadable
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, walk.ErrVanished) {
		what = Vanished
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == path {
		err = fmt.Errorf("%s: %w", at.Op, at.Err) // the path is named once
	}
	st.fault(path, what, fmt.Errorf("archiving %s: %w", path, err))
}
