package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// unsealed is an object of the catalogue that has been fetched, decrypted and verified.
type unsealed struct {
	file *os.File
	size int64
}

func (u *unsealed) reader() *io.SectionReader { return io.NewSectionReader(u.file, 0, u.size) }

// close removes the scratch file. Nothing in it is needed any more, so an error is ignored.
func (u *unsealed) close() { _ = u.file.Close() }

// open fetches an object and verifies it: its HMAC covers its key and all of its bytes. Errors:
// store.ErrNotFound, store.ErrCold, encryption.ErrOtherKey, ErrDamaged.
func (l *Ledger) open(ctx context.Context, key string) (_ *unsealed, err error) {
	object, err := l.Store.Head(ctx, key, "")
	if err != nil {
		return nil, err
	}
	r, err := record.FromMeta(object.Meta)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the record of %s: %w", ErrDamaged, key, err)
	case r.HMAC == "" || r.KeyID == "":
		return nil, fmt.Errorf("%w: %s has no HMAC and key id, so nobody can tell who wrote it", ErrDamaged, key)
	}
	keys, err := l.Keys.ForID(r.KeyID)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	file, err := l.Scratch()
	if err != nil {
		return nil, err
	}
	u := &unsealed{file: file}
	sums := hash.NewArchive(keys.MAC(key))
	if u.size, err = l.fetch(ctx, key, object.Version, file, sums); err == nil {
		err = prove(key, r, sums)
	}
	if err != nil {
		u.close()
		return nil, err
	}
	return u, nil
}

// fetch writes the decrypted object to file, summing it on the way.
func (l *Ledger) fetch(ctx context.Context, key, version string, file *os.File, sums *hash.Archive) (size int64, err error) {
	body, err := l.Store.Get(ctx, key, store.GetOptions{Version: version})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	plain, err := encryption.NewDecrypter(l.Passphrase, body)
	if err != nil {
		return 0, damagedIf(key, err)
	}
	buf := make([]byte, copySize)
	for {
		n, err := plain.Read(buf)
		if n > 0 {
			sums.MD5Block(buf[:n])
			sums.MACBlock(buf[:n])
			if _, err := file.Write(buf[:n]); err != nil {
				return 0, pipeline.Fatal(&spool.WriteError{What: "a part of the catalogue", Err: err})
			}
			size += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, damagedIf(key, err)
		}
	}
}

// damagedIf marks an error of the decrypter. Another is that of the store, which names the object.
func damagedIf(key string, err error) error {
	if errors.Is(err, encryption.ErrNotEncrypted) || errors.Is(err, encryption.ErrTruncated) || errors.Is(err, encryption.ErrBadPadding) {
		return fmt.Errorf("%w: decrypting %s: %w", ErrDamaged, key, err)
	}
	return err
}

func prove(key string, r record.Record, sums *hash.Archive) error {
	got, err := sums.Sums()
	if err != nil {
		return err
	}
	if got.MAC != r.HMAC {
		return fmt.Errorf("%w: the HMAC of %s does not fit its key and content", ErrDamaged, key)
	}
	return nil
}
