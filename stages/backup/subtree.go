package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// A subtree on its way through the stages; each fills in what it finds out.
type subtree struct {
	walk.Subtree
	backup *backup

	scan   walk.Scan     // walk
	known  check.Known   // lookup
	asked  bool          // lookup; known is what there is to know
	spool  *spool.File   // archive
	record record.Record // archive
	list   *spool.Beside // archive; the list of its entries
	result archive.Result
	lost   bool         // content of an entry, or what lies in it, could not be read
	object store.Object // upload

	faults    []catalogue.Fault // archive; the first of them
	faultSize int               // bytes of all of them
	allFaults int64
}

// String is the subtree's path as the user would name it.
func (s *subtree) String() string { return path.Join(s.backup.tree.Path(), s.Path) }

// Drop lets go of the spool file, whether the archive is stored or given up.
func (s *subtree) Drop(error) {
	if s.spool == nil {
		return
	}
	if err := s.spool.Remove(); err != nil {
		s.backup.Report.Event(report.Event{Kind: report.Warning, Path: s.String(), Text: "a spool file is left behind; the next run removes it", Err: err})
	}
}

// bound is the most bytes the archive and the list of its entries can come to:
// what does not compress grows, in bzip2 by up to half a percent.
func (s *subtree) bound() int64 {
	return s.scan.TarBound + s.scan.TarBound/128 + 64<<10 + s.scan.Entries*listBound
}

// pack makes the archive of s into sink and notes its sums in the record.
func (b *backup) pack(ctx context.Context, s *subtree, sink io.Writer, o archive.Observer) error {
	sums, err := b.packer.Pack(ctx, b.Keys.MAC(s.Key), sink, func(ctx context.Context, w io.Writer) (err error) {
		s.result, err = b.archiver.Write(ctx, w, b.tree, s.Subtree, o)
		return err
	})
	if err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	if s.result.Entries == 0 && s.result.Faults == 0 && s.result.Skipped > 0 {
		return errLeftOut
	}
	if s.result.Entries == 0 || s.result.Entries == 1 && s.result.Faults > 0 && s.scan.Entries != 1 {
		return errEmpty
	}
	s.record = record.Record{
		Format:      record.Format,
		MD5:         sums.MD5,
		TarSHA256:   sums.TarSHA256,
		HMAC:        sums.MAC,
		KeyID:       b.Keys.ID(),
		ArchiveSize: sums.Size,
		TarSize:     sums.TarSize,
		Changed:     s.result.Changed > 0,
	}
	return nil
}

// plaintext reads the archive of s: from its spool or, if it outgrew that,
// by making it once more.
func (b *backup) plaintext(ctx context.Context, s *subtree) (io.ReadCloser, error) {
	if !s.spool.Overflow() {
		return io.NopCloser(s.spool.Reader()), nil
	}
	if _, err := b.stages.encrypt.Acquire(ctx, b.repeats, 1); err != nil {
		return nil, err
	}
	again := *s
	return &repeat{
		ReadCloser: pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error {
			return b.stages.archive.Busy(func() error { return b.pack(ctx, &again, w, archive.Observer{}) })
		}),
		sum:  hash.NewArchive(nil),
		want: s.record,
		turn: b.repeats,
	}, nil
}

// errChanging: the second look at a subtree that is too large for the spool
// found something else than the first.
var errChanging = errors.New("it is larger than its share of the spool, so it was read twice, and it changed in between; nothing was stored in its place: raise --spool-limit, use a larger --depth, or save it when it is at rest")

// A repeat reads an archive that is made a second time, and ends in
// errChanging instead of io.EOF if it is not what it was the first time.
type repeat struct {
	io.ReadCloser
	sum  *hash.Archive
	want record.Record
	size int64
	turn *pipeline.Budget
}

// Close waits for the second making to end, and lets the next one begin.
func (r *repeat) Close() error {
	err := r.ReadCloser.Close()
	r.turn.Release(1)
	return err
}

func (r *repeat) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.sum.MD5Block(p[:n])
	r.size += int64(n)
	if r.size > r.want.ArchiveSize {
		return 0, errChanging
	}
	if errors.Is(err, io.EOF) {
		if sums, _ := r.sum.Sums(); sums.MD5 != r.want.MD5 {
			return 0, errChanging
		}
	}
	return n, err
}

// entryFault reports what is not in an archive as it was on disk.
func (b *backup) entryFault(s *subtree) func(archive.Fault) {
	return func(f archive.Fault) {
		switch f.What {
		case archive.Unreadable, archive.Vanished, archive.Truncated:
			s.lost = true
		}
		if _, told := b.cutFaults.Load(f.Path); told && f.What == archive.Unreadable {
			return // what a cut can't list, its archive can't either
		}
		kind := report.Entry
		switch f.What {
		case archive.Changed:
			kind = report.Changed
		case archive.Skipped:
			kind = report.Left
		}
		s.note(f)
		b.Report.Event(report.Event{Kind: kind, Path: f.Path, Key: s.Key, Err: f.Err})
	}
}

// tellOf reports what became of a whole subtree.
func (b *backup) tellOf(s *subtree, kind report.Kind, stored int64) {
	b.Report.Event(report.Event{Kind: kind, Path: s.String(), Key: s.Key, Source: s.scan.Bytes, Stored: stored})
}
