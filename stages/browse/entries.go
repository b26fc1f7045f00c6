package browse

import (
	"context"
	"errors"
	"io"

	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
)

// Entries calls fn for every entry of a run that the picks name, and for those below, in the order
// of their paths. Its error is one of fn, as it is, one of the whole store, or ctx's cause.
func (c *Catalogue) Entries(ctx context.Context, run catalogue.Run, picks pick.Picks, fn func(Item) error) error {
	var sources []source
	err := c.Subtrees(ctx, run, func(s catalogue.Subtree) error {
		if picks.MayHave(s.Path) {
			sources = append(sources, sourceOf(s))
		}
		return nil
	})
	if err != nil {
		return err
	}
	shelf := c.Ledger.Shelf(openPacks, 0)
	defer shelf.Close()
	m := newMerged(ctx, shelf, sources, func(s *source, err error) { c.Fault(Fault{Archive: s.archive, Run: run.ID, Err: err}) })
	defer m.close()
	for {
		item, err := m.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if picks.Has(item.Path) {
			if err := fn(item); err != nil {
				return err
			}
		}
	}
}

// Subtrees calls fn for every subtree of a run, in the order of the manifest. Errors are those of
// Entries; what can't be read of the manifest is a Fault.
func (c *Catalogue) Subtrees(ctx context.Context, run catalogue.Run, fn func(catalogue.Subtree) error) error {
	var own error
	err := c.Ledger.Subtrees(ctx, run, func(s catalogue.Subtree) error {
		own = fn(s)
		return own
	})
	if err == nil || own != nil {
		return own
	}
	if end := ending(ctx, err); end != nil {
		return end
	}
	c.Fault(Fault{Run: run.ID, Err: err})
	return nil
}
