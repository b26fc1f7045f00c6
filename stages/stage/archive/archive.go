// Package archive writes the tar of one subtree: the tar half of the stage "tar-compress".
//
// It reads entries from a walk and files from the file system, and writes a stream. It knows
// neither compression nor stores nor what a run is. The bytes depend on the entries alone: the same
// tree gives the same tar, on any machine, in any release of Go (package tarfmt makes them).
//
// It promises: a fault of a single entry is reported, and never stops the archive or makes it
// malformed. A file that can't be opened is left out. One that shrinks or can't be read to its end
// is filled up with zeros to the size in its header; one that grows is cut there. Memory grows only
// with hard links whose other names are still to come (maxLinks).
package archive

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// maxLinks bounds the inodes with several names that one archive remembers, in 150 MB at worst.
// Further ones are stored whole under each name and reported as Copied.
const maxLinks = 1 << 20

// Tree yields the entries of a subtree; *walk.Tree is one. Its errors don't name the subtree.
type Tree interface {
	Entries(ctx context.Context, s walk.Subtree, fn func(*walk.Entry) error, fault func(path string, err error)) error
}

// Archiver writes archives. It caches names of users and groups, and is safe for concurrent use.
type Archiver struct {
	maxLinks int
	files    filesystem
	owners   owners
	streams  sync.Pool
}

// New returns an Archiver.
func New() *Archiver {
	a := &Archiver{maxLinks: maxLinks, files: osFiles{}}
	a.streams.New = func() any { return new(stream) }
	return a
}

// Result says what one archive holds.
type Result struct {
	Entries int64 // members written
	Files   int64 // of them regular files with content of their own (no further names of one)
	Bytes   int64 // their sizes added up, holes included
	TarSize int64 // bytes written
	Faults  int64 // reports of anything else: something of the subtree is not in the archive as it was
	Changed int64 // reports of Changed
	Skipped int64 // reports of Skipped
}

// An Observer is called for a subtree's entries, in the goroutine of Write or List. Either may be
// nil.
type Observer struct {
	// Fault is called for every entry that is not in the archive as it was on disk.
	Fault func(Fault)
	// Member is called for every member, in order, when it has been written. The header is valid
	// until it returns; its error ends the archive.
	Member func(*tarfmt.Header) error
}

// Write writes the tar of subtree s of t to w. The result counts what was written, also with an
// error: one of w, of the observer or of t, or ctx's cause.
//
// If w is an io.ReaderFrom, file data go straight from the file into the memory that w offers. The
// tar ends with two blocks of zeros and is not padded to 10 KiB, the record size of tapes.
func (a *Archiver) Write(ctx context.Context, w io.Writer, t Tree, s walk.Subtree, o Observer) (Result, error) {
	return a.run(ctx, "writing the tar of", w, t, s, o)
}

// List gives the observer the members that Write would write, but for their holes, and reads no
// file. Bytes and TarSize of the result are 0.
func (a *Archiver) List(ctx context.Context, t Tree, s walk.Subtree, o Observer) (Result, error) {
	return a.run(ctx, "listing", nil, t, s, o)
}

// run writes to w, or lists if w is nil.
func (a *Archiver) run(ctx context.Context, doing string, w io.Writer, t Tree, s walk.Subtree, o Observer) (Result, error) {
	st := a.streams.Get().(*stream)
	defer a.streams.Put(st)
	st.begin(ctx, a, w, o, s.LongKey)
	defer st.end()
	err := t.Entries(ctx, s, st.add, st.unreadable)
	if err == nil {
		err = st.flush()
	}
	if err == nil && !st.listing {
		err = st.write(st.zeros[:])
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w", doing, cmp.Or(s.Path, s.Base), err)
	}
	return st.result, err
}
