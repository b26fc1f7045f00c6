package prove

import (
	"errors"
	"fmt"

	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// A Problem says in a word what is wrong with an archive in a store, or with an object of the catalogue.
type Problem = string

// The problems. report.Event shows them to the user.
const (
	Missing  Problem = "missing"  // no such object, or not that version
	Replaced Problem = "replaced" // another archive has taken its place, in a store that keeps no versions
	Size     Problem = "size"     // it has another length than what was stored
	ETag     Problem = "etag"     // the store's own tag of its content is another
	Metadata Problem = "metadata" // its metadata are not what was stored with it
	Key      Problem = "key"      // another key file made it
	Checksum Problem = "checksum" // its bytes do not give the CRC that the store keeps of them
	Content  Problem = "content"  // what it decrypts to is not what was saved: HMAC, MD5
	Tar      Problem = "tar"      // it can't be decompressed, or is no whole tar
	Entries  Problem = "entries"  // it does not hold what the list of its entries says
	Class    Problem = "class"    // of a warning: it lies in another storage class
	Unproven Problem = "unproven" // of the catalogue: it is not what firn wrote with this key file, or of an unknown form
)

// ErrDamaged says that an archive is not what was saved, and nothing of it is restored.
var ErrDamaged = errors.New("the archive is not what was saved")

// A Damage is an error that says that something in the store is not what was put there. Other errors say that it could not be
// looked at.
type Damage struct {
	Problem Problem
	Err     error
}

func (d *Damage) Error() string { return d.Err.Error() }
func (d *Damage) Unwrap() error { return d.Err }

// Damagef makes a Damage as fmt.Errorf makes an error.
func Damagef(problem Problem, format string, a ...any) error {
	return &Damage{problem, fmt.Errorf(format, a...)}
}

// ProblemOf is the problem that an error names; "" if it is no Damage.
func ProblemOf(err error) Problem {
	var d *Damage
	if errors.As(err, &d) {
		return d.Problem
	}
	return ""
}

// OfArchive marks as a Damage what an error in reading an archive says of its bytes; other errors are returned as they are.
func OfArchive(err error) error {
	switch {
	case err == nil || ProblemOf(err) != "":
		return err
	case errors.Is(err, store.ErrNotFound):
		return &Damage{Missing, err}
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return &Damage{Content, err}
	}
	return err
}

// OfCatalogue marks as a Damage what an error in reading an object of the catalogue says of it; other errors are returned as
// they are.
func OfCatalogue(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Damage{Missing, err}
	case errors.Is(err, encryption.ErrOtherKey):
		return &Damage{Key, err}
	case ledger.IsDamage(err):
		return &Damage{Unproven, err}
	}
	return err
}
