package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/store"
)

const (
	// partSize is how many bytes of an object are held at a time while it is stored.
	partSize = 8 << 20
	// copySize is how many bytes are moved at a time.
	copySize = 256 << 10
)

// content is plaintext that is read twice.
type content interface {
	io.ReaderAt
	Size() int64
}

// seal stores content under key, encrypted and with its sums as metadata.
func (l *Ledger) seal(ctx context.Context, key string, c content) error {
	sums, err := l.sums(ctx, key, io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return fmt.Errorf("reading the plaintext of %s: %w", key, err)
	}
	r := record.Record{Format: record.Format, MD5: sums.MD5, HMAC: sums.MAC, KeyID: l.Keys.ID(), ArchiveSize: sums.Size}
	cipher, err := encryption.NewEncrypter(l.Passphrase, io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return err
	}
	o := store.PutOptions{Meta: r.Meta(), Class: store.ClassStandard}
	_, err = store.PutWhole(ctx, l.Store, key, cipher, encryption.CiphertextSize(sums.Size), partSize, o)
	return err
}

func (l *Ledger) sums(ctx context.Context, key string, r io.Reader) (hash.Sums, error) {
	sums := hash.NewArchive(l.Keys.MAC(key))
	buf := make([]byte, copySize)
	for {
		if ctx.Err() != nil {
			return hash.Sums{}, context.Cause(ctx)
		}
		n, err := r.Read(buf)
		sums.MD5Block(buf[:n])
		sums.MACBlock(buf[:n])
		if errors.Is(err, io.EOF) {
			return sums.Sums()
		}
		if err != nil {
			return hash.Sums{}, err
		}
	}
}
