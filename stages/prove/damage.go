package prove

import (
	"errors"
	"fmt"

	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// ErrDamaged: an archive is not what was saved. Nothing of it is restored.
var ErrDamaged = errors.New("the archive is not what was saved")

// A Damage is an error that says that an object in the store is not what was stored. All other
// errors say that it could not be verified.
type Damage struct {
	Problem report.Problem
	Err     error
}

func (d *Damage) Error() string { return d.Err.Error() }
func (d *Damage) Unwrap() error { return d.Err }

// Damagef makes a Damage as fmt.Errorf makes an error.
func Damagef(problem report.Problem, format string, a ...any) error {
	return &Damage{problem, fmt.Errorf(format, a...)}
}

// PutBack is the Damage of an object that is what an older run stored.
func PutBack(older, newer string) error {
	return Damagef(report.ProblemPutBack, "the store has the content of run %s in place of what run %s stored, so it was put back: nothing of it is used", older, newer)
}

// ProblemOf returns the problem of a Damage, "" for any other error.
func ProblemOf(err error) report.Problem {
	var d *Damage
	if errors.As(err, &d) {
		return d.Problem
	}
	return ""
}

// OfArchive returns an error in reading an archive as a Damage if it is one, else as it is.
func OfArchive(err error) error {
	switch {
	case err == nil || ProblemOf(err) != "":
		return err
	case errors.Is(err, store.ErrNotFound):
		return &Damage{report.ProblemMissing, err}
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return &Damage{report.ProblemContent, err}
	}
	return err
}

// OfCatalogue is OfArchive for an object of the catalogue.
func OfCatalogue(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Damage{report.ProblemMissing, err}
	case errors.Is(err, encryption.ErrOtherKey):
		return &Damage{report.ProblemKey, err}
	case ledger.IsDamage(err):
		return &Damage{report.ProblemUnproven, err}
	}
	return err
}
