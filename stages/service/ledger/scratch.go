package ledger

import (
	"context"
	"errors"
	"io"
	"os"

	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/service/spool"
)

// copySize is how many bytes are moved at a time.
const copySize = 256 << 10

// A scratch is the plaintext of an object of the catalogue, in a scratch file.
type scratch struct {
	key  string
	file *os.File
	size int64
	mac  string                 // HMAC of the object, once it is verified
	pass *encryption.Passphrase // that it was made with
}

func (l *Ledger) scratch(key string) (*scratch, error) {
	file, err := l.Scratch()
	if err != nil {
		return nil, err
	}
	return &scratch{key: key, file: file}, nil
}

func (s *scratch) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		err = &spool.WriteError{What: "the catalogue", Err: err}
	}
	return n, err
}

func (s *scratch) ReadAt(p []byte, at int64) (int, error) { return s.file.ReadAt(p, at) }

// Size of the plaintext in bytes.
func (s *scratch) Size() int64 { return s.size }

// Close removes the file. Its error is ignored, for nothing in the file is needed any more.
func (s *scratch) Close() { _ = s.file.Close() }

func (s *scratch) reader() *io.SectionReader { return io.NewSectionReader(s.file, 0, s.size) }

// copySums copies r to w and adds it to sums.
func copySums(ctx context.Context, w io.Writer, r io.Reader, sums *hash.Archive) error {
	buf := make([]byte, copySize)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := r.Read(buf)
		sums.MD5Block(buf[:n])
		sums.MACBlock(buf[:n])
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
