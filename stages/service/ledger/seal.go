package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/stage/upload"
	"firn/stages/store"
)

const (
	// partSize is how many bytes of an object are held at a time while it is stored.
	partSize = 8 << 20
	// copySize is how many bytes are moved at a time.
	copySize = 256 << 10
	// abortTimeout bounds how long a cancelled run waits for an upload to be aborted. What is not is found by Clean.
	abortTimeout = 30 * time.Second
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
		return fmt.Errorf("reading what is to be stored as %s: %w", key, err)
	}
	r := record.Record{Format: record.Format, MD5: sums.MD5, HMAC: sums.MAC, KeyID: l.Keys.ID(), ArchiveSize: sums.Size}
	cipher, err := encryption.NewEncrypter(l.Passphrase, io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return err
	}
	o := store.PutOptions{Meta: r.Meta(), Class: store.ClassStandard}
	if err := l.put(ctx, key, cipher, encryption.CiphertextSize(sums.Size), o); err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
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

// put stores size bytes of r, part after part.
func (l *Ledger) put(ctx context.Context, key string, r io.Reader, size int64, o store.PutOptions) (err error) {
	part, err := upload.PartSize(size, partSize, l.Store.Limits(), l.Store.Limits().MaxPart)
	if err != nil {
		return err
	}
	buf := make([]byte, min(part, size))
	if size <= part {
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		o.CRC32C = store.CRC32C(buf)
		_, err = l.Store.Put(ctx, key, buf, o)
		return err
	}
	o.PartSize = part
	up, err := l.Store.CreateUpload(ctx, key, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
			defer cancel()
			err = errors.Join(err, up.Abort(ctx))
		}
	}()
	var parts []store.Part
	var sum uint32
	for left := size; left > 0; left -= int64(len(buf)) {
		buf = buf[:min(part, left)]
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		crc := store.CRC32C(buf)
		sum = store.CombineCRC32C(sum, crc, int64(len(buf)))
		p, err := up.Part(ctx, len(parts)+1, buf, crc)
		if err != nil {
			return fmt.Errorf("part %d: %w", len(parts)+1, err)
		}
		parts = append(parts, p)
	}
	_, err = up.Complete(ctx, parts, sum)
	return err
}
