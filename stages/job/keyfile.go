package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"firn/stages/format/encryption"
	"firn/stages/format/key"
	"firn/stages/service/state"
	"firn/stages/store"
)

// KeyfileOptions say how a key file is opened.
type KeyfileOptions struct {
	AllowWeak bool
	New       bool   // make a missing file, whatever the store holds
	DryRun    bool   // make no file
	Known     bool   // earlier runs stored archives in the store: make no file
	Prefix    string // below which archives are looked for
}

// A KeyfileError says why a missing key file was not made.
type KeyfileError struct {
	Path     string
	Archives bool // there are archives of another key; else the file could not be written
	err      error
}

func (e *KeyfileError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *KeyfileError) Unwrap() error { return e.err }

// OpenKeyfile reads the passphrase that openssl would read from path. It makes a missing file only
// if the store holds no archive, and never did: a typo in the path must not give a second key. With
// New a second key is what is wanted.
// created says that it was made, or, in a dry run, would have been made. Errors: *KeyfileError, those
// of the store and of encryption.ReadPassphrase.
func OpenKeyfile(ctx context.Context, path string, s store.Store, o KeyfileOptions) (pass *encryption.Passphrase, warnings []string, created bool, err error) {
	read := encryption.KeyfileOptions{AllowWeak: o.AllowWeak}
	pass, warnings, err = encryption.ReadPassphrase(path, read)
	if !errors.Is(err, fs.ErrNotExist) {
		return pass, warnings, false, err
	}
	if !o.New {
		if err := hasNone(ctx, path, s, o); err != nil {
			return nil, nil, false, err
		}
	}
	if o.DryRun {
		return encryption.NewPassphrase([]byte(rand.Text())), nil, true, nil
	}
	if err := encryption.CreateKeyfile(path); err != nil {
		return nil, nil, false, &KeyfileError{path, false, err}
	}
	pass, warnings, err = encryption.ReadPassphrase(path, read)
	return pass, warnings, true, err
}

// hasNone returns a *KeyfileError for the missing key file path if there are archives, or were.
func hasNone(ctx context.Context, path string, s store.Store, o KeyfileOptions) error {
	archive, err := FirstArchive(ctx, s, key.Prefix(o.Prefix))
	switch {
	case err != nil:
		return fmt.Errorf("looking for archives made with an earlier key: %w", err)
	case archive != "":
		return &KeyfileError{path, true, fmt.Errorf("key file %s does not exist, and %s already holds archives (%s), which another key opens", path, s.URL(), archive)}
	case o.Known:
		return &KeyfileError{path, true, fmt.Errorf("key file %s does not exist, and an earlier run stored archives in %s, which another key opens", path, s.URL())}
	}
	return nil
}

// FirstArchive returns the first key of an archive that begins with one of the prefixes, "" if there
// is none.
func FirstArchive(ctx context.Context, s store.Store, prefixes ...string) (found string, err error) {
	errFound := errors.New("found")
	for _, prefix := range prefixes {
		err = s.List(ctx, prefix, func(o store.Object) error {
			if !IsArchive(o.Key) {
				return nil
			}
			found = o.Key
			return errFound
		})
		if err != nil {
			break
		}
	}
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, err
}

// OpenKeys derives the keys of a run with the salt that all runs over the same cache path share, and
// gives the state file its own. What was made with one of more passphrases can be read too.
func OpenKeys(db *state.DB, pass *encryption.Passphrase, more ...*encryption.Passphrase) (*encryption.Keys, error) {
	salt := db.Salt()
	keys, err := encryption.NewKeys(pass, salt, more...)
	if err != nil {
		salt = nil // damaged, so it is replaced
		keys, err = encryption.NewKeys(pass, nil, more...)
	}
	if err != nil {
		return nil, err
	}
	db.Bind(keys.StateMAC)
	if salt != nil {
		return keys, nil
	}
	return keys, db.KeepSalt(keys.Salt())
}
