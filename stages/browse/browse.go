package browse

import (
	"context"
	"errors"
	"fmt"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
)

// A Catalogue is what is asked. Its methods may be called from many goroutines.
type Catalogue struct {
	Ledger *ledger.Ledger
	// Fault is told of what could not be read, one call at a time. The answer leaves it out.
	Fault func(Fault)
}

// An Archive is where an entry lies.
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

// ErrNoList: no list of an archive's entries is known.
var ErrNoList = errors.New("the catalogue has no list of its entries; 'firn catalogue rebuild --read-data' makes one, once it can be read")

// ErrNotSaved: a subtree was not saved, and no earlier archive of it is known.
var ErrNotSaved = errors.New("it was not saved in that run, and no earlier archive of it is known")

// stops tells whether an error ends the whole question, not only the reading of one part.
func stops(ctx context.Context, err error) bool {
	return ctx.Err() != nil || pipeline.IsFatal(err)
}

// reason is an error that ends the question, with the cause where it was cancelled.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// openList opens a list and holds its head against the subtree that it should be of.
func openList(p *ledger.Pack, place catalogue.Place, subtree string) (*catalogue.ListReader, error) {
	list, err := p.List(place)
	if err != nil {
		return nil, err
	}
	if list.Head.Path != subtree {
		return nil, fmt.Errorf("%w: at byte %d of %s lies the list of %q, not of %q", catalogue.ErrFormat, place.Offset, place.Pack, list.Head.Path, subtree)
	}
	return list, nil
}
