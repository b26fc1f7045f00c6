// Package state keeps what a cache path knows of earlier runs: for every key of a store, the
// fingerprint that a subtree had when its archive got its MD5. It is a shortcut and never the
// truth: a lost, old or damaged file costs time, not correctness, for a fingerprint is only
// believed together with the record that the store itself holds.
package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"firn/stages/format/catalogue"
)

// ErrLocked: another run is using the state file.
var ErrLocked = errors.New("another firn is using it")

const (
	fileName = "firn-state.db"

	// A commit costs two fsyncs: small archives share one, while the entry of an archive that took
	// minutes is kept at once.
	flushItems = 512
	flushAfter = 2 * time.Second

	lockTimeout = 200 * time.Millisecond
)

// An Entry says that a subtree with this fingerprint gave an archive with this MD5 (hex, lower
// case), and where the list of its entries is.
type Entry struct {
	Fingerprint [32]byte
	MD5         string
	List        catalogue.Place // the zero Place: nowhere
}

// DB is an open state file. Its methods may be called from many goroutines.
type DB struct {
	bolt *bolt.DB
	now  func() time.Time

	mu      sync.Mutex
	pending map[string]map[string][]byte // bucket → key → value, not committed yet
	count   int
	flushed time.Time // or tried to
	failed  bool      // the last flush
}

// Open opens the state file in dir, making it if need be. A file that can't be read is put aside
// and a new one is made; notice says so. Errors: ErrLocked, or what the file system says.
func Open(dir string) (db *DB, notice string, err error) {
	file := filepath.Join(dir, fileName)
	opened, err := open(file)
	if err != nil && damaged(err) {
		aside := file + ".damaged"
		if err := os.Rename(file, aside); err != nil {
			return nil, "", fmt.Errorf("putting the damaged state file aside: %w", err)
		}
		notice = fmt.Sprintf("the state file could not be read (%v) and was put aside as %s; this run reads every file again", err, aside)
		opened, err = open(file)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, "", fmt.Errorf("state file %s: %w", file, ErrLocked)
	case err != nil:
		return nil, "", fmt.Errorf("opening state file %s: %w", file, err)
	}
	return &DB{bolt: opened, now: time.Now, pending: map[string]map[string][]byte{}}, notice, nil
}

// open opens and checks the file: a page that does not hold together panics or faults in bbolt,
// which is turned into an error here.
func open(file string) (db *bolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer recoverDamage(&err)
	db, err = bolt.Open(file, 0o600, &bolt.Options{Timeout: lockTimeout, NoGrowSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	if err := db.View(check); err != nil {
		return nil, errors.Join(errDamaged, err, db.Close())
	}
	return db, nil
}

// check finds a file that is shorter than its own page count before a look at the missing pages
// could fault, then lets bbolt walk all pages.
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

// recoverDamage turns bbolt's panics and the faults of its memory map (a truncated file) into
// errors.
func recoverDamage(err *error) {
	if p := recover(); p != nil {
		*err = errors.Join(*err, fmt.Errorf("%w: %v", errDamaged, p))
	}
}

// Get returns what is known of a key in a store; false if nothing is.
func (db *DB) Get(store, key string) (e Entry, ok bool) {
	db.mu.Lock()
	value := db.pending[store][key]
	db.mu.Unlock()
	if value != nil {
		return decode(value)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err := func() (err error) {
		defer recoverDamage(&err)
		return db.bolt.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket([]byte(store)); b != nil {
				value = bytes.Clone(b.Get([]byte(key)))
			}
			return nil
		})
	}()
	if err != nil {
		return Entry{}, false
	}
	return decode(value)
}

// Put notes what is known of a key now. It reaches the disk within a few hundred entries or
// seconds, at the latest with Close.
func (db *DB) Put(store, key string, e Entry) error {
	return db.put(store, key, encode(e))
}

// Forget drops the entry of a key.
func (db *DB) Forget(store, key string) error { return db.put(store, key, []byte{}) }

func (db *DB) put(store, key string, value []byte) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.pending[store] == nil {
		db.pending[store] = map[string][]byte{}
	}
	db.pending[store][key] = value
	db.count++
	wait := db.now().Sub(db.flushed) < flushAfter
	if wait && (db.count < flushItems || db.failed) {
		return nil
	}
	return db.flush()
}

// flush commits what is pending; the caller holds mu.
func (db *DB) flush() (err error) {
	if db.count == 0 {
		return nil
	}
	defer recoverDamage(&err)
	db.flushed, db.failed = db.now(), true
	err = db.bolt.Update(func(tx *bolt.Tx) error {
		for store, entries := range db.pending {
			b, err := tx.CreateBucketIfNotExists([]byte(store))
			if err != nil {
				return err
			}
			for key, value := range entries {
				if len(value) == 0 {
					err = b.Delete([]byte(key))
				} else {
					err = b.Put([]byte(key), value)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	clear(db.pending)
	db.count, db.failed = 0, false
	return nil
}

var saltBucket = []byte("\x00salt")

// Salt returns the salt that runs over this cache path share, nil if none was kept yet.
func (db *DB) Salt() (salt []byte) {
	err := db.bolt.View(func(tx *bolt.Tx) (err error) {
		defer recoverDamage(&err)
		if b := tx.Bucket(saltBucket); b != nil {
			salt = bytes.Clone(b.Get(saltBucket))
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return salt
}

// KeepSalt keeps the salt for later runs.
func (db *DB) KeepSalt(salt []byte) error {
	err := db.bolt.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(saltBucket)
		if err != nil {
			return err
		}
		return b.Put(saltBucket, salt)
	})
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	return nil
}

// Close commits what is pending and closes the file.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return errors.Join(db.flush(), db.bolt.Close())
}

const md5Hex = 32

// encode writes an entry as fingerprint, MD5 and, where there is a list, offset and length as
// varints and the pack's key.
func encode(e Entry) []byte {
	value := append(e.Fingerprint[:], e.MD5...)
	if e.List == (catalogue.Place{}) {
		return value
	}
	value = binary.AppendUvarint(value, uint64(e.List.Offset))
	value = binary.AppendUvarint(value, uint64(e.List.Length))
	return append(value, e.List.Pack...)
}

func decode(value []byte) (e Entry, ok bool) {
	if len(value) < len(e.Fingerprint)+md5Hex {
		return Entry{}, false
	}
	copy(e.Fingerprint[:], value)
	value = value[len(e.Fingerprint):]
	e.MD5, value = string(value[:md5Hex]), value[md5Hex:]
	if len(value) == 0 {
		return e, true
	}
	offset, n := binary.Uvarint(value)
	length, m := binary.Uvarint(value[max(n, 0):])
	if n <= 0 || m <= 0 || offset > math.MaxInt64 || length > math.MaxInt64 {
		return Entry{}, false
	}
	e.List = catalogue.Place{Pack: string(value[n+m:]), Offset: int64(offset), Length: int64(length)}
	return e, true
}
