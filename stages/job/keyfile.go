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
	DryRun    bool   // do as if the file had been made, if it would be
	Prefix    string // below which archives are looked for
}

// OpenKeyfile reads the passphrase that openssl would read from path. A file
// that is missing is made only while the store holds no archive: whoever
// mistypes its path must not get a second key. created tells that it was, or, in a
// dry run, would have been.
func OpenKeyfile(ctx context.Context, path string, s store.Store, o KeyfileOptions) (pass *encryption.Passphrase, warnings []string, created bool, err error) {
	read := encryption.KeyfileOptions{AllowWeak: o.AllowWeak}
	pass, warnings, err = encryption.ReadPassphrase(path, read)
	if !errors.Is(err, fs.ErrNotExist) {
		return pass, warnings, false, err
	}
	held, err := holdsArchive(ctx, s, key.Prefix(o.Prefix))
	if err != nil {
		return nil, nil, false, fmt.Errorf("looking for archives made with an earlier key: %w", err)
	}
	if held != "" {
		return nil, nil, false, fmt.Errorf("key file %s does not exist, and %s already holds archives (%s), which another key opens: name the key file they were made with; firn makes a new one only for a store, or a --prefix, that holds none", path, s.URL(), held)
	}
	if o.DryRun {
		return encryption.NewPassphrase([]byte(rand.Text())), nil, true, nil
	}
	if err := encryption.CreateKeyfile(path); err != nil {
		return nil, nil, false, fmt.Errorf("%w; name a --keyfile that can be made", err)
	}
	pass, warnings, err = encryption.ReadPassphrase(path, read)
	return pass, warnings, true, err
}

// holdsArchive returns the key of an archive below prefix, "" if there is none.
func holdsArchive(ctx context.Context, s store.Store, prefix string) (found string, err error) {
	errFound := errors.New("found")
	err = s.List(ctx, prefix, func(o store.Object) error {
		if !IsArchive(o.Key) {
			return nil
		}
		found = o.Key
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return found, err
}

// OpenKeys derives the keys of a run, with the salt that runs over the same
// cache path share.
func OpenKeys(pass *encryption.Passphrase, db *state.DB) (*encryption.Keys, error) {
	salt := db.Salt()
	keys, err := encryption.NewKeys(pass, salt)
	if err != nil {
		keys, err = encryption.NewKeys(pass, nil) // a salt that is none is worth no more than a lost one
	}
	if err != nil || salt != nil {
		return keys, err
	}
	return keys, db.KeepSalt(keys.Salt())
}
