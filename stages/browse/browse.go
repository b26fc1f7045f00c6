package browse

import (
	"context"
	"errors"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
)

// A Catalogue answers questions. Its methods may be called from many goroutines.
type Catalogue struct {
	Ledger *ledger.Ledger
	// Fault is called for what could not be read and is missing in the answer, one call at a time.
	Fault func(Fault)
}

// An Archive is where an entry is.
type Archive struct {
	Path    string // of its subtree, as in keys
	Shell   bool
	Key     string
	Version string // version id, "" if the store keeps none
	Class   string // storage class it was stored in
}

func archiveOf(s catalogue.Subtree) Archive {
	return Archive{Path: s.Path, Shell: s.Shell, Key: s.Key, Version: s.Version, Class: s.Class}
}

// A Fault is a part of the catalogue that could not be read.
type Fault struct {
	Archive Archive // whose list it is; the zero one: of more than one
	Run     string  // in which it was met, or ""; of the zero archive, whose manifest it is
	Err     error
}

// ErrNoList: the catalogue has no list of an archive's entries. A rebuild that reads the archive
// makes one.
var ErrNoList = errors.New("the catalogue has no list of its entries")

// ErrNotSaved: a subtree was not saved, and the catalogue has no earlier archive of it.
var ErrNotSaved = errors.New("it was not saved in that run, and no earlier archive of it is known")

// ending returns the error that ends the whole question; nil if err only ends the reading of one
// part.
func ending(ctx context.Context, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case pipeline.IsFatal(err):
		return err
	}
	return nil
}
