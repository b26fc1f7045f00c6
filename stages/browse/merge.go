package browse

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"firn/stages/format/catalogue"
	"firn/stages/format/treepath"
)

// A source is a subtree whose list is to be read.
type source struct {
	archive Archive
	place   *catalogue.Place // nil: there is none, for the reason err
	err     error
}

func sourceOf(s catalogue.Subtree) source {
	src := source{archive: archiveOf(s), place: s.List}
	switch {
	case s.List != nil:
	case s.HasObject():
		src.err = ErrNoList
	default:
		src.err = ErrNotSaved
	}
	return src
}

// An Item is an entry and where it lies.
type Item struct {
	Path    string // as in keys
	Entry   catalogue.Entry
	Archive *Archive
}

// merged gives the entries of many subtrees in the order of their paths. A list is opened when its subtree's turn comes, so
// that those are open at a time whose subtrees lie in each other: a shell's, and one of a subtree in it.
type merged struct {
	ctx     context.Context
	packs   *packs
	sources []source // those to come, in order
	open    cursors
	last    string // the path given last
	any     bool
	fault   func(*source, error)
}

// newMerged sorts sources in place. fault is told of lists that can't be read, or not to their end.
func newMerged(ctx context.Context, p *packs, sources []source, fault func(*source, error)) *merged {
	slices.SortFunc(sources, func(a, b source) int { return treepath.Compare(a.archive.Path, b.archive.Path) })
	return &merged{ctx: ctx, packs: p, sources: sources, fault: fault}
}

// next returns the next entry; io.EOF after the last. Of entries with the same path, one is given.
func (m *merged) next() (Item, error) {
	for {
		for len(m.sources) > 0 && (len(m.open) == 0 || treepath.Compare(m.sources[0].archive.Path, m.open[0].item.Path) <= 0) {
			if err := m.openNext(); err != nil {
				return Item{}, err
			}
		}
		if len(m.open) == 0 {
			return Item{}, io.EOF
		}
		item := m.open[0].item
		if err := m.advance(m.open[0]); err != nil {
			return Item{}, err
		}
		if m.any && item.Path == m.last {
			continue
		}
		m.last, m.any = item.Path, true
		return item, nil
	}
}

func (m *merged) openNext() error {
	src := &m.sources[0]
	m.sources = m.sources[1:]
	if src.place == nil {
		m.fault(src, src.err)
		return nil
	}
	pack, err := m.packs.get(m.ctx, src.place.Pack)
	if err != nil {
		if stops(m.ctx, err) {
			return reason(m.ctx, err)
		}
		m.fault(src, err)
		return nil
	}
	c := &cursor{source: src, paths: treepath.MembersOf(src.archive.Path)}
	if c.list, err = openList(pack, *src.place, src.archive.Path); err != nil {
		m.packs.put(src.place.Pack)
		m.fault(src, err)
		return nil
	}
	c.item.Archive = &src.archive
	c.item.Path = src.archive.Path // nothing in it comes before it
	heap.Push(&m.open, c)
	return m.advance(c)
}

// advance reads the next entry of a list that is open, and closes it behind its last.
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
		heap.Fix(&m.open, c.at)
		return nil
	}
	heap.Remove(&m.open, c.at)
	m.packs.put(c.source.place.Pack)
	if !errors.Is(err, io.EOF) {
		m.fault(c.source, err)
	}
	return nil
}

// errOrder: a list that firn did not make of a tar of its own.
var errOrder = errors.New("its list is not in the order of a tar of firn's")

// close lets go of the lists that are open.
func (m *merged) close() {
	for _, c := range m.open {
		m.packs.put(c.source.place.Pack)
	}
	m.open = nil
}

// A cursor is a list that is being read.
type cursor struct {
	source *source
	list   *catalogue.ListReader
	paths  treepath.Members
	item   Item // the entry at hand
	at     int  // in the heap
}

// cursors is a heap, the cursor with the least path at the top.
type cursors []*cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return treepath.Compare(c[i].item.Path, c[j].item.Path) < 0 }

// Swap implements heap.Interface.
func (c cursors) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].at, c[j].at = i, j
}

// Push implements heap.Interface.
func (c *cursors) Push(x any) {
	n := x.(*cursor)
	n.at = len(*c)
	*c = append(*c, n)
}

// Pop implements heap.Interface.
func (c *cursors) Pop() any {
	old := *c
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*c = old[:len(old)-1]
	return n
}
