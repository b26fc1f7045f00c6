package state

import (
	"encoding/json"

	bolt "go.etcd.io/bbolt"

	"firn/stages/format/encryption"
	"firn/stages/format/record"
)

// An Upload is a multipart upload under way: all that is needed to take it up again. The archive is
// made again, or read from the spool, and encrypted under the same salt, which gives the same bytes:
// a part that the store holds is not sent again if it is what those bytes are.
type Upload struct {
	ID          string          `json:"id"`
	Salt        encryption.Salt `json:"salt"`
	PartSize    int64           `json:"part_size"` // bytes
	Class       string          `json:"class"`     // as in store.PutOptions
	Record      record.Record   `json:"record"`    // of the archive, and of no other under this salt
	Fingerprint [32]byte        `json:"fingerprint"`
	Spooled     bool            `json:"spooled"` // the archive was left in the spool
}

func uploads(store string) string { return "\x00uploads " + store }

// KeepUpload writes what is known of the upload of a key, and all that is pending, to the disk: a
// run that is killed after it may have sent parts.
func (db *DB) KeepUpload(store, key string, u Upload) error {
	value, err := json.Marshal(u)
	if err == nil {
		err = db.seal(uploads(store), key, value)
	}
	if err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.flush()
}

// Upload returns what is known of the upload of a key; false if there is none.
func (db *DB) Upload(store, key string) (u Upload, ok bool) {
	value := db.open(uploads(store), key)
	if value == nil || json.Unmarshal(value, &u) != nil || u.ID == "" || u.PartSize <= 0 {
		return Upload{}, false
	}
	return u, true
}

// PutUploaded is Put for the object that an upload made: at the same moment the upload is forgotten.
func (db *DB) PutUploaded(store, key string, e Entry) error {
	if db.mac == nil {
		return ErrUnbound
	}
	return db.putAll(map[name][]byte{{store, key}: db.sealed(store, key, encode(e)), {uploads(store), key}: nil})
}

// ForgetUpload deletes what is known of the upload of a key.
func (db *DB) ForgetUpload(store, key string) error { return db.put(uploads(store), key, nil) }

// Uploads returns what is known of the uploads of a store, by key.
func (db *DB) Uploads(store string) map[string]Upload {
	bucket := uploads(store)
	known := map[string]Upload{}
	_ = db.view(bucket, func(b *bolt.Bucket) error { // what can't be read is not known
		return b.ForEach(func(key, _ []byte) error {
			known[string(key)] = Upload{}
			return nil
		})
	})
	db.mu.Lock()
	for at := range db.pending {
		if at.bucket == bucket {
			known[at.key] = Upload{}
		}
	}
	db.mu.Unlock()
	for key := range known {
		if u, ok := db.Upload(store, key); ok {
			known[key] = u
		} else {
			delete(known, key)
		}
	}
	return known
}
