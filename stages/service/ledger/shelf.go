package ledger

import (
	"context"
	"slices"
	"sync"

	"firn/stages/format/catalogue"
)

// A Shelf keeps the packs that were used last at hand, so that lists which lie side by side are fetched once. Its methods may be
// called from many goroutines.
type Shelf struct {
	l     *Ledger
	least int
	most  int64

	mu    sync.Mutex
	packs []*shelved // the one used last at the end
	size  int64      // bytes of those that have been fetched
}

// shelfFiles is how many packs a shelf keeps at the most: each is an open file.
const shelfFiles = 256

// shelved is a pack, and who uses it.
type shelved struct {
	key   string
	fetch func() (*Pack, error) // once
	size  int64                 // bytes, once it has been fetched
	users int
	shut  bool // gone from the shelf: whoever uses it last closes it
}

// Shelf returns a shelf for as many packs as have most bytes together, and for least of them, at least one, whatever their size. There are as
// many more on disk as List has callers at a time.
func (l *Ledger) Shelf(least int, most int64) *Shelf {
	return &Shelf{l: l, least: max(least, 1), most: most}
}

// List calls fn with the list at a place. Errors: those of fn, Ledger.Pack and Pack.List.
func (s *Shelf) List(ctx context.Context, place catalogue.Place, fn func(*catalogue.ListReader) error) error {
	held := s.take(ctx, place.Pack)
	defer s.leave(held)
	pack, err := held.fetch()
	if err != nil {
		s.forget(held)
		return err
	}
	s.weigh(held, pack.Size())
	list, err := pack.List(place)
	if err != nil {
		return err
	}
	return fn(list)
}

func (s *Shelf) take(ctx context.Context, key string) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.packs, func(p *shelved) bool { return p.key == key })
	if i >= 0 {
		held := s.packs[i]
		s.packs = append(slices.Delete(s.packs, i, i+1), held)
		held.users++
		return held
	}
	held := &shelved{key: key, users: 1, fetch: sync.OnceValues(func() (*Pack, error) { return s.l.Pack(ctx, key) })}
	s.packs = append(s.packs, held)
	s.tidy()
	return held
}

// weigh notes the size of a pack that has been fetched.
func (s *Shelf) weigh(held *shelved, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !held.shut && held.size == 0 {
		held.size = size
		s.size += size
		s.tidy()
	}
}

// tidy takes off the shelf what is too much; the caller holds mu.
func (s *Shelf) tidy() {
	for len(s.packs) > s.least && (s.size > s.most || len(s.packs) > shelfFiles) {
		s.shut(s.packs[0])
	}
}

// shut takes a pack off the shelf; the caller holds mu.
func (s *Shelf) shut(held *shelved) {
	s.packs = slices.DeleteFunc(s.packs, func(p *shelved) bool { return p == held })
	s.size -= held.size
	if held.shut = true; held.users == 0 {
		held.close()
	}
}

func (h *shelved) close() {
	if pack, err := h.fetch(); err == nil {
		pack.Close()
	}
}

// forget takes a pack that could not be fetched off the shelf: the next one who asks tries again.
func (s *Shelf) forget(held *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !held.shut {
		s.shut(held)
	}
}

func (s *Shelf) leave(held *shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held.users--; held.users == 0 && held.shut {
		held.close()
	}
}

// Close lets go of all packs, once nobody uses any.
func (s *Shelf) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.packs) > 0 {
		s.shut(s.packs[0])
	}
}
