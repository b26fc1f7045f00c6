package prove

import (
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// An Archive is an archive that is read back. An item of a flow embeds it.
type Archive struct {
	Line   catalogue.Subtree // of the catalogue; only Path and Key if no run lists it
	Object store.Object      // as the store describes it
	Record record.Record     // what its content must match
	spool  *spool.File       // nil: it is too large for the spool, and is fetched twice
}

// String is the path that was saved, without a leading slash.
func (a *Archive) String() string { return a.Line.Path }

// Drop removes the spool file. If that fails, the next run removes it.
func (a *Archive) Drop(error) {
	if a.spool != nil {
		_ = a.spool.Remove()
	}
}

// CheckKey finds a wrong key before the archive is fetched. A record of the old script has no key
// id, and passes. Errors are Damages.
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
