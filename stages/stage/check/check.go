// Package check decides what must be uploaded. An archive is not uploaded if its content is stored
// under the same passphrase: that is known of an object that a run recorded, and that the listing
// shows by its ETag and size. Of any other object, only what nobody recorded is looked at: its row
// in a table, or else its metadata.
//
// Such a row or such metadata are not proven, since whoever may write to the store can make them.
// A row counts only if the listing shows its ETag and size, and an object that was not written
// since: it may be another store's, or older than the object.
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

// A Question is a key, and what was recorded of its object; nil if nothing was.
type Question struct {
	Key  string
	Seen *state.Entry
}

// Known is what is known of one object before its archive is made.
type Known struct {
	Stored   bool          // an object has the key
	Recorded bool          // it is the one that was recorded
	Replaced bool          // another one was recorded: nothing is believed of this one
	Record   record.Record // zero if there is none, it can't be read, or the object has not its archive's size
	Adopted  bool          // what was recorded was adopted
	Ours     bool          // its key id stands for the passphrase of this run, with any salt
	Object   *store.Object // nil if the store was not asked
	Err      error         // of this key alone
}

// OfTable reports whether a table alone was asked.
func (k *Known) OfTable() bool { return k.Stored && !k.Recorded && !k.Replaced && k.Object == nil }

// Ask returns what is known of each key, in their order. An error is one of all keys.
func (a *Asker) Ask(ctx context.Context, questions []Question) ([]Known, error) {
	known := make([]Known, len(questions))
	var unknown []string
	for i, q := range questions {
		listed, err := a.Listing.find(ctx, q.Key)
		if err != nil {
			return nil, err
		}
		if known[i].Stored = listed != nil; listed == nil {
			continue
		}
		if q.Seen == nil {
			unknown = append(unknown, q.Key)
			continue
		}
		if known[i], err = a.compare(ctx, q, listed); err != nil {
			return nil, err
		}
	}
	var rows map[string]record.Record
	if a.Table != nil && len(unknown) > 0 {
		var err error
		if rows, err = a.Table.Get(ctx, unknown); err != nil {
			return nil, err
		}
	}
	for i, q := range questions {
		if !known[i].Stored || q.Seen != nil {
			continue
		}
		if r, ok := rows[q.Key]; ok && r.Format > 0 && r.FitsObject(r.ObjectSize) && a.Listing.shows(q.Key, &r) == same {
			known[i].Record, known[i].Ours = r, a.Ours(r)
			continue
		}
		var err error
		known[i], err = a.AskStore(ctx, q.Key)
		if known[i].Err = err; a.ofAll(ctx, err) != nil {
			return nil, a.ofAll(ctx, err)
		}
	}
	return known, nil
}

// ofAll is err if it is not of one key alone.
func (a *Asker) ofAll(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if pipeline.IsFatal(err) {
		return err
	}
	return nil
}

// compare compares a listed object with the one that was recorded. It asks the store only if the
// listing does not tell.
func (a *Asker) compare(ctx context.Context, q Question, o *listed) (Known, error) {
	r := q.Seen.Record
	known := Known{Stored: true, Recorded: true, Record: r, Adopted: q.Seen.Adopted, Ours: r.Format == 0 || a.Ours(r)}
	switch a.Listing.compare(o, &r) {
	case same:
		if class := a.Listing.class(o); class != "" {
			known.Record.Class = class
		}
		return known, nil
	case other:
		return Known{Stored: true, Replaced: true}, nil
	}
	return a.askSeen(ctx, q, known)
}

// AskNow returns what is known of a key by what the store says of it now. It asks no table and looks at
// no listing. An error of this key alone is in Known.
func (a *Asker) AskNow(ctx context.Context, q Question) (Known, error) {
	if q.Seen == nil {
		known, err := a.AskStore(ctx, q.Key)
		known.Err = err
		return known, a.ofAll(ctx, err)
	}
	r := q.Seen.Record
	return a.askSeen(ctx, q, Known{Stored: true, Recorded: true, Record: r, Adopted: q.Seen.Adopted, Ours: r.Format == 0 || a.Ours(r)})
}

// askSeen asks the store whether the object that was recorded is there: then known is what is known.
func (a *Asker) askSeen(ctx context.Context, q Question, known Known) (Known, error) {
	object, err := a.Store.Head(ctx, q.Key, "")
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Known{}, nil
	case err != nil:
		return Known{Stored: true, Err: err}, a.ofAll(ctx, err)
	case !q.Seen.Same(object.Describe(record.Record{})):
		return Known{Stored: true, Replaced: true, Object: &object}, nil
	}
	known.Record, known.Object = object.Describe(known.Record), &object
	return known, nil
}

// AskStore asks the store about a key of which nothing was recorded, even if there is a table: a run
// that stopped between the upload and the row left the old row.
func (a *Asker) AskStore(ctx context.Context, key string) (Known, error) {
	object, err := a.Store.Head(ctx, key, "")
	if errors.Is(err, store.ErrNotFound) {
		return Known{}, nil
	}
	if err != nil {
		return Known{}, err
	}
	known := Known{Stored: true, Object: &object}
	r, err := record.FromMeta(object.Meta)
	switch {
	case err != nil || !r.FitsObject(object.Size):
	case r.Format == 0:
		known.Record.MD5 = r.MD5 // what else there may be is not the old script's
	default:
		known.Record, known.Ours = r, a.Ours(r)
	}
	known.Record = object.Describe(known.Record)
	return known, nil
}

// Ours reports whether a record was made with the passphrase of this run.
func (a *Asker) Ours(r record.Record) bool {
	mine, err := a.Keys.Mine(r.KeyID)
	return err == nil && mine
}

// Unchanged reports whether a subtree can be skipped without reading it: it has the fingerprint
// that it had when the object was stored.
func Unchanged(known Known, seen *state.Entry, fingerprint [32]byte) bool {
	return known.Recorded && known.Ours && fingerprint != [32]byte{} && seen.Fingerprint == fingerprint
}

// Identical reports whether the stored object has the content of a new archive with the record now,
// as far as what is known of it can be believed. A record that has only an MD5 counts here: whether
// the old script may have made it is not known here.
func Identical(known Known, now record.Record) bool {
	r := known.Record
	switch {
	case !known.Stored:
		return false
	case known.Recorded:
	case r.Format > 0 && !agrees(r, now), r.Format == 0 && r.ObjectSize != encryption.CiphertextSize(now.ArchiveSize):
		return false
	}
	if known.Ours {
		r.KeyID = now.KeyID // another salt's id of the same passphrase
	}
	return r.SameContent(now)
}

// agrees reports whether a record that is not proven can be that of the archive now: the HMACs of
// the same archive with the same key are the same.
func agrees(r, now record.Record) bool {
	return r.HMAC != "" && (r.MD5 != now.MD5 || r.KeyID != now.KeyID || r.HMAC == now.HMAC)
}
