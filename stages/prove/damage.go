package prove

import (
	"errors"
	"fmt"

	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/report"
	"firn/stages/store"
)

// ErrDamaged says that an archive is not what was saved, and nothing of it is restored.
var ErrDamaged = errors.New("the archive is not what was saved")

// A Damage is an error that says that something in the store is not what was put there. Other errors say that it could not be
// looked at.
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

// ProblemOf is the problem that an error names; "" if it is no Damage.
func ProblemOf(err error) report.Problem {
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
		return &Damage{report.ProblemMissing, err}
	case errors.Is(err, encryption.ErrNotEncrypted), errors.Is(err, encryption.ErrTruncated), errors.Is(err, encryption.ErrBadPadding):
		return &Damage{report.ProblemContent, err}
	}
	return err
}

// OfCatalogue marks as a Damage what an error in reading an object of the catalogue says of it; other errors are returned as
// they are.
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
