// Package record holds what is known of an object without reading it, and the two forms it is kept in: S3 user
// metadata, and an item of a table.
//
// It knows the names and the meaning of the fields, not where they lie: no store, no network. It promises that what
// Meta and Attributes write FromMeta and FromAttributes read back, and that objects and items of the old script (an
// md5 and nothing else) are read as records of format 0.
package record

import (
	"context"
	"time"
)

// Format is the format version that firn writes into its records.
const Format = 1

// Record is what is known of an object. The zero Record says that nothing is.
type Record struct {
	Format      int    // firn's format version; 0 is the old script's object, of which only MD5 is known
	MD5         string // of the archive, before encryption; hex, lower case
	TarSHA256   string // of the uncompressed tar; hex, lower case
	HMAC        string // HMAC-SHA256 over key and archive; hex, lower case
	KeyID       string // which passphrase; see stages/format/encryption
	ArchiveSize int64  // bytes of the archive, before encryption
	TarSize     int64  // bytes of the uncompressed tar
	Changed     bool   // entries changed while they were read

	// What a table holds beside. S3 tells these of the object itself, they are not in its metadata.
	Version    string    // version id of the object, "" if the bucket keeps none
	ETag       string    // of the object
	Class      string    // storage class it was stored in
	ObjectSize int64     // bytes of the object, encrypted
	Saved      time.Time // when it was stored, to the second, UTC
}

// SameContent tells whether a stored record proves that the object has the content of now, made under now's key:
// equal MD5 or equal tar SHA-256, and the same key id. The old script's records know no key: their MD5 is believed.
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

// Table is a table of records, keyed by object key. Its methods may be called from many goroutines at once; a fault
// that would meet every other key too is marked with pipeline.Fatal, and a cancelled context makes them return
// promptly with an error that wraps its cause.
type Table interface {
	// URL names the table ("dynamodb://table"), for messages.
	URL() string

	// Check asks whether the table is there and has the right key schema. Its error is marked with pipeline.Fatal
	// and says what to do.
	Check(ctx context.Context) error

	// Get returns the records of those keys that have one. Any number of keys may be asked for; all are valid UTF-8.
	// An item that can't be understood is left out, as if it were not there: what it describes is then stored again.
	Get(ctx context.Context, keys []string) (map[string]Record, error)

	// Put stores the record of a key, replacing what was there. It is called after the object is in the store.
	Put(ctx context.Context, key string, r Record) error
}
