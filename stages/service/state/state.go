// Package state keeps the state file of a cache path: for every key of a store, what is known of the
// object that was stored, and the fingerprint that its subtree had then. Every value has a MAC under
// a key that is derived from the passphrase, so that nobody without it can make one. A lost or
// damaged file costs time, not correctness.
package state

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"firn/stages/format/catalogue"
	"firn/stages/format/record"
)

// ErrLocked: another run is using the state file.
var ErrLocked = errors.New("another firn is using it")

const (
	fileName = "firn-state.db"

	// A commit costs two fsyncs. Small archives share one; the entry of an archive that took
	// minutes is written at once.
	flushItems = 512
	flushAfter = 2 * time.Second

	lockTimeout = 200 * time.Millisecond
)

// An Entry is what is known of the object of a key.
type Entry struct {
	Fingerprint [32]byte        // of the subtree that its archive is of; zero if none is known
	Record      record.Record   // of the object, with its ETag, version, class, size and time
	List        catalogue.Place // of the list of its entries; zero if none is known
	Adopted     bool            // the record is the object's own metadata, and its content was never read
	Partial     bool            // the archive lacks the content of entries that could not be read
	Better      string          // id of the run whose archive has some of that; "" if none is known
	Table       TableTag        // of the table that has the record, zero if none has
	Holds       Holds           // how much of a directory its archive holds
}

// Holds says how much of a directory an archive holds: the greater, the less.
type Holds byte

// How much of a directory an archive holds.
const (
	HoldsUnknown Holds = iota
	HoldsAll           // everything below it
	HoldsFiles         // a shell: itself, and what is in it directly and is no directory
	HoldsAlone         // a shell: itself
)

// A TableTag stands for the URL of a table.
type TableTag [8]byte

// TagOf returns the tag of a table. It is never zero.
func TagOf(url string) TableTag {
	sum := sha256.Sum256([]byte(url))
	sum[0] |= 1
	return TableTag(sum[:8])
}

// Same reports whether an entry is of the same object as a record. Each upload has its own salt, so
// that equal ETags are equal bytes.
func (e *Entry) Same(r record.Record) bool {
	return r.ETag != "" && e.Record.ETag == r.ETag && e.Record.ObjectSize == r.ObjectSize
}

// DB is an open state file. Its methods may be called from many goroutines.
type DB struct {
	bolt *bolt.DB
	now  func() time.Time
	mac  func() hash.Hash // nil before Bind

	mu      sync.Mutex
	pending map[name][]byte // not committed yet; nil is to be deleted
	flushed time.Time       // the last try
	failed  bool            // the last try
}

// A name is the place of a value in the file.
type name struct{ bucket, key string }

// Open opens the state file in dir, and makes it if it is missing. A damaged file is renamed and
// replaced by a new one; notice says so. Errors: ErrLocked, those of the file system.
func Open(dir string) (db *DB, notice string, err error) {
	file := filepath.Join(dir, fileName)
	opened, err := openFile(file)
	if err != nil && damaged(err) {
		aside := file + ".damaged"
		if err := os.Rename(file, aside); err != nil {
			return nil, "", fmt.Errorf("renaming the damaged state file: %w", err)
		}
		notice = fmt.Sprintf("the state file is damaged (%v) and was renamed to %s; this run reads every file again", err, aside)
		opened, err = openFile(file)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, "", fmt.Errorf("state file %s: %w", file, ErrLocked)
	case err != nil:
		return nil, "", fmt.Errorf("opening state file %s: %w", file, err)
	}
	return &DB{bolt: opened, now: time.Now, pending: map[name][]byte{}}, notice, nil
}

// File is the path of the state file.
func (d *DB) File() string { return d.bolt.Path() }

// Bind sets the MAC of all values but the salt. Before it, and under another MAC, there are none. It
// is called once, before the other methods are called from many goroutines.
func (db *DB) Bind(mac func() hash.Hash) { db.mac = mac }

// openFile opens and checks the file. Where bbolt panics or faults on a bad page, it returns an
// error.
func openFile(file string) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	db, err = bolt.Open(file, 0o600, &bolt.Options{
		Timeout: lockTimeout, NoGrowSync: true, FreelistType: bolt.FreelistMapType,
		OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
			return os.OpenFile(name, flag|unix.O_NOFOLLOW, perm)
		},
	})
	if err != nil {
		return nil, err
	}
	if err := db.View(check); err != nil {
		return nil, errors.Join(errDamaged, err, db.Close())
	}
	return db, nil
}

// check finds a file that is shorter than its page count, before reading a missing page could
// fault. Then bbolt checks all pages.
func check(tx *bolt.Tx) (err error) {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%d of %d bytes are there", info.Size(), tx.Size())
	}
	for e := range tx.Check() {
		err = errors.Join(err, e)
	}
	return err
}

var errDamaged = errors.New("damaged")

func damaged(err error) bool {
	var path *fs.PathError
	return !errors.Is(err, bolterrors.ErrTimeout) && !errors.As(err, &path)
}

// recoverDamage turns panics of bbolt, and faults of its memory map (a truncated file), into
// errors.
func recoverDamage(err *error) {
	if p := recover(); p != nil {
		*err = errors.Join(*err, fmt.Errorf("%w: %v", errDamaged, p))
	}
}

// Get returns the entry of a key in a store; false if there is none.
func (db *DB) Get(store, key string) (e Entry, ok bool) {
	return decode(db.open(store, key))
}

// value returns what put wrote, nil if there is nothing, or it can't be read.
func (db *DB) value(bucket, key string) (value []byte) {
	db.mu.Lock()
	value, is := db.pending[name{bucket, key}]
	db.mu.Unlock()
	if is {
		return value
	}
	err := db.view(bucket, func(b *bolt.Bucket) error {
		value = bytes.Clone(b.Get([]byte(key)))
		return nil
	})
	if err != nil {
		return nil
	}
	return value
}

// view calls read with a bucket of the file, if it is there.
func (db *DB) view(bucket string, read func(*bolt.Bucket) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	return db.bolt.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(bucket)); b != nil {
			return read(b)
		}
		return nil
	})
}

// Knows reports whether there are entries of keys of a store that begin with one of the prefixes.
func (db *DB) Knows(store string, prefixes ...string) (known bool) {
	has := func(key string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
	}
	db.mu.Lock()
	for at := range db.pending {
		known = known || at.bucket == store && has(at.key)
	}
	db.mu.Unlock()
	if known {
		return true
	}
	err := db.view(store, func(b *bolt.Bucket) error {
		for _, prefix := range prefixes {
			key, _ := b.Cursor().Seek([]byte(prefix))
			known = known || key != nil && has(string(key))
		}
		return nil
	})
	return known && err == nil
}

// ErrUnbound: a value can't be written before Bind.
var ErrUnbound = errors.New("the state file has no key yet")

// Put sets the entry of a key. It reaches the disk after a few hundred entries or a few seconds, at
// the latest with Close.
func (db *DB) Put(store, key string, e Entry) error { return db.seal(store, key, encode(e)) }

// macSize is the length of a MAC in bytes: nobody can try values but by writing the file.
const macSize = 16

// seal writes a value, with its MAC.
func (db *DB) seal(bucket, key string, value []byte) error {
	if db.mac == nil {
		return ErrUnbound
	}
	return db.put(bucket, key, db.sealed(bucket, key, value))
}

// sealed is a value with its MAC.
func (db *DB) sealed(bucket, key string, value []byte) []byte {
	return append(value, db.sum(bucket, key, value)...)
}

// open returns what seal wrote; nil if it wrote nothing, or not just this.
func (db *DB) open(bucket, key string) []byte {
	value := db.value(bucket, key)
	end := len(value) - macSize
	if db.mac == nil || end < 0 || !hmac.Equal(value[end:], db.sum(bucket, key, value[:end])) {
		return nil
	}
	return value[:end]
}

// sum is the MAC over a value and its place.
func (db *DB) sum(bucket, key string, value []byte) []byte {
	m := db.mac()
	for _, text := range []string{bucket, key} {
		_, _ = m.Write(binary.AppendUvarint(nil, uint64(len(text)))) // a hash.Hash never fails
		_, _ = io.WriteString(m, text)
	}
	_, _ = m.Write(value)
	return m.Sum(nil)[:macSize]
}

func (db *DB) put(bucket, key string, value []byte) error {
	return db.putAll(map[name][]byte{{bucket, key}: value})
}

// putAll sets values that reach the disk together, or not at all.
func (db *DB) putAll(values map[name][]byte) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	maps.Copy(db.pending, values)
	wait := db.now().Sub(db.flushed) < flushAfter
	if wait && (len(db.pending) < flushItems || db.failed) {
		return nil
	}
	return db.flush()
}

// flush commits what is pending. The caller holds mu.
func (db *DB) flush() (err error) {
	if len(db.pending) == 0 {
		return nil
	}
	defer recoverDamage(&err)
	db.flushed, db.failed = db.now(), true
	err = db.bolt.Update(func(tx *bolt.Tx) error {
		for at, value := range db.pending {
			b, err := tx.CreateBucketIfNotExists([]byte(at.bucket))
			switch {
			case err == nil && value == nil:
				err = b.Delete([]byte(at.key))
			case err == nil:
				err = b.Put([]byte(at.key), value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	clear(db.pending)
	db.failed = false
	return nil
}

// saltName is the bucket and the key of the salt. No store's URL begins with a NUL.
const saltName = "\x00salt"

// Salt returns the salt that all runs over this cache path share, nil if there is none.
func (db *DB) Salt() []byte { return db.value(saltName, saltName) }

// KeepSalt writes the salt for later runs.
func (db *DB) KeepSalt(salt []byte) error { return db.put(saltName, saltName, salt) }

// A Memo keeps what is known of the runs in the catalogue of a store.
type Memo struct {
	db     *DB
	bucket string
}

// Memo returns that of a store.
func (db *DB) Memo(store string) Memo { return Memo{db, memoPrefix + store} }

// memoPrefix begins the names of the buckets of memos.
const memoPrefix = "\x00runs "

// Run returns what is known of a run, nil if nothing is.
func (m Memo) Run(id string) []byte { return m.db.open(m.bucket, id) }

// KeepRun writes what is known of a run.
func (m Memo) KeepRun(id string, value []byte) error { return m.db.seal(m.bucket, id, value) }

// Locked returns until when an object of a store is locked; zero if that is not known.
func (db *DB) Locked(store, key string) time.Time {
	value := db.open(locks(store), key)
	if len(value) != 8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(value)), 0)
}

// KeepLocked writes until when an object of a store is locked.
func (db *DB) KeepLocked(store, key string, until time.Time) error {
	return db.seal(locks(store), key, binary.BigEndian.AppendUint64(nil, uint64(until.Unix())))
}

func locks(store string) string { return "\x00locks " + store }

// Close commits what is pending and closes the file.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return errors.Join(db.flush(), db.bolt.Close())
}
