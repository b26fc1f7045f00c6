package archive

import (
	"errors"
	"fmt"
	"io/fs"

	"firn/stages/stage/walk"
)

// Kind says what became of an entry that could not be archived as it was.
type Kind int

// The kinds of fault, by what is in the archive.
const (
	// Unreadable: the entry, or what is in the directory, could not be read and is missing.
	Unreadable Kind = iota + 1
	// Vanished: the entry is missing, because it was gone or replaced when its turn came.
	Vanished
	// Truncated: the file is there, but reading failed at some point; the rest is zeros.
	Truncated
	// Bare: the entry is there, but not all of its extended attributes.
	Bare
	// Copied: the file is there as a file of its own, not as a link to another name
	// (maxLinks).
	Copied
	// Changed: the file is there as it was read, but it changed meanwhile. What it shrank by is zeros,
	// what it grew by is missing.
	Changed
	// Skipped: a tar can't hold the entry: a socket.
	Skipped
)

var kinds = [...]string{Unreadable: "unreadable", Vanished: "vanished", Truncated: "truncated", Bare: "attributes missing",
	Copied: "link stored as copy", Changed: "changed while read", Skipped: "skipped"}

func (k Kind) String() string {
	if k < 1 || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kinds[k]
}

// Fault is the report of one entry.
type Fault struct {
	Path string // on disk
	What Kind
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
	switch what {
	case Changed:
		st.result.Changed++
	case Skipped:
		st.result.Skipped++
	default:
		st.result.Faults++
	}
	if st.observer.Fault != nil {
		st.observer.Fault(Fault{Path: path, What: what, Err: err})
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
