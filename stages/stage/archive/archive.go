// Package archive writes the tar of one subtree: the tar half of the stage "tar-compress".
//
// It reads entries from a walk and files from the file system, and writes a stream; it knows neither compression nor
// stores nor what a run is. The bytes it writes are a function of the entries alone: the same tree gives the same tar, on
// any machine, with any writer, in any release of Go (package tarfmt makes them).
//
// What it promises: a fault of a single entry never stops the archive and never makes it malformed. A file that can't be
// opened is left out; one that shrinks or can't be read to its end is filled up with zeros to the size that its header
// declares; one that grows is cut there. Each is reported. Only a fault of the writer, or the context, ends the stream early.
// Memory does not grow with the number of entries, but for hard links whose other names are still to come (Options.MaxLinks).
package archive

import (
	"context"
	"fmt"
	"io"
	"sync"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// Options bounds an Archiver. The zero value has defaults that suit.
type Options struct {
	// MaxLinks bounds the inodes with several names that one archive remembers while it waits for the others
	// of their names; beyond it, further ones are stored whole under each name and reported as Copied.
	// One costs some 150 bytes. 0 means DefaultMaxLinks.
	MaxLinks int
}

// DefaultMaxLinks is Options.MaxLinks where none is given: a million, 150 MB at worst.
const DefaultMaxLinks = 1 << 20

// Tree is where the entries of a subtree come from; *walk.Tree is one.
type Tree interface {
	Entries(ctx context.Context, s walk.Subtree, fn func(*walk.Entry) error, fault func(path string, err error)) error
}

// Archiver writes archives. It remembers the names of users and groups, and scratch memory, from one archive to the next.
// It is safe for concurrent use.
type Archiver struct {
	maxLinks int
	files    filesystem
	owners   owners
	streams  sync.Pool
}

// New returns an Archiver.
func New(o Options) *Archiver {
	a := &Archiver{maxLinks: o.MaxLinks, files: osFiles{}}
	if a.maxLinks == 0 {
		a.maxLinks = DefaultMaxLinks
	}
	a.streams.New = func() any { return new(stream) }
	return a
}

// Result says what one archive holds.
type Result struct {
	Entries int64 // members written
	Files   int64 // of them regular files with content of their own (no further names of one)
	Bytes   int64 // their sizes added up, holes included
	TarSize int64 // bytes written
	Faults  int64 // reports of anything but Changed and Skipped: something of the subtree is not in the archive as it was
	Changed int64 // reports of Changed
	Skipped int64 // reports of Skipped
}

// An Observer is told of what becomes of a subtree's entries, from the goroutine of Write or List only. Either may be nil.
type Observer struct {
	// Fault is told of every entry that is not in the archive as it was on disk.
	Fault func(Fault)
	// Member is told of every member, in order, when it has been written. The header is good until it returns; its error
	// ends the archive.
	Member func(*tarfmt.Header) error
}

// Write writes the tar of subtree s of t to w. The result counts what was written, also when an error is returned: one of w, or of
// the observer, or ctx's cause, or of t.
//
// Where w has a ReadFrom method, file data go straight from the file into the memory that w offers.
// The tar ends with two blocks of zeros and is not padded to 10 KiB: that is a tape's record size, which no reader asks of a file.
func (a *Archiver) Write(ctx context.Context, w io.Writer, t Tree, s walk.Subtree, o Observer) (Result, error) {
	st := a.streams.Get().(*stream)
	defer a.streams.Put(st)
	st.begin(ctx, a, w, o)
	defer st.end()
	st.comment = s.LongKey
	if err := t.Entries(ctx, s, st.add, st.unreadable); err != nil {
		return st.result, fmt.Errorf("writing the tar of %q: %w", s.Path, err)
	}
	if err := st.flush(); err != nil {
		return st.result, fmt.Errorf("writing the tar of %q: %w", s.Path, err)
	}
	if err := st.write(st.zeros[:tarfmt.EndSize]); err != nil {
		return st.result, fmt.Errorf("writing the end of the tar of %q: %w", s.Path, err)
	}
	return st.result, nil
}

// List tells the observer of the members that Write would write, without reading a file: all is there but holes. Bytes and TarSize of the result are 0.
func (a *Archiver) List(ctx context.Context, t Tree, s walk.Subtree, o Observer) (Result, error) {
	st := a.streams.Get().(*stream)
	defer a.streams.Put(st)
	st.begin(ctx, a, nil, o)
	defer st.end()
	st.listing = true
	err := t.Entries(ctx, s, st.add, st.unreadable)
	if err == nil {
		err = st.flush()
	}
	if err != nil {
		return st.result, fmt.Errorf("listing %q: %w", s.Path, err)
	}
	return st.result, nil
}
