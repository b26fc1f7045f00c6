package store

import (
	"context"
	"errors"
	"io"
	"time"

	"firn/stages/format/record"
)

// Errors that callers match with errors.Is.
var (
	// ErrNotFound: no object has that key (or that version).
	ErrNotFound = errors.New("no such object")
	// ErrCold: the object is in a Glacier class and must be thawed before it can be read.
	ErrCold = errors.New("object is in cold storage and must be thawed first")
	// ErrThawCapacity: the store has no capacity for a thaw in that tier now; later it may.
	ErrThawCapacity = errors.New("there is no capacity for a thaw in this tier now")
	// ErrNoThaw: the store does not know what a thaw is.
	ErrNoThaw = errors.New("this store can't thaw")
	// ErrNoUpload: the store knows no unfinished upload with that id: it was completed or aborted.
	ErrNoUpload = errors.New("no such unfinished upload")
	// ErrOtherParts: the unfinished upload was begun with another part size.
	ErrOtherParts = errors.New("the unfinished upload has parts of another size")
	// ErrChecksum: the bytes that arrived are not those the caller's CRC-32C was computed over.
	ErrChecksum = errors.New("checksum does not match the bytes that arrived")
	// ErrChanged: the object is no longer the one that was to be read.
	ErrChanged = errors.New("the object was changed while it was read")
	// ErrExists: an object has the key of one that was to be new.
	ErrExists = errors.New("there is an object with this key already")
	// ErrReplaced: the object with this key is not the one that was to be replaced.
	ErrReplaced = errors.New("the object with this key is not the one that was to be replaced")
	// ErrNoLock: the store keeps no locks.
	ErrNoLock = errors.New("this store keeps no locks (S3 Object Lock)")
	// ErrTooLarge: the store takes no object of that size.
	ErrTooLarge = errors.New("the object is larger than the store takes")
	// ErrPartMemory: an object of that size needs parts that are larger than the memory for them.
	ErrPartMemory = errors.New("a part does not fit into the memory limit")
)

// Store is a place for objects. See the package comment for what every driver promises.
type Store interface {
	// URL names the store ("s3://bucket", "file:///dir"), in messages and in the state file.
	URL() string

	// Limits returns what sizes the store takes.
	Limits() Limits

	// Check asks whether the store exists and may be listed and, if use says so and there is a way
	// to ask, written to. Its error is marked with pipeline.Fatal, and says what is wrong and what
	// to do.
	Check(ctx context.Context, use Use) error

	// List calls fn for every object whose key begins with prefix (a plain string, "" for all), in
	// the order of their keys' bytes, without Meta and Restore. An error of fn ends the listing and
	// is returned as it is.
	List(ctx context.Context, prefix string, fn func(Object) error) error

	// Head returns an object's metadata. version "" is the newest. Errors: ErrNotFound.
	Head(ctx context.Context, key, version string) (Object, error)

	// Get reads an object or a range, to be closed. A body that ends early gives
	// io.ErrUnexpectedEOF; a range that begins after the last byte is an error. Errors:
	// ErrNotFound, ErrCold; ErrChanged, at any byte.
	Get(ctx context.Context, key string, o GetOptions) (io.ReadCloser, error)

	// Put stores body as one object, replacing (as a new version, where the store keeps versions)
	// what had the key. body stays the caller's; it is read, perhaps several times, only until Put
	// returns, and never changed. Errors: ErrChecksum, ErrExists, ErrReplaced.
	Put(ctx context.Context, key string, body []byte, o PutOptions) (Object, error)

	// CreateUpload begins a multipart upload of parts of o.PartSize. Only Complete makes it
	// visible.
	CreateUpload(ctx context.Context, key string, o PutOptions) (Upload, error)

	// ResumeUpload takes up an upload that CreateUpload began with the same key and o, in this process
	// or in an earlier one. An Upload value of before must not be used any more. It returns the parts
	// that the store holds, by rising number: each of o.PartSize bytes, but the highest. What they
	// hold is not proven: see Part.Holds. Errors: ErrNoUpload, ErrOtherParts.
	ResumeUpload(ctx context.Context, key, id string, o PutOptions) (Upload, []Part, error)

	// Uploads calls fn for every unfinished upload whose key begins with prefix, until fn fails.
	Uploads(ctx context.Context, prefix string, fn func(PendingUpload) error) error

	// AbortUpload drops an unfinished upload and its parts. One that is gone is no error.
	AbortUpload(ctx context.Context, key, id string) error

	// KeepsVersions reports whether what is stored now is kept as an older version when it is replaced.
	// It asks at most once. With an error, which may be that of a missing right, that is not known:
	// unless the error is fatal, take it for no.
	KeepsVersions(ctx context.Context) (bool, error)

	// Thaw asks that a cold object be made readable for some days; 0 days for an Archive tier.
	// version "" is the newest. It does not wait: see Head's Restore. A faster tier speeds up a
	// thaw under way, where the store can. Errors: ErrNotFound, ErrThawCapacity, ErrNoThaw.
	Thaw(ctx context.Context, key, version string, tier Tier, days int) (ThawResult, error)
}

// Use says what a store is opened for.
type Use int

// What a store is opened for.
const (
	ToRead  Use = iota // what is there; it need not be writable, but has to be there
	ToWrite            // it may be made by what is stored first
)

// A Locker is a store that can keep objects from being deleted until some time (S3 Object Lock).
type Locker interface {
	// Locks returns for how long, and how, it locks what is stored; zero: it does not.
	Locks() Lock

	// Lock makes the lock of an object last at least until a time. version "" is the newest. Errors:
	// ErrNotFound, ErrNoLock.
	Lock(ctx context.Context, key, version string, until time.Time) error
}

// A Lock says for how long an object is kept from being deleted (S3 user guide, "S3 Object Lock").
type Lock struct {
	For  time.Duration // from when it is stored; 0: not at all
	Mode string        // LockGovernance or LockCompliance
}

// Modes of a lock.
const (
	LockGovernance = "GOVERNANCE" // who has a special right can lift it
	LockCompliance = "COMPLIANCE" // nobody can
)

// Upload is one multipart upload.
type Upload interface {
	// ID is the store's name for the upload.
	ID() string

	// Part stores part number, from 1. All parts but the highest are of PutOptions.PartSize bytes,
	// that one of 1 or more. Parts may be sent concurrently, and again with the same bytes. body
	// stays the caller's. Errors: ErrChecksum, ErrNoUpload.
	Part(ctx context.Context, number int, body []byte, crc32c uint32) (Part, error)

	// Complete makes the object out of all parts from 1 on, in any order; crc32c is of the whole.
	// It fails for a made object only if neither its answer nor a question after it arrived. Abort
	// is safe after any failure. Parts may be those of an earlier process, as Part returned them there
	// or as ResumeUpload did. Errors: ErrChecksum, ErrNoUpload, ErrExists, ErrReplaced.
	Complete(ctx context.Context, parts []Part, crc32c uint32) (Object, error)

	// Abort drops the upload and its parts. After Complete it does nothing.
	Abort(ctx context.Context) error

	// Close lets go of what this process holds of the upload, which stays as it is, for ResumeUpload.
	// After Complete or Abort it does nothing.
	Close() error
}

// Object is one object as a store describes it.
type Object struct {
	Key      string
	Size     int64             // bytes
	ETag     string            // as the store gives it, without quotes
	Version  string            // version id, "" if the store keeps none
	Class    string            // storage class, ClassStandard when the store says nothing
	Modified time.Time         // when it was stored, by the store's clock
	Meta     map[string]string // user metadata, names lower case; set by Head only, never nil there
	Restore  RestoreState      // set by Head only
	CRC32C   uint32            // of the whole object; true only when HasCRC32C; set by Head, Put and Complete
	// HasCRC32C: the store keeps a CRC-32C over the whole object. Old objects have none.
	HasCRC32C bool
	Locked    time.Time // it can't be deleted before; zero if it can, or that is not known; set by Head only
}

// Describe returns r with what the store says of the object: its version, ETag, class, size and
// time.
func (o Object) Describe(r record.Record) record.Record {
	r.Version, r.ETag, r.Class, r.ObjectSize, r.Saved = o.Version, o.ETag, o.Class, o.Size, o.Modified
	return r
}

// RestoreState says how far a cold object is from being readable.
type RestoreState struct {
	Cold    bool      // its class must be thawed before it can be read, and it is not thawed now
	Ongoing bool      // a thaw was asked for and is not done
	Until   time.Time // thawed, and readable until then; zero if not thawed
	Archive string    // the archive tier of an object of INTELLIGENT_TIERING (ARCHIVE_ACCESS …), "" for all others
}

// PendingUpload is a multipart upload that was neither completed nor aborted.
type PendingUpload struct {
	Key, ID string
	Age     time.Duration // since it was begun, by the store's clock, which may be of whole seconds; never negative
}

// Part is one stored part of an upload.
type Part struct {
	Number int // from 1
	Size   int64
	ETag   string
	CRC32C uint32 // true only when HasCRC32C
	// HasCRC32C: the CRC is known. Of ResumeUpload's parts it is not where others can send parts, who
	// can make bytes of any CRC.
	HasCRC32C bool
}

// Holds reports whether p, a part that ResumeUpload returned, holds the bytes that Part stored as
// sent: by their size and CRC-32C or, where that is not known, by the ETag it gave for them.
// Then p's ETag and sent's CRC-32C are what Complete wants.
func (p Part) Holds(sent Part) bool {
	if p.Number != sent.Number || p.Size != sent.Size {
		return false
	}
	if p.HasCRC32C {
		return p.CRC32C == sent.CRC32C
	}
	return p.ETag != "" && p.ETag == sent.ETag
}

// PutOptions describes an object to be stored.
type PutOptions struct {
	Meta     map[string]string // user metadata: names lower case, names and values printable ASCII, 2 KiB in all
	Class    string            // storage class; "" is the store's default
	CRC32C   uint32            // CRC-32C (Castagnoli) of body; always verified. Multipart: given to Complete instead
	New      bool              // an object that has the key already is ErrExists, as far as the store can tell
	Replaces string            // ETag, as Head, List or Get gave it, of the object that the new one may replace; any other, or none, is ErrReplaced, as far as the store can tell
	PartSize int64             // multipart: bytes of every part but the last, so that a part can be written to its place at once
}

// GetOptions says what of an object to read; the zero value is the whole of its newest version.
type GetOptions struct {
	Version string // version id, "" is the newest
	ETag    string // of the object that is to be read, as Head gave it; "" is any
	Offset  int64  // first byte
	Length  int64  // bytes; 0 or less: to the end
}

// Limits is what a store takes. Sizes are bytes.
type Limits struct {
	MinPart   int64 // of every part but the last
	MaxPart   int64
	MaxParts  int
	MaxPut    int64 // of an object stored by one Put
	MaxObject int64
}

// Tier says how fast, and at what price, a thaw is to be.
type Tier string

// The tiers, by S3's names.
const (
	TierExpedited Tier = "Expedited"
	TierStandard  Tier = "Standard"
	TierBulk      Tier = "Bulk"
)

// ThawResult is the outcome of a request for a thaw.
type ThawResult int

// What a request for a thaw can meet.
const (
	ThawNotCold   ThawResult = iota // the object can be read at once and always could
	ThawRequested                   // the thaw has been asked for
	ThawOngoing                     // it had been asked for before and is not done
	ThawDone                        // the object is thawed; where the store can, its days start again
)
