package browse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// A source is a subtree whose list is to be read.
type source struct {
	archive Archive
	place   *catalogue.Place // nil: there is none, for the reason err
	owner   catalogue.Owner
	err     error
}

func sourceOf(s catalogue.Subtree) source {
	src := source{archive: archiveOf(s), place: s.List, owner: s.Owner()}
	switch {
	case s.List != nil:
	case s.HasObject():
		src.err = ErrNoList
	default:
		src.err = ErrNotSaved
	}
	return src
}

// An Item is an entry and where it is.
type Item struct {
	Path    string // as in keys
	Entry   catalogue.Entry
	Archive *Archive
}

// openPacks is how many packs Entries and Diff keep, each a scratch file of the size of a pack.
const openPacks = 32

// merged yields the entries of many subtrees in the order of their paths. A list is opened when its
// subtree's turn comes, so that only lists of nested subtrees are open.
type merged struct {
	ctx     context.Context
	shelf   *ledger.Shelf
	sources []source // those to come, in order
	open    []*cursor
	last    *string // the path given last; nil at first
	fault   func(*source, error)
}

// newMerged sorts sources in place. fault is called for lists that can't be read to their end.
func newMerged(ctx context.Context, shelf *ledger.Shelf, sources []source, fault func(*source, error)) *merged {
	slices.SortFunc(sources, func(a, b source) int { return treepath.Compare(a.archive.Path, b.archive.Path) })
	return &merged{ctx: ctx, shelf: shelf, sources: sources, fault: fault}
}

// next returns the next entry; io.EOF after the last. Of entries with the same path, one is given.
func (m *merged) next() (Item, error) {
	for {
		c := m.least()
		for len(m.sources) > 0 && (c == nil || treepath.Compare(m.sources[0].archive.Path, c.item.Path) <= 0) {
			if err := m.openNext(); err != nil {
				return Item{}, err
			}
			c = m.least()
		}
		if c == nil {
			return Item{}, io.EOF
		}
		item := c.item
		if err := m.advance(c); err != nil {
			return Item{}, err
		}
		if m.last == nil || item.Path != *m.last {
			m.last = &item.Path
			return item, nil
		}
	}
}

// least returns the open list whose current entry comes first.
func (m *merged) least() (least *cursor) {
	for _, c := range m.open {
		if least == nil || treepath.Compare(c.item.Path, least.item.Path) < 0 {
			least = c
		}
	}
	return least
}

func (m *merged) openNext() error {
	src := &m.sources[0]
	m.sources = m.sources[1:]
	if src.place == nil {
		m.fault(src, src.err)
		return nil
	}
	c := &cursor{source: src, paths: treepath.MembersOf(src.archive.Path)}
	var err error
	if c.list, err = m.shelf.Open(m.ctx, *src.place, src.owner); err != nil {
		if end := ending(m.ctx, err); end != nil {
			return end
		}
		m.fault(src, err)
		return nil
	}
	c.item.Archive = &src.archive
	c.item.Path = src.archive.Path // nothing in it comes before it
	m.open = append(m.open, c)
	return m.advance(c)
}

// advance reads the next entry of an open list, and closes the list after its last.
func (m *merged) advance(c *cursor) error {
	if m.ctx.Err() != nil {
		return context.Cause(m.ctx)
	}
	before := c.item.Path
	e, err := c.list.Next()
	if err == nil {
		c.item.Path, c.item.Entry = c.paths.Path(e.Path), e
		if treepath.Compare(c.item.Path, before) < 0 || !treepath.Within(c.source.archive.Path, c.item.Path) {
			err = fmt.Errorf("%w: %q comes after %q in the list", errOrder, c.item.Path, before)
		}
	}
	if err == nil {
		return nil
	}
	m.open = slices.DeleteFunc(m.open, func(other *cursor) bool { return other == c })
	c.list.Release()
	if !errors.Is(err, io.EOF) {
		m.fault(c.source, err)
	}
	return nil
}

// errOrder: firn did not make the list from a tar of its own.
var errOrder = errors.New("its list is not in the order of firn's tars")

// close releases the open lists.
func (m *merged) close() {
	for _, c := range m.open {
		c.list.Release()
	}
	m.open = nil
}

// A cursor is a list that is being read.
type cursor struct {
	source *source
	list   ledger.ShelvedList
	paths  treepath.Members
	item   Item // the current entry
}
