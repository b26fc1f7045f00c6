package browse

import (
	"context"
	"errors"
	"io"

	"firn/stages/format/catalogue"
)

// MostOpen reads a run as Entries does, and tells how many lists were open at a time.
func (c *Catalogue) MostOpen(ctx context.Context, run catalogue.Run) (most int, err error) {
	var sources []source
	if err := c.Subtrees(ctx, run, func(s catalogue.Subtree) error {
		sources = append(sources, sourceOf(s))
		return nil
	}); err != nil {
		return 0, err
	}
	shelf := c.Ledger.Shelf(openPacks, 0)
	defer shelf.Close()
	m := newMerged(ctx, shelf, sources, func(*source, error) {})
	defer m.close()
	for {
		if _, err := m.next(); errors.Is(err, io.EOF) {
			return most, nil
		} else if err != nil {
			return 0, err
		}
		most = max(most, len(m.open))
	}
}
