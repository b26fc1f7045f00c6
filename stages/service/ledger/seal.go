package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"

	"firn/stages/format/encryption"
	"firn/stages/format/hash"
	"firn/stages/format/record"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// partSize is how many bytes of an object are in memory while it is stored.
const partSize = 8 << 20

// Bounds of an object of the catalogue, in bytes as it is in the store. What is larger was not
// written by firn, and is not fetched to be proven.
const (
	mostRun      = 32 << 20
	mostManifest = 128 << 20 // a volume, which job.VolumeLimit bounds, and the longest line
	mostPack     = 16 << 30  // a list larger than a volume is a pack of its own: of hundreds of millions of entries
)

// most is the bound of the object under key.
func most(key string) int64 {
	switch kind(key) {
	case manifests:
		return mostManifest
	case packs:
		return mostPack
	}
	return mostRun
}

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
	if size := encryption.CiphertextSize(sums.Size); size > most(key) {
		return o, "", fmt.Errorf("storing %s: it has %d bytes, and this part of the catalogue must not have more than %d", key, size, most(key))
	}
	r := record.Record{Format: record.Format, MD5: sums.MD5, HMAC: sums.MAC, KeyID: l.Keys.ID(), ArchiveSize: sums.Size}
	cipher, err := encryption.NewEncrypter(l.Keys.Passphrase(), io.NewSectionReader(c, 0, c.Size()))
	if err != nil {
		return o, "", err
	}
	options := store.PutOptions{Meta: r.Meta(), Class: store.ClassStandard, New: true}
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
	case object.Size > most(key):
		return nil, fmt.Errorf("%w: %s has %d bytes; firn makes none of its kind larger than %d", ErrDamaged, key, object.Size, most(key))
	case object.Size != encryption.CiphertextSize(r.ArchiveSize):
		return nil, fmt.Errorf("%w: %s has %d bytes, which do not fit its record", ErrDamaged, key, object.Size)
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
	err = l.fetch(ctx, object, keys.Passphrase(), plain, archive)
	if err == nil {
		var sums hash.Sums
		if sums, err = archive.Sums(); err == nil && sums.MAC != r.HMAC {
			err = fmt.Errorf("%w: the HMAC of %s does not fit its key and content", ErrDamaged, key)
		}
		plain.mac, plain.pass = sums.MAC, keys.Passphrase()
	}
	if err != nil {
		plain.Close()
		return nil, err
	}
	return plain, nil
}

// fetch writes the decrypted object to its scratch file and adds it to sums.
func (l *Ledger) fetch(ctx context.Context, object store.Object, pass *encryption.Passphrase, to *scratch, sums *hash.Archive) (err error) {
	body, err := l.Store.Get(ctx, to.key, store.GetOptions{Version: object.Version, ETag: object.ETag})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	plain, err := encryption.NewDecrypter(pass, &exact{body, object.Size})
	if err == nil {
		err = copySums(ctx, to, plain, sums)
	}
	switch {
	case errors.As(err, new(*spool.WriteError)): // a full disk: what is smaller may still be read
		return fmt.Errorf("fetching %s, of %d bytes: %w", to.key, object.Size, err)
	case errors.Is(err, errLonger):
		return fmt.Errorf("%w: reading %s: %w: %d bytes", ErrDamaged, to.key, errLonger, object.Size)
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return fmt.Errorf("%w: decrypting %s: %w", ErrDamaged, to.key, err)
	}
	return err
}

var errLonger = errors.New("more arrives than the object has by its metadata")

// exact reads from r and fails with errLonger where more than left bytes arrive.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		n, err := io.ReadFull(e.r, make([]byte, 1))
		if n > 0 {
			err = errLonger
		}
		return 0, err
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	return n, err
}
