package prove

import (
	"archive/tar"
	"context"
	"errors"
	"path"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/format/record"
	"firn/stages/format/treepath"
	"firn/stages/service/report"
	"firn/stages/service/spool"
	"firn/stages/store"
)

// An Archive is an archive that is read back. An item of a flow embeds it.
type Archive struct {
	Line   catalogue.Subtree // of the catalogue; only Path and Key if no run lists it
	Object store.Object      // as the store describes it
	Record record.Record     // what its content must match
	// Pathless: the key is shortened and no run lists it, so Line.Path is not the whole path.
	Pathless bool
	Task     *report.Task           // may be nil
	spool    *spool.File            // nil: it is too large for the spool, and is fetched twice
	pass     *encryption.Passphrase // that Bring found to open it; not used if the record has a key id
}

// String is the path that was saved, without a leading slash.
func (a *Archive) String() string { return a.Line.Path }

// Top is the first element of all names in the archive; "" if its path ends in no name, or is not
// known.
func (a *Archive) Top() string {
	if a.Pathless || !treepath.HasName(a.Line.Path) {
		return ""
	}
	return path.Base(a.Line.Path)
}

// findPath takes the path of an archive with a shortened key from its first member, which has the
// full key, if the archive's key is what that is shortened to.
func (a *Archive) findPath(prefix string, first *tar.Header) {
	full := first.PAXRecords["comment"]
	saved, ext, ok := key.Path(prefix, full)
	if !ok {
		return
	}
	if short, _ := key.For(prefix, saved, ext); short == a.Line.Key {
		a.Line.Path, a.Pathless = saved, false
	}
}

// tarSize is the size of the tar in bytes; -1 if the record does not say it.
func (a *Archive) tarSize() int64 {
	if a.Record.TarSize <= 0 {
		return -1
	}
	return a.Record.TarSize
}

// IsSpooled reports whether Bring kept the archive in the spool. If not, a reader of Open that did not
// reach the end proves nothing.
func (a *Archive) IsSpooled() bool { return a.spool != nil }

// Drop ends the work on the archive, and removes the spool file. If that fails, the next run removes it.
func (a *Archive) Drop(error) {
	a.unspool()
	a.Task.End()
}

func (a *Archive) unspool() {
	if a.spool != nil {
		_ = a.spool.Remove()
	}
}

// Head asks the store for the object of a line. If the line's version is gone, the object that has
// the key now stands in for it, if it has the line's content by its ETag or by its record: a copy of
// an object onto itself gives it another version. Errors: those of Store.Head.
func Head(ctx context.Context, s store.Store, line *catalogue.Subtree) (o store.Object, standsIn bool, err error) {
	o, err = s.Head(ctx, line.Key, line.Version)
	if line.Version == "" || !errors.Is(err, store.ErrNotFound) {
		return o, false, err
	}
	now, again := s.Head(ctx, line.Key, "")
	switch {
	case again != nil && !errors.Is(again, store.ErrNotFound):
		return now, false, again
	case again != nil || now.Size != line.ObjectSize:
		return o, false, err
	}
	own, wrong := record.FromMeta(now.Meta)
	sameRecord := wrong == nil && own.MD5 != "" && own.MD5 == line.MD5 && own.HMAC == line.HMAC
	if !sameRecord && (line.ETag == "" || now.ETag != line.ETag) {
		return o, false, err
	}
	return now, true, nil
}

// StoodIn is what a user is told once of objects that stand in for their lines' versions.
const StoodIn = "the version that its run names is gone: the object that has its key now has the same content, and is used; the same holds for others like it"

// CheckKey finds, before the archive is fetched, a record that proves nothing and a wrong key.
// Errors are Damages; ProblemUnproven: there is no HMAC, or its key id can't be read.
func CheckKey(keys *encryption.Keys, r record.Record) error {
	switch {
	case r.MD5 == "":
		return Damagef(report.ProblemUnproven, "it has no record: firn did not make it, or its metadata were lost")
	case !r.HasProof():
		return Damagef(report.ProblemUnproven, "it has an MD5 and no HMAC: the old script made it, or anybody else who may write to the store")
	}
	switch mine, err := keys.Mine(r.KeyID); {
	case err != nil:
		return Damagef(report.ProblemUnproven, "reading the key id in its record: %w", err)
	case !mine:
		return Damagef(report.ProblemKey, "it was %w than the one given", encryption.ErrOtherKey)
	}
	return nil
}
