// Package record holds the metadata of an object, and the two forms in which they are stored: S3
// user metadata and an item of a table.
//
// It knows no store and no network. FromMeta and FromAttributes read back what Meta and Attributes
// write. Objects and items of the old script, which have only an md5, are records of format 0.
package record

import (
	"context"
	"time"

	"firn/stages/format/encryption"
)

// Format is the format version that firn writes into its records.
const Format = 1

// Record is the metadata of an object. The zero Record says that nothing is known.
type Record struct {
	Format      int    // firn's format version; 0 is the old script's object, of which only MD5 is known
	MD5         string // of the archive, before encryption; hex, lower case
	TarSHA256   string // of the uncompressed tar; hex, lower case
	HMAC        string // HMAC-SHA256 over key and archive; hex, lower case
	KeyID       string // which passphrase; see stages/format/encryption
	ArchiveSize int64  // bytes of the archive, before encryption
	TarSize     int64  // bytes of the uncompressed tar
	Changed     bool   // entries changed while they were read

	// In a table only: S3 returns these with the object, not in its metadata.
	Version    string    // version id of the object, "" if the bucket keeps none
	ETag       string    // of the object
	Class      string    // storage class it was stored in
	ObjectSize int64     // bytes of the object, encrypted
	Saved      time.Time // when it was stored, to the second, UTC
}

// HasProof reports whether the record says what proves an archive: its HMAC, and the key for that.
func (r Record) HasProof() bool { return r.HMAC != "" && r.KeyID != "" }

// Bare returns what a record is worth that proves nothing: the MD5, which anybody can compute.
func (r Record) Bare() Record { return Record{MD5: r.MD5} }

// SameContent reports whether a stored record proves the content of now under now's key: by MD5 or
// tar SHA-256, and key id. The old script's records have no key id: their MD5 is enough.
func (r Record) SameContent(now Record) bool {
	sameMD5 := r.MD5 != "" && r.MD5 == now.MD5
	if r.Format == 0 {
		return sameMD5
	}
	if r.KeyID == "" || r.KeyID != now.KeyID {
		return false
	}
	return sameMD5 || (r.TarSHA256 != "" && r.TarSHA256 == now.TarSHA256)
}

// FitsObject reports whether an object of so many bytes can be the encrypted archive. The old
// script's records do not say.
func (r Record) FitsObject(size int64) bool {
	return r.ArchiveSize == 0 || size == encryption.CiphertextSize(r.ArchiveSize)
}

// Table is a table of records by object key, for many goroutines. Faults of the run are marked with
// pipeline.Fatal. A cancelled context makes methods return promptly with its cause.
type Table interface {
	// URL names the table ("dynamodb://table"), for messages.
	URL() string

	// Check checks that the table exists and has the right key. Its error is marked with
	// pipeline.Fatal.
	Check(ctx context.Context) error

	// Get returns the records of those keys that have one. Any number of keys may be asked for; all
	// are valid UTF-8. An invalid item is left out: what it describes is then stored again.
	Get(ctx context.Context, keys []string) (map[string]Record, error)

	// Put stores or replaces the record of a key, once its object is in the store.
	Put(ctx context.Context, key string, r Record) error
}
