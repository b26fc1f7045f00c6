package stages

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path"

	"firn/pipeline"
	"firn/stages/format/codec"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/spool"
	"firn/stages/stage/fetch"
	"firn/stages/store"
)

// A prover reads archives back and proves them before anybody looks at what
// they hold.
type prover struct {
	fetcher    *fetch.Fetcher
	stage      *pipeline.Stage // of the caller, for its counters
	passphrase *encryption.Passphrase
	keys       *encryption.Keys
	spool      *spool.Dir
	limit      int64 // bytes of the spool
}

// A stored archive is an object, and the record that it is held against.
type stored struct {
	object store.Object
	record record.Record
	spool  *spool.File // nil: it is too large for the spool, and read a second time
}

// Drop lets go of the spool file. What is left behind the next run removes.
func (a *stored) Drop(error) {
	if a.spool != nil {
		_ = a.spool.Remove()
	}
}

// bring fetches an archive and proves it. It is in the spool then, unless it
// does not fit: plain reads it once more. Errors are damages, or of the fetch.
func (p *prover) bring(ctx context.Context, a *stored) (err error) {
	if a.object.Size > p.limit {
		return p.prove(ctx, a, io.Discard)
	}
	if a.spool, err = p.spool.Create(ctx, a.object.Size); err != nil {
		return err
	}
	if err := p.prove(ctx, a, a.spool); err != nil {
		a.Drop(err)
		a.spool = nil
		return err
	}
	a.spool.Seal()
	return nil
}

// prove writes the decrypted archive to w; without an error it is what the
// record says.
func (p *prover) prove(ctx context.Context, a *stored, w io.Writer) error {
	sums := hash.NewArchive(nil)
	if a.record.Format > 0 {
		keys, err := p.keys.ForID(a.record.KeyID)
		if err != nil {
			return &damage{problemKey, err}
		}
		sums = hash.NewArchive(keys.MAC(a.object.Key))
	}
	cipher := &sealed{ReadCloser: pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error {
		return p.fetcher.Fetch(ctx, p.stage, fetch.Object{Key: a.object.Key, Version: a.object.Version, Size: a.object.Size}, w)
	})}
	defer cipher.Close()
	plain, err := encryption.NewDecrypter(p.passphrase, cipher)
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
		err = fits(a.record, sums)
	}
	if err = asDamage(err); problemOf(err) != "" {
		return cipher.blame(a.object, err)
	}
	return err
}

type writerFunc func([]byte)

func (w writerFunc) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// fits holds what was read against the record.
func fits(r record.Record, sums *hash.Archive) error {
	got, err := sums.Sums()
	switch {
	case err != nil:
		return err
	case r.Format > 0 && (r.HMAC == "" || got.MAC != r.HMAC):
		return damagef(problemContent, "its HMAC does not fit its key and content")
	case r.MD5 != "" && got.MD5 != r.MD5:
		return damagef(problemContent, "its MD5 is %s, the record says %s", got.MD5, r.MD5)
	}
	return nil
}

// sealed sums an object's bytes as they come.
type sealed struct {
	io.ReadCloser
	crc  uint32
	size int64
}

func (s *sealed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	s.crc = crc32.Update(s.crc, crc32.MakeTable(crc32.Castagnoli), p[:n])
	s.size += int64(n)
	return n, err
}

// blame says who changed an object that is not what was saved, where the
// store's own checksum can tell.
func (s *sealed) blame(o store.Object, err error) error {
	switch {
	case !o.HasCRC32C || s.size != o.Size:
		return err
	case s.crc != o.CRC32C:
		return damagef(problemChecksum, "its bytes are not those that the store keeps a checksum of: they have changed where they lie, or on the way here: %w", err)
	}
	return &damage{problemOf(err), fmt.Errorf("%w; its bytes are those that were uploaded under this key", err)}
}

// plain decompresses an archive that bring has proven. Whoever reads it asks
// its fault when there was an error.
func (p *prover) plain(ctx context.Context, a *stored) (*tarStream, error) {
	format, err := codec.ByExt(path.Ext(a.object.Key)[1:])
	if err != nil {
		return nil, &damage{problemTar, err}
	}
	t := &tarStream{}
	if a.spool != nil {
		t.archive.from = io.NopCloser(a.spool.Reader())
	} else {
		t.archive.from = pipeline.Pipe(ctx, func(ctx context.Context, w io.Writer) error { return p.prove(ctx, a, w) })
	}
	if t.ReadCloser, err = format.NewReader(&t.archive); err != nil {
		return nil, errors.Join(t.fault(fmt.Errorf("decompressing it: %w", err)), t.archive.from.Close())
	}
	return t, nil
}

// A tarStream is the tar in an archive.
type tarStream struct {
	io.ReadCloser // the decompressor
	archive       watched
}

// Close ends the reading, at whatever point.
func (t *tarStream) Close() error { return errors.Join(t.ReadCloser.Close(), t.archive.from.Close()) }

// fault says of an error in reading the tar whether it is the archive's, or
// came from below.
func (t *tarStream) fault(err error) error {
	if t.archive.err != nil {
		return asDamage(t.archive.err)
	}
	return &damage{problemTar, err}
}

// watched keeps the error that reading ended in.
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
