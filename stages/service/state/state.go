// Package state keeps the state file of a cache path: for every key of a store, the fingerprint
// that a subtree had when its archive got its MD5. A lost, old or damaged file costs time, not
// correctness: a fingerprint counts only with the record that the store holds.
package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
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

// An Entry says that the archive of a subtree with this fingerprint has this MD5.
type Entry struct {
	Fingerprint [32]byte
	MD5         string          // hex, lower case
	List        catalogue.Place // of the list of its entries; zero if none is known
}

// DB is an open state file. Its methods may be called from many goroutines.
type DB struct {
	bolt *bolt.DB
	now  func() time.Time

	mu      sync.Mutex
	pending map[name][]byte // not committed yet
	flushed time.Time       // the last try
	failed  bool            // the last try
}

// A name is the place of a value in the file.
type name struct{ bucket, key string }

// Open opens the state file in dir, and makes it if it is missing. A damaged file is renamed and
// replaced by a new one; notice says so. Errors: ErrLocked, those of the file system.
func Open(dir string) (db *DB, notice string, err error) {
	file := filepath.Join(dir, fileName)
	opened, err := open(file)
	if err != nil && damaged(err) {
		aside := file + ".damaged"
		if err := os.Rename(file, aside); err != nil {
			return nil, "", fmt.Errorf("renaming the damaged state file: %w", err)
		}
		notice = fmt.Sprintf("the state file is damaged (%v) and was renamed to %s; this run reads every file again", err, aside)
		opened, err = open(file)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, "", fmt.Errorf("state file %s: %w", file, ErrLocked)
	case err != nil:
		return nil, "", fmt.Errorf("opening state file %s: %w", file, err)
	}
	return &DB{bolt: opened, now: time.Now, pending: map[name][]byte{}}, notice, nil
}

// open opens and checks the file. Where bbolt panics or faults on a bad page, open returns an
// error.
func open(file string) (db *bolt.DB, err error) {
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
	return decode(store, key, db.value(store, key))
}

// value returns what put wrote, nil if there is nothing, or it can't be read.
func (db *DB) value(bucket, key string) (value []byte) {
	db.mu.Lock()
	value = db.pending[name{bucket, key}]
	db.mu.Unlock()
	if value != nil {
		return value
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err := func() (err error) {
		defer recoverDamage(&err)
		return db.bolt.View(func(tx *bolt.Tx) error {
			if b := tx.Bucket([]byte(bucket)); b != nil {
				value = bytes.Clone(b.Get([]byte(key)))
			}
			return nil
		})
	}()
	if err != nil {
		return nil
	}
	return value
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
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err := func() (err error) {
		defer recoverDamage(&err)
		return db.bolt.View(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(store))
			if b == nil {
				return nil
			}
			for _, prefix := range prefixes {
				key, _ := b.Cursor().Seek([]byte(prefix))
				known = known || key != nil && has(string(key))
			}
			return nil
		})
	}()
	return known && err == nil
}

// Put sets the entry of a key. It reaches the disk after a few hundred entries or a few seconds, at
// the latest with Close.
func (db *DB) Put(store, key string, e Entry) error { return db.put(store, key, encode(store, key, e)) }

func (db *DB) put(bucket, key string, value []byte) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.pending[name{bucket, key}] = value
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
			if err == nil {
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
func (db *DB) Memo(store string) Memo { return Memo{db, "\x00runs " + store} }

// Run returns what is known of a run, nil if nothing is.
func (m Memo) Run(id string) []byte { return m.db.value(m.bucket, id) }

// KeepRun writes what is known of a run.
func (m Memo) KeepRun(id string, value []byte) error { return m.db.put(m.bucket, id, value) }

// Locked returns until when an object of a store is locked; zero if that is not known.
func (db *DB) Locked(store, key string) time.Time {
	value := db.value(locks(store), key)
	if len(value) != 8 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(value)), 0)
}

// KeepLocked writes until when an object of a store is locked.
func (db *DB) KeepLocked(store, key string, until time.Time) error {
	return db.put(locks(store), key, binary.BigEndian.AppendUint64(nil, uint64(until.Unix())))
}

func locks(store string) string { return "\x00locks " + store }

// Close commits what is pending and closes the file.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return errors.Join(db.flush(), db.bolt.Close())
}

const (
	md5Hex  = 32
	sumSize = 4
)

// encode returns fingerprint, MD5 and, if there is a list, its offset and length as varints and the
// pack's key; then the checksum.
func encode(store, key string, e Entry) []byte {
	value := append(e.Fingerprint[:], e.MD5...)
	if e.List != (catalogue.Place{}) {
		value = binary.AppendUvarint(value, uint64(e.List.Offset))
		value = binary.AppendUvarint(value, uint64(e.List.Length))
		value = append(value, e.List.Pack...)
	}
	return binary.BigEndian.AppendUint32(value, checksum(store, key, value))
}

// checksum is a CRC-32C over what an entry says, and of what it says that.
func checksum(store, key string, value []byte) uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%s\x00%s\x00%s", store, key, value), castagnoli)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// decode reads an entry. One that is damaged, or of a version without checksums, has no place: the
// place would get into the catalogue as it is. Fingerprint and MD5 are compared with what they stand
// for, so that damage to them costs time alone.
func decode(store, key string, value []byte) (e Entry, ok bool) {
	if len(value) < len(e.Fingerprint)+md5Hex {
		return Entry{}, false
	}
	copy(e.Fingerprint[:], value)
	place := value[len(e.Fingerprint)+md5Hex:]
	e.MD5 = string(value[len(e.Fingerprint) : len(value)-len(place)])
	end := len(value) - sumSize
	if len(place) <= sumSize || binary.BigEndian.Uint32(value[end:]) != checksum(store, key, value[:end]) {
		return e, true
	}
	place = place[:len(place)-sumSize]
	offset, n := binary.Uvarint(place)
	length, m := binary.Uvarint(place[max(n, 0):])
	if n <= 0 || m <= 0 || offset > math.MaxInt64 || length > math.MaxInt64 {
		return Entry{}, false
	}
	e.List = catalogue.Place{Pack: string(place[n+m:]), Offset: int64(offset), Length: int64(length)}
	return e, true
}
