// Package check decides what has to be uploaded: it asks the table, or the
// store, what is known of a key, and says "upload" unless that proves that the
// same content is stored under the same passphrase. When in doubt it uploads.
//
// It asks as little as it can: many keys of a table at once, and no HEAD for a
// key that a listing of the prefix does not show.
package check

import (
	"context"
	"errors"
	"fmt"

	"firn/stages/record"
	"firn/stages/state"
	"firn/stages/store"
)

// Keys knows which key ids stand for the passphrase of this run.
type Keys interface {
	ID() string
	Mine(keyID string) (bool, error)
}

// Asker finds what is known of objects. Its methods may be called from many
// goroutines.
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
}

// Ask returns what is known of each key, in their order. An error belongs to
// all of them.
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
	records, err := a.records(ctx, ask)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		r, ok := records[key]
		if !ok {
			continue
		}
		known[i].Record = r
	}
	return known, nil
}

// AskStore asks the store itself about one key, even if there is a table.
func (a *Asker) AskStore(ctx context.Context, key string) (Known, store.Object, error) {
	object, err := a.Store.Head(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return Known{}, object, nil
	}
	if err != nil {
		return Known{}, object, fmt.Errorf("asking the store what is known of %s: %w", key, err)
	}
	known := Known{Stored: true}
	if r, err := record.FromMeta(object.Meta); err == nil { // else it proves nothing
		known.Record = a.ours(r)
	}
	return known, object, nil
}

// ours gives a record made with the passphrase of this run the key id of this
// run: a passphrase has one for each salt. An id that can't be read proves
// nothing.
func (a *Asker) ours(r record.Record) record.Record {
	if mine, err := a.Keys.Mine(r.KeyID); r.KeyID != "" && err == nil && mine {
		r.KeyID = a.Keys.ID()
	}
	return r
}

func (a *Asker) records(ctx context.Context, keys []string) (map[string]record.Record, error) {
	if a.Table != nil {
		records, err := a.Table.Get(ctx, keys)
		if err != nil {
			return nil, fmt.Errorf("asking %s what is stored: %w", a.Table.URL(), err)
		}
		for key, r := range records {
			records[key] = a.ours(r)
		}
		return records, nil
	}
	records := make(map[string]record.Record, len(keys))
	for _, key := range keys {
		known, _, err := a.AskStore(ctx, key)
		if err != nil {
			return nil, err
		}
		records[key] = known.Record
	}
	return records, nil
}

// Unchanged tells whether a subtree can be skipped unread: its fingerprint is
// what it was when its archive got the MD5 that the stored record still bears.
func Unchanged(known Known, keyID string, seen state.Entry, fingerprint [32]byte) bool {
	r := known.Record
	return known.Stored && r.MD5 != "" && r.MD5 == seen.MD5 && seen.Fingerprint == fingerprint &&
		(r.Format == 0 || r.KeyID == keyID)
}

// Identical tells whether the stored object has the content of an archive
// just made, described by now.
func Identical(known Known, now record.Record) bool {
	return known.Stored && known.Record.SameContent(now)
}
