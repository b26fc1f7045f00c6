package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/key"
	"firn/stages/format/treepath"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
)

// An archive is partial if it lacks the content of entries that could not be read. What was gone when
// its turn came is not lacking.

// maxUnread bounds the entries of one subtree that are kept to compare them with a stored archive,
// and unreadBytes the length of their paths.
const (
	maxUnread   = 100_000
	unreadBytes = 8 << 20
)

// unread are the entries of a subtree whose content could not be read, by their paths as in keys.
type unread struct {
	parts map[string]part
	bytes int
	more  bool // there are more than are kept
}

// A part is what could be read of an entry.
type part struct {
	kind archive.Kind // of the fault; "": all
	size int64        // bytes that were read, of a Truncated file
}

// add keeps a fault, if it is one of content that could not be read.
func (u *unread) add(f archive.Fault) {
	if f.What != archive.Unreadable && f.What != archive.Truncated {
		return
	}
	path := key.Clean(f.Path)
	if u.bytes += len(path); len(u.parts) == maxUnread || u.bytes > unreadBytes {
		u.more = true
		return
	}
	if u.parts == nil {
		u.parts = map[string]part{}
	}
	u.parts[path] = part{f.What, f.Read}
}

func (u *unread) any() bool { return len(u.parts) > 0 || u.more }

// of returns what could be read now of an entry of an older archive. What is in a directory could not
// be read if the directory could not.
func (u *unread) of(path string, e *catalogue.Entry) part {
	if p, ok := u.parts[path]; ok && e.Type != catalogue.Directory {
		return p
	}
	for up := range treepath.Above(path) {
		if p, ok := u.parts[up]; ok {
			return p
		}
	}
	return part{}
}

// A KeptError says that an archive was not stored, because the stored one holds what could not be
// read now.
type KeptError struct {
	Run     string    // that lists what the stored archive holds, "" if that is not known
	Stored  time.Time // zero if it is not known
	Entries int64     // that it holds, and that could not be read; 0 if that is not known
}

func (e *KeptError) Error() string {
	kept := "kept the stored archive"
	if !e.Stored.IsZero() {
		kept = "kept the archive of " + e.Stored.Local().Format(time.DateOnly)
	}
	if e.Run != "" {
		kept += " (run " + e.Run + ")"
	}
	switch e.Entries {
	case 0:
		return kept + ", which may hold entries that could not be read: there is no list of what it holds"
	case 1:
		return kept + ", which holds 1 entry that could not be read"
	}
	return fmt.Sprintf("%s, which holds %d entries that could not be read", kept, e.Entries)
}

// compare compares an archive that is to be stored with the one that it takes the place of. It returns
// a KeptError if that one must stay: it holds what could not be read now, and the store would not
// keep it as an older version.
func (b *backup) compare(ctx context.Context, s *subtree) (err error) {
	if !s.unread.any() {
		return nil
	}
	s.partial = true
	if !s.known.Stored {
		s.better, err = b.elsewhere(ctx, s)
		return err
	}
	entry := b.entryOf(s)
	kept := &KeptError{}
	if !s.known.Replaced {
		kept.Stored = entry.Record.Saved
	}
	known := false
	switch known, err = b.held(ctx, s, &entry, kept); {
	case err != nil:
		return err
	case !known:
		known, err = b.holdsNone(ctx, s)
	}
	if err != nil {
		return err
	}
	if known && kept.Entries == 0 {
		s.better = entry.Better // what this archive lacks, the stored one lacks too
		if s.better == "" && s.stored() > s.holds() {
			s.better, err = b.elsewhere(ctx, s)
		}
		return err
	}
	keeps, err := b.Store.KeepsVersions(ctx)
	switch {
	case err != nil && (ctx.Err() != nil || pipeline.IsFatal(err)):
		return err
	case keeps && entry.Record.Version != "":
		s.better = kept.Run
		return nil
	case b.options.ReplacePartial:
		return nil
	}
	return kept
}

// holdsNone reports whether a stored archive, of which no list says what it holds, is not taken to hold
// what could not be read: it is none of ours, and the new one is not empty. Of an object that is not
// the one that was recorded, such as one that a killed run stored, its metadata are asked for.
func (b *backup) holdsNone(ctx context.Context, s *subtree) (bool, error) {
	known := s.known
	if known.Record.MD5 == "" {
		var err error
		if known, err = b.asker.AskStore(ctx, s.Key); err != nil {
			return false, err
		}
	}
	return !known.Ours && s.result.Entries > 1, nil
}

// held sets how many of the entries that could not be read a stored archive holds, and the run that
// lists them; known is false if its list can't be read. Errors: those of the store as a whole, or
// ctx's cause.
func (b *backup) held(ctx context.Context, s *subtree, entry *state.Entry, to *KeptError) (known bool, err error) {
	if s.unread.more || s.known.Replaced || !b.book.hasPack(s, entry.List.Pack) {
		return false, nil
	}
	partly := map[string]int64{} // held, and so many bytes of them read now
	err = b.shelf().List(ctx, entry.List, catalogue.OwnerOf(s.Key, entry.Record.MD5), func(list *catalogue.ListReader) error {
		members := treepath.MembersOf(s.savedPath())
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			path := members.Path(e.Path)
			switch now := s.unread.of(path, &e); now.kind {
			case archive.Unreadable:
				to.Entries++
			case archive.Truncated:
				partly[path] = now.size
			}
		}
	})
	run := ledger.RunOf(entry.List.Pack)
	if err == nil && len(partly) > 0 && entry.Partial {
		err = b.dropTruncated(ctx, run, s.Key, entry.Record.MD5, partly)
	}
	if err != nil {
		if ctx.Err() != nil || pipeline.IsFatal(err) {
			return false, err
		}
		to.Entries = 0
		return false, nil
	}
	to.Entries += int64(len(partly))
	to.Run = run
	return true, nil
}

// dropTruncated removes from the files of which so many bytes were read those of which the archive of a
// run holds no more.
func (b *backup) dropTruncated(ctx context.Context, id, of, md5 string, read map[string]int64) error {
	runs, err := b.runs()
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.ID != id {
			continue
		}
		return b.Ledger.Subtrees(ctx, run, func(line catalogue.Subtree) error {
			if line.Key == of && line.MD5 == md5 && line.Status != catalogue.Failed {
				for _, f := range line.Faults {
					path := key.Clean(f.Path)
					if size, ok := read[path]; ok && f.Kind == catalogue.FaultTruncated && f.Read <= size {
						delete(read, path)
					}
				}
			}
			return nil
		})
	}
	return nil
}

// readBefore returns the functions that read the runs of the catalogue, and that make a shelf for the
// lists of stored archives, when they are needed first. close closes that shelf.
func (b *backup) readBefore(ctx context.Context) (runs func() ([]catalogue.Run, error), shelf func() *ledger.Shelf, close func()) {
	var made *ledger.Shelf
	shelf = sync.OnceValue(func() *ledger.Shelf { made = b.Shelf(); return made })
	runs = sync.OnceValues(func() ([]catalogue.Run, error) {
		all, _, _, err := job.Runs(ctx, b.Ledger, report.Discard{})
		return all, err
	})
	return runs, shelf, func() {
		if made != nil {
			made.Close()
		}
	}
}

// aside keeps the faults of an archive until it is known whether the archive counts. After maxAside of
// them it counts: they are passed on as they come.
type aside struct {
	faults []archive.Fault
	passed bool
	to     func(archive.Fault)
}

const maxAside = 1000

func (a *aside) add(f archive.Fault) {
	if !a.passed && len(a.faults) < maxAside {
		a.faults = append(a.faults, f)
		return
	}
	a.pass()
	a.to(f)
}

// pass passes on what was kept.
func (a *aside) pass() {
	for _, f := range a.faults {
		a.to(f)
	}
	a.faults, a.passed = nil, true
}
