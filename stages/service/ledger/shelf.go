package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/store"
)

// A Shelf caches the packs that were used last, and the errors of those that can't be read. Its
// methods may be called from many goroutines.
type Shelf struct {
	l     *Ledger
	least int
	most  int64

	mu    sync.Mutex
	packs []*shelved // the one used last at the end
	size  int64      // bytes of those that have been fetched
}

// shelfFiles bounds the packs on a shelf: each is an open file.
const shelfFiles = 256

// shelved is a pack and its users.
type shelved struct {
	shelf   *Shelf
	key     string
	fetch   func() (*Pack, error) // once
	size    int64                 // bytes, once it has been fetched
	users   int
	removed bool // from the shelf: its last user closes it
}

// Shelf returns a shelf for packs of most bytes in all, but for at least least packs, and one,
// whatever their size. A pack that has no room stays on disk until it is released.
func (l *Ledger) Shelf(least int, most int64) *Shelf {
	return &Shelf{l: l, least: max(least, 1), most: most}
}

// A ShelvedList is a list that is being read. Release must be called once.
type ShelvedList struct {
	*catalogue.ListReader
	pack *shelved
}

// Open opens the list of an archive at a place. Errors: those of Ledger.Pack and Pack.List.
func (s *Shelf) Open(ctx context.Context, place catalogue.Place, of catalogue.Owner) (ShelvedList, error) {
	p := s.take(ctx, place.Pack)
	pack, err := p.fetch()
	if err != nil {
		p.release(!permanent(err)) // the next caller tries again
		return ShelvedList{}, err
	}
	s.weigh(p, pack.Size())
	list, err := pack.List(place, of)
	if err != nil {
		p.release(false)
		return ShelvedList{}, err
	}
	return ShelvedList{list, p}, nil
}

// permanent reports whether fetching a pack again would give the same error.
func permanent(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCold) ||
		errors.Is(err, encryption.ErrOtherKey) || errors.Is(err, ErrDamaged)
}

// Release ends the reading of the list.
func (l ShelvedList) Release() { l.pack.release(false) }

// List calls fn with the list of an archive at a place. Errors: those of fn and of Open.
func (s *Shelf) List(ctx context.Context, place catalogue.Place, of catalogue.Owner, fn func(*catalogue.ListReader) error) error {
	list, err := s.Open(ctx, place, of)
	if err != nil {
		return err
	}
	defer list.Release()
	return fn(list.ListReader)
}

func (s *Shelf) take(ctx context.Context, key string) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.packs, func(p *shelved) bool { return p.key == key }); i >= 0 {
		p := s.packs[i]
		s.packs = append(slices.Delete(s.packs, i, i+1), p)
		p.users++
		return p
	}
	p := &shelved{shelf: s, key: key, users: 1, fetch: sync.OnceValues(func() (*Pack, error) { return s.l.Pack(ctx, key) })}
	s.packs = append(s.packs, p)
	s.trim()
	return p
}

// weigh records the size of a pack that has been fetched.
func (s *Shelf) weigh(p *shelved, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.removed && p.size == 0 {
		p.size = size
		s.size += size
		s.trim()
	}
}

// trim removes the packs that have no room; the caller holds mu.
func (s *Shelf) trim() {
	for len(s.packs) > s.least && (s.size > s.most || len(s.packs) > shelfFiles) {
		s.remove(s.packs[0])
	}
}

// remove removes a pack; the caller holds mu.
func (s *Shelf) remove(p *shelved) {
	if p.removed {
		return
	}
	s.packs = slices.DeleteFunc(s.packs, func(o *shelved) bool { return o == p })
	s.size -= p.size
	p.removed = true
	p.closeUnused()
}

// release ends a use; forget removes the pack from the shelf.
func (p *shelved) release(forget bool) {
	p.shelf.mu.Lock()
	defer p.shelf.mu.Unlock()
	p.users--
	if forget {
		p.shelf.remove(p)
	}
	p.closeUnused()
}

// closeUnused closes a pack that was removed and has no user; the caller holds mu.
func (p *shelved) closeUnused() {
	if !p.removed || p.users > 0 {
		return
	}
	if pack, err := p.fetch(); err == nil {
		pack.Close()
	}
}

// Close closes all packs; none may be in use.
func (s *Shelf) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.packs) > 0 {
		s.remove(s.packs[0])
	}
}
