package prove

import (
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// An Archive is an archive on its way back. Who embeds it is the item of a flow; the engine calls Drop on what it throws away.
type Archive struct {
	Line   catalogue.Subtree // what the catalogue says of it; Path and Key alone where no run knows it
	Object store.Object      // as the store shows it
	Record record.Record     // what its content must match
	spool  *spool.File       // nil: it is too large for the spool, and is fetched a second time
}

// String is the path that was saved, without a leading slash.
func (a *Archive) String() string { return a.Line.Path }

// Drop releases the spool file. What can't be removed the next run removes.
func (a *Archive) Drop(error) {
	if a.spool != nil {
		_ = a.spool.Remove()
	}
}

// CheckKey names a wrong key before anything is fetched. A record of the old script names no key, and passes. Errors are
// Damages: Metadata, Key.
func CheckKey(keys *encryption.Keys, r record.Record) error {
	if r.Format == 0 {
		return nil
	}
	switch mine, err := keys.Mine(r.KeyID); {
	case err != nil:
		return Damagef(report.ProblemMetadata, "reading the key id in its record: %w", err)
	case !mine:
		return Damagef(report.ProblemKey, "it was %w than the one given", encryption.ErrOtherKey)
	}
	return nil
}
