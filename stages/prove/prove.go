// Package prove reads archives back: fetch ▸ decrypt ▸ verify ▸ decompress ▸ walk. No content is
// decompressed before its HMAC and MD5 match the record.
//
// It knows no operation, and does not choose the record: of a bare one, only the MD5 is compared,
// and nothing is proven. An error is a Damage if the store holds
// something else than what was stored.
package prove

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"sync/atomic"

	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/job"
	"firn/stages/service/report"
	"firn/stages/stage/fetch"
	"firn/stages/store"
)

// A Prover fetches archives and verifies them.
type Prover struct {
	fetcher *fetch.Fetcher
	stage   *pipeline.Stage // of the caller, for its counters
	job     *job.Job
	last    atomic.Int64 // which passphrase opened the last archive without a key id
}

// New returns the prover of a job. The workers of fetchStage fetch ranges; decrypt is the stage
// that calls Bring.
func New(j *job.Job, fetchStage, decrypt *pipeline.Stage) *Prover {
	return &Prover{fetcher: fetch.New(j.Store, j.PartSize, j.Memory, fetchStage), stage: decrypt, job: j}
}

// Enough returns an error if the memory limit is too small to fetch ranges.
func Enough(m job.Means) error {
	if m.MemoryLimit < 2*m.PartSize {
		return fmt.Errorf("a memory limit of %d bytes is too small for ranges of %d: at least two must fit", m.MemoryLimit, m.PartSize)
	}
	return nil
}

// Bring fetches an archive, verifies it and keeps it in the spool. If it does not fit, Open fetches
// it again. With several passphrases, an archive of the old script may be fetched with each: its
// record does not tell which one opens it.
func (p *Prover) Bring(ctx context.Context, a *Archive) (err error) {
	all, last := p.job.Keys.Passphrases(), p.last.Load()
	for i := range int64(len(all)) {
		at := (last + i) % int64(len(all))
		a.pass = all[at]
		switch err = p.bring(ctx, a); {
		case a.Record.Format > 0:
			return err
		case err == nil:
			p.last.Store(at)
			return nil
		case ProblemOf(err) != report.ProblemContent:
			return err
		}
	}
	return err
}

func (p *Prover) bring(ctx context.Context, a *Archive) (err error) {
	a.Task.FirstAgain()
	defer func() {
		if err == nil {
			a.Task.FirstDone(a.tarSize())
		}
	}()
	if a.Object.Size > p.job.Spooled.Size() {
		return p.verify(ctx, a, io.Discard)
	}
	if a.spool, err = p.job.Spool.Create(ctx, p.stage, a.Object.Size); err != nil {
		return err
	}
	if err = p.verify(ctx, a, a.spool); err != nil {
		a.unspool()
		a.spool = nil
		return err
	}
	a.spool.Seal()
	return nil
}

// Again calls read, and once more if the object changed while it was read: a run beside may have
// stored it again. look asks the store for it before that, and sets Object and Record.
func Again(ctx context.Context, read, look func(context.Context) error) error {
	err := read(ctx)
	if !errors.Is(err, store.ErrChanged) {
		return err
	}
	if err := look(ctx); err != nil {
		return err
	}
	return read(ctx)
}

// verify decrypts the archive to w. Without an error, w got what the record says.
func (p *Prover) verify(ctx context.Context, a *Archive, w io.Writer) error {
	sums, pass := hash.NewArchive(nil), a.pass
	if a.Record.HasProof() {
		keys, err := p.job.Keys.ForID(a.Record.KeyID)
		if err != nil {
			return &Damage{report.ProblemKey, err}
		}
		sums, pass = hash.NewArchive(keys.MAC(a.Object.Key)), keys.Passphrase()
	}
	cipher := &Summed{ReadCloser: pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error {
		return p.fetcher.Fetch(ctx, p.stage, a.Object, a.Task.First, w)
	})}
	defer cipher.Close()
	plain, err := encryption.NewDecrypter(pass, cipher)
	if err == nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, writerFunc(func(b []byte) {
			sums.MD5Block(b)
			sums.MACBlock(b)
			p.stage.AddOut(int64(len(b)))
		}))}, struct{ io.Reader }{plain}, make([]byte, 1<<20))
	}
	if err != nil {
		err = fmt.Errorf("decrypting it: %w", err)
	} else {
		err = matches(a.Record, sums)
	}
	if err = OfArchive(err); ProblemOf(err) != "" {
		return cipher.blame(a.Object, err)
	}
	return err
}

type writerFunc func([]byte)

func (w writerFunc) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// matches compares what was read with the record.
func matches(r record.Record, sums *hash.Archive) error {
	got, err := sums.Sums()
	switch {
	case err != nil:
		return err
	case r.HasProof() && got.MAC != r.HMAC:
		return Damagef(report.ProblemContent, "its HMAC does not fit its key and content")
	case r.MD5 != "" && got.MD5 != r.MD5:
		return Damagef(report.ProblemContent, "its MD5 is %s, the record says %s", got.MD5, r.MD5)
	}
	return nil
}

// Summed computes the CRC-32C of an object's bytes as they are read.
type Summed struct {
	io.ReadCloser
	CRC  uint32
	size int64
}

func (s *Summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.CRC = crc32.Update(s.CRC, castagnoli, p[:n])
	s.size += int64(n)
	return n, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blame adds to a damage where the object was changed, if the store's own checksum shows that.
func (s *Summed) blame(o store.Object, err error) error {
	switch {
	case !o.HasCRC32C || s.size != o.Size:
		return err
	case s.CRC != o.CRC32C:
		return Damagef(report.ProblemChecksum, "its bytes do not match the checksum that the store keeps, so they changed in the store or in transit: %w", err)
	}
	return Damagef(ProblemOf(err), "%w; its bytes are those that were uploaded with this key", err)
}

// Open returns the tar of an archive that Bring has verified. The caller closes it.
func (p *Prover) Open(ctx context.Context, a *Archive) (*TarReader, error) {
	format, err := codec.ByExt(path.Ext(a.Object.Key)[1:])
	if err != nil {
		return nil, &Damage{report.ProblemTar, err}
	}
	t := &TarReader{}
	if a.spool != nil {
		t.archive.from = io.NopCloser(a.spool.Reader())
	} else {
		t.archive.from = pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error { return p.verify(ctx, a, w) })
	}
	if t.ReadCloser, err = format.NewReader(&t.archive); err != nil {
		return nil, errors.Join(t.Blame(fmt.Errorf("decompressing it: %w", err)), t.archive.from.Close())
	}
	t.task = a.Task
	return t, nil
}

// A TarReader reads the tar in an archive.
type TarReader struct {
	io.ReadCloser // the decompressor
	archive       watched
	task          *report.Task
}

// Read counts what it reads as that of the second half of the archive's task.
func (t *TarReader) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.task.Second(int64(n))
	return n, err
}

// Close may be called before the end of the tar.
func (t *TarReader) Close() error { return errors.Join(t.ReadCloser.Close(), t.archive.from.Close()) }

// Blame returns an error in reading the tar as a Damage, unless the archive itself could not be
// read: then it returns that error.
func (t *TarReader) Blame(err error) error {
	if t.archive.err != nil {
		return OfArchive(t.archive.err)
	}
	return &Damage{report.ProblemTar, err}
}

// watched keeps the error that ended the reading.
type watched struct {
	from io.ReadCloser
	err  error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
