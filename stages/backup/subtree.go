package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync/atomic"
	"time"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/service/state"
	"firn/stages/stage/archive"
	"firn/stages/stage/check"
	"firn/stages/stage/forecast"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// A subtree on its way through the stages. Each field names the stage that sets it.
type subtree struct {
	walk.Subtree
	backup *backup

	scan    walk.Scan     // walk
	seen    *state.Entry  // lookup: in the state file; nil if there is none
	begun   *state.Upload // lookup, upload: its upload that the state file names; nil if there is none
	doubted bool          // lookup: the object may be what begun became, or somebody replaced it
	known   check.Known   // lookup
	asked   bool          // lookup: known is set
	spool   *spool.File   // archive
	record  record.Record // archive
	list    *spool.Beside // archive: the list of its entries
	hand    *hand         // take: what a worker has in hand; nil in a run of its own
	planned bool          // lookup: it is to be saved
	task    *report.Task  // archive
	result  archive.Result
	unread  unread // archive
	marks   *marks // archive: if it may be made twice
	waited  bool   // it is one of the shells that come last

	partial bool          // check: the archive lacks the content of entries that could not be read
	better  string        // check: id of the run whose archive has it; "" if none is known
	object  store.Object  // upload
	leave   atomic.Bool   // upload: its upload and its spool file are left to the next run
	sending bool          // check: it is in the loop of what is sent
	retakes int           // upload: how often its upload was taken up again in this run
	refused error         // upload: it was not stored, because somebody else had stored something meanwhile
	took    time.Duration // of a work on another host

	faults    []catalogue.Fault // archive: the first ones, for the manifest
	faultSize int               // bytes of all faults
	allFaults int64
}

// String is the subtree's path as the user would write it.
func (s *subtree) String() string { return path.Join(s.backup.tree.Path(), s.Path) }

// Drop ends the work on the subtree, and removes the spool file, whether the archive is stored or not,
// unless the next run may use it.
func (s *subtree) Drop(reason error) {
	s.unspool()
	s.task.End()
	if s.hand != nil && errors.Is(reason, pipeline.ErrStopped) {
		s.backup.answers.back(s)
	}
}

func (s *subtree) unspool() {
	if s.spool == nil {
		return
	}
	end := s.spool.Remove
	if s.leave.Swap(false) {
		end = s.spool.Leave
		s.backup.book.count(s, counts{Left: 1})
	}
	if s.sending {
		s.sending = false
		defer s.backup.sending.Done()
	}
	if err := end(); err != nil {
		s.backup.book.tell(s, report.Event{Kind: report.Warning, Path: s.String(), Text: "the next run removes a spool file that this one could not remove", Err: err})
	}
}

// giveUp drops the subtree and returns err.
func (s *subtree) giveUp(err error) error {
	s.Drop(err)
	return err
}

// foresee tells who plans what becomes of the subtree.
func (s *subtree) foresee(what forecast.What) {
	if tell := s.backup.options.Foresee; tell != nil {
		tell(forecast.Archive{Sum: s.scan.Sum, Path: []byte(s.Path), Shell: s.Shell, Socket: s.scan.Socket, What: what})
	}
}

// report sends the event that ends the work on a subtree.
func (s *subtree) report(kind report.Kind) {
	s.backup.Report.Event(report.Event{Kind: kind, Path: s.String(), Key: s.Key, Source: s.scan.Bytes, Stored: s.object.Size, Took: max(s.took, s.task.Took())})
}

// plan notes whether s is to be saved.
func (s *subtree) plan(take bool) {
	s.planned = take
	s.backup.Works.Looked(s.scan.Bytes, 0, take)
}

// begin begins the work on s. made says that its archive is there already: then nothing is read.
func (s *subtree) begin(made bool) {
	bytes := s.scan.Bytes
	if made {
		s.backup.Works.Leave(bytes)
		bytes = 0
		s.backup.Works.Looked(bytes, 0, true)
	}
	s.task = s.backup.Works.Begin(s, report.StageArchive, s.scan.Bytes, bytes, 0)
	if s.hand != nil {
		s.hand.work.Follow(s.task)
	}
}

// unplan notes that s, if it was to be saved, is not begun.
func (s *subtree) unplan() {
	if s.planned && s.task == nil {
		s.planned = false
		s.backup.Works.Leave(s.scan.Bytes)
	}
}

// bound is the largest size, in bytes, of the archive and its list together. Data that do not
// compress grow, in bzip2 by up to half a percent.
func (s *subtree) bound() int64 {
	return s.scan.TarBound + s.scan.TarBound/128 + 64<<10 + s.scan.Entries*listBound
}

// reads notes that s is read from now on, until ended is called: then it waits for others. Only a worker
// tells reading, which may hang, from waiting.
func (s *subtree) reads() (ended func()) {
	if s.hand == nil {
		return func() {}
	}
	if s.hand.read {
		s.task.Waiting(false)
	}
	s.hand.read = true
	return func() { s.task.Waiting(true) }
}

// waiting is w, of which each write is noted as a wait for others.
func (s *subtree) waiting(w io.Writer) io.Writer {
	if s.hand == nil {
		return w
	}
	return waitingWriter{w, s.task}
}

type waitingWriter struct {
	io.Writer
	task *report.Task
}

func (w waitingWriter) Write(p []byte) (int, error) {
	w.task.Waiting(true)
	defer w.task.Waiting(false)
	return w.Writer.Write(p)
}

// pack writes the archive of s to sink and sets its record.
func (b *backup) pack(ctx context.Context, s *subtree, sink io.Writer, o archive.Observer) error {
	sums, err := b.packer.Pack(ctx, b.Keys.MAC(s.Key), sink, s.task.First, func(ctx context.Context, w io.Writer) (err error) {
		defer s.reads()()
		s.result, err = b.archiver.Write(ctx, s.waiting(w), b.tree, s.Subtree, o)
		s.task.Doing(report.StageCompress)
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

// plaintext reads the archive of s from the spool. An archive that did not fit is made again.
func (b *backup) plaintext(ctx context.Context, s *subtree) (io.ReadCloser, error) {
	if !s.spool.Overflow() {
		return io.NopCloser(s.spool.Reader()), nil
	}
	if _, err := b.stages.encrypt.Acquire(ctx, b.repeats, 1); err != nil {
		return nil, err
	}
	again := &subtree{Subtree: s.Subtree, backup: b, scan: s.scan}
	return &repeat{
		ReadCloser: pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error {
			return b.stages.archive.Busy(func() error { return b.pack(ctx, again, w, archive.Observer{}) })
		}),
		again:   again,
		want:    s.record,
		marks:   s.marks.again(),
		repeats: b.repeats,
	}, nil
}
