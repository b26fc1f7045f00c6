package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// partSize is how many bytes of an object are in memory while it is stored.
const partSize = 8 << 20

// content is plaintext that is read twice.
type content interface {
	io.ReaderAt
	Size() int64
}

// seal stores content under key, encrypted and with its sums as metadata.
func (l *Ledger) seal(ctx context.Context, key string, c content) error {
	_, _, err := l.sealed(ctx, key, c)
	return err
}

// sealed is seal, and returns the object and its HMAC.
func (l *Ledger) sealed(ctx context.Context, key string, c content) (o store.Object, mac string, err error) {
	archive := hash.NewArchive(l.Keys.MAC(key))
	err = copySums(ctx, io.Discard, io.NewSectionReader(c, 0, c.Size()), archive)
	sums, err2 := archive.Sums()
	if err = errors.Join(err, err2); err != nil {
		return o, "", fmt.Errorf("reading the plaintext of %s: %w", key, err)
	}
	r := record.Record{Format: record.Format, MD5: sums.MD5, HMAC: sums.MAC, KeyID: l.Keys.ID(), ArchiveSize: sums.Size}
	cipher, err := encryption.NewEncrypter(l.Passphrase, io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return o, "", err
	}
	options := store.PutOptions{Meta: r.Meta(), Class: store.ClassStandard}
	o, err = store.PutWhole(ctx, l.Store, key, cipher, encryption.CiphertextSize(sums.Size), partSize, options)
	return o, sums.MAC, err
}

// open fetches an object and verifies it: its HMAC covers its key and all of its bytes. Errors:
// store.ErrNotFound, store.ErrCold, encryption.ErrOtherKey, ErrDamaged.
func (l *Ledger) open(ctx context.Context, key string) (_ *scratch, err error) {
	object, err := l.Store.Head(ctx, key, "")
	if err != nil {
		return nil, err
	}
	r, err := record.FromMeta(object.Meta)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the record of %s: %w", ErrDamaged, key, err)
	case r.HMAC == "" || r.KeyID == "":
		return nil, fmt.Errorf("%w: %s has no HMAC and key id", ErrDamaged, key)
	}
	keys, err := l.Keys.ForID(r.KeyID)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	plain, err := l.scratch(key)
	if err != nil {
		return nil, err
	}
	archive := hash.NewArchive(keys.MAC(key))
	err = l.fetch(ctx, object, plain, archive)
	if err == nil {
		var sums hash.Sums
		if sums, err = archive.Sums(); err == nil && sums.MAC != r.HMAC {
			err = fmt.Errorf("%w: the HMAC of %s does not fit its key and content", ErrDamaged, key)
		}
		plain.mac = sums.MAC
	}
	if err != nil {
		plain.Close()
		return nil, err
	}
	return plain, nil
}

// fetch writes the decrypted object to its scratch file and adds it to sums.
func (l *Ledger) fetch(ctx context.Context, object store.Object, to *scratch, sums *hash.Archive) (err error) {
	body, err := l.Store.Get(ctx, to.key, store.GetOptions{Version: object.Version, ETag: object.ETag})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	plain, err := encryption.NewDecrypter(l.Passphrase, body)
	if err == nil {
		err = copySums(ctx, to, plain, sums)
	}
	switch {
	case errors.As(err, new(*spool.WriteError)):
		return pipeline.Fatal(err)
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return fmt.Errorf("%w: decrypting %s: %w", ErrDamaged, to.key, err)
	}
	return err
}
