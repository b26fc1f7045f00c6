// Package check decides what has to be uploaded: it asks the table, or the store, what is known of
// a key, and says "upload" unless that proves that the same content is stored under the same
// passphrase. When in doubt it uploads.
//
// It asks as little as it can: many keys of a table at once, and no HEAD for a key that a listing
// of the prefix does not show. A row of a table is believed only of the very object that the
// listing shows: the row may be another store's, or older than the object.
package check

import (
	"context"
	"errors"

	"firn/pipeline"
	"firn/stages/format/record"
	"firn/stages/service/state"
	"firn/stages/store"
)

// Keys knows which key ids stand for the passphrase of this run.
type Keys interface {
	Mine(keyID string) (bool, error)
}

// Asker finds what is known of objects. Its methods may be called from many goroutines.
type Asker struct {
	Store   store.Store
	Table   record.Table // nil: the store's metadata are asked
	Listing *Listing
	Keys    Keys
}

// Known is what is known of one object before its archive is made.
type Known struct {
	Stored bool          // an object has the key
	Record record.Record // zero if there is none that could be understood
	Ours   bool          // its key id stands for the passphrase of this run; a passphrase has one for each salt
	Object *store.Object // as the store returned it; nil if the store was not asked
	Err    error         // why nothing could be learned of this key alone
}

// Ask returns what is known of each key, in their order. An error belongs to all of them; that of
// one key is in its Known.
func (a *Asker) Ask(ctx context.Context, keys []string) ([]Known, error) {
	known := make([]Known, len(keys))
	var ask []string
	for i, key := range keys {
		listed, err := a.Listing.Has(ctx, key)
		if err != nil {
			return nil, err
		}
		known[i].Stored = listed
		if listed {
			ask = append(ask, key)
		}
	}
	if len(ask) == 0 {
		return known, nil
	}
	rows, err := a.rows(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		if !known[i].Stored {
			continue
		}
		if r, ok := rows[key]; ok && (r.ETag == "" || a.Listing.shows(key, r.ETag, r.ObjectSize)) {
			known[i].Record, known[i].Ours = r, a.ours(r)
			continue
		}
		known[i], err = a.AskStore(ctx, key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if pipeline.IsFatal(err) {
			return nil, err
		}
		known[i].Err = err
	}
	return known, nil
}

// AskStore asks the store itself about one key, even if there is a table: a run that died between
// the upload and the table's row left the old row behind.
func (a *Asker) AskStore(ctx context.Context, key string) (Known, error) {
	object, err := a.Store.Head(ctx, key, "")
	if errors.Is(err, store.ErrNotFound) {
		return Known{}, nil
	}
	if err != nil {
		return Known{}, err
	}
	known := Known{Stored: true, Object: &object}
	if r, err := record.FromMeta(object.Meta); err == nil { // else it proves nothing
		known.Record, known.Ours = r, a.ours(r)
	}
	return known, nil
}

// ours reports whether a record was made with the passphrase of this run. An id that can't be read
// proves nothing.
func (a *Asker) ours(r record.Record) bool {
	if r.KeyID == "" {
		return false
	}
	mine, err := a.Keys.Mine(r.KeyID)
	return err == nil && mine
}

// rows are the records that the table has of keys, none if there is no table.
func (a *Asker) rows(ctx context.Context, keys []string) (map[string]record.Record, error) {
	if a.Table == nil {
		return nil, nil
	}
	return a.Table.Get(ctx, keys)
}

// Unchanged reports whether a subtree can be skipped unread: its fingerprint is what it was when
// its archive got the MD5 that the stored record still has.
func Unchanged(known Known, seen state.Entry, fingerprint [32]byte) bool {
	r := known.Record
	return known.Stored && r.MD5 != "" && r.MD5 == seen.MD5 && seen.Fingerprint == fingerprint && (r.Format == 0 || known.Ours)
}

// Identical reports whether the stored object has the content of an archive just made, described by
// now.
func Identical(known Known, now record.Record) bool {
	r := known.Record
	if known.Ours {
		r.KeyID = now.KeyID // another salt's id of the same passphrase
	}
	return known.Stored && r.SameContent(now)
}
