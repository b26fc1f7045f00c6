package stages

import (
	"errors"
	"fmt"

	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// What can be wrong with an archive in a store, or with an object of the
// catalogue, in a word: report.Event's Problem.
const (
	problemMissing  = "missing"  // no such object, or not that version
	problemReplaced = "replaced" // another archive has taken its place, in a store that keeps no versions
	problemSize     = "size"     // it has another length than what was stored
	problemETag     = "etag"     // the store's own tag of its content is another
	problemMetadata = "metadata" // its metadata are not what was stored with it
	problemKey      = "key"      // another key file made it
	problemChecksum = "checksum" // its bytes do not give the CRC that the store keeps of them
	problemContent  = "content"  // what it decrypts to is not what was saved: HMAC, MD5
	problemTar      = "tar"      // it can't be decompressed, or is no whole tar
	problemEntries  = "entries"  // it does not hold what the list of its entries says
	problemClass    = "class"    // of a warning: it lies in another storage class
	problemUnproven = "unproven" // of the catalogue: it is not what firn wrote with this key file, or of an unknown form
)

// ErrDamaged: an archive is not what was saved, and nothing of it is restored.
var ErrDamaged = errors.New("the archive is not what was saved")

// A damage is an error that says that something in the store is not what was
// put there; other errors say that it could not be looked at.
type damage struct {
	problem string
	error
}

func (d *damage) Unwrap() error { return d.error }

func damagef(problem, format string, a ...any) error {
	return &damage{problem, fmt.Errorf(format, a...)}
}

// problemOf is the word for what is wrong; "" when err is no damage.
func problemOf(err error) string {
	var d *damage
	if errors.As(err, &d) {
		return d.problem
	}
	return ""
}

// asDamage marks what an error in reading an archive says of its bytes.
func asDamage(err error) error {
	switch {
	case err == nil || problemOf(err) != "":
		return err
	case errors.Is(err, store.ErrNotFound):
		return &damage{problemMissing, err}
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return &damage{problemContent, err}
	}
	return err
}

// inCatalogue marks what an error in reading an object of the catalogue says
// of it; other errors are returned as they are.
func inCatalogue(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &damage{problemMissing, err}
	case errors.Is(err, encryption.ErrOtherKey):
		return &damage{problemKey, err}
	case ledger.IsDamage(err):
		return &damage{problemUnproven, err}
	}
	return err
}
