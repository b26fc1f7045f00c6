// Package check decides what must be uploaded. An archive is not uploaded if the table or the store
// proves that the same content is stored under the same passphrase.
//
// It sends few requests: one for many keys of a table, and no HEAD for a key that is not listed. A
// row of a table counts only if the listing shows its ETag and size, and an object that was not
// written since: it may be another store's, or older than the object.
package check

import (
	"context"
	"errors"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/service/state"
	"firn/stages/store"
)

// Asker finds what is known of objects. Its methods may be called from many goroutines.
type Asker struct {
	Store   store.Store
	Table   record.Table // nil: the store is asked for metadata
	Listing *Listing
	Keys    *encryption.Keys
}

// Known is what is known of one object before its archive is made.
type Known struct {
	Stored bool          // an object has the key
	Record record.Record // zero if there is none, it can't be read, or the object has not its archive's size
	Ours   bool          // its key id stands for the passphrase of this run, with any salt
	Object *store.Object // nil if the store was not asked
	Err    error         // of this key alone
}

// Ask returns what is known of each key, in their order. An error is one of all keys.
func (a *Asker) Ask(ctx context.Context, keys []string) ([]Known, error) {
	known := make([]Known, len(keys))
	var listed []string
	for i, key := range keys {
		var err error
		if known[i].Stored, err = a.Listing.Has(ctx, key); err != nil {
			return nil, err
		}
		if known[i].Stored {
			listed = append(listed, key)
		}
	}
	var rows map[string]record.Record
	if a.Table != nil && len(listed) > 0 {
		var err error
		if rows, err = a.Table.Get(ctx, listed); err != nil {
			return nil, err
		}
	}
	for i, key := range keys {
		if !known[i].Stored {
			continue
		}
		if r, ok := rows[key]; ok && (r.ETag == "" || r.FitsObject(r.ObjectSize) && a.Listing.shows(key, &r)) {
			known[i].Record, known[i].Ours = r, a.ours(r)
			continue
		}
		asked, err := a.AskStore(ctx, key)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if pipeline.IsFatal(err) {
			return nil, err
		}
		asked.Err = err
		known[i] = asked
	}
	return known, nil
}

// AskStore asks the store about one key, even if there is a table: a run that stopped between the
// upload and the row left the old row.
func (a *Asker) AskStore(ctx context.Context, key string) (Known, error) {
	object, err := a.Store.Head(ctx, key, "")
	if errors.Is(err, store.ErrNotFound) {
		return Known{}, nil
	}
	if err != nil {
		return Known{}, err
	}
	known := Known{Stored: true, Object: &object}
	if r, err := record.FromMeta(object.Meta); err == nil && r.FitsObject(object.Size) {
		known.Record, known.Ours = r, a.ours(r)
	}
	return known, nil
}

// ours reports whether a record was made with the passphrase of this run.
func (a *Asker) ours(r record.Record) bool {
	mine, err := a.Keys.Mine(r.KeyID)
	return err == nil && mine
}

// Unchanged reports whether a subtree can be skipped without reading it: it has the fingerprint
// that it had when its archive got the MD5 of the stored record.
func Unchanged(known Known, seen state.Entry, fingerprint [32]byte) bool {
	r := known.Record
	return known.Stored && r.MD5 != "" && r.MD5 == seen.MD5 && seen.Fingerprint == fingerprint && (r.Format == 0 || known.Ours)
}

// Identical reports whether the stored object has the content of a new archive with the record now.
func Identical(known Known, now record.Record) bool {
	r := known.Record
	if known.Ours {
		r.KeyID = now.KeyID // another salt's id of the same passphrase
	}
	return known.Stored && r.SameContent(now)
}
