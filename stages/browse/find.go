package browse

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// MaxFound is how many versions of entries Find returns at the most.
const MaxFound = 1_000_000

// A Version is one state of an entry: path, type, size, time, mode and target.
type Version struct {
	Path        string // as in keys
	Entry       catalogue.Entry
	Archive     Archive // the newest that it is in
	First, Last int     // the runs in which it was there first and last: indexes into those that were given to Find
	Runs        int     // in how many it was there
}

// Found is what Find found.
type Found struct {
	Versions []Version // in the order of their paths, the newest first
	Lists    int       // how many lists were searched
	More     bool      // there are more than MaxFound: Versions are those found first
}

// Find looks for the entries that picks name, in all of the runs, which are in the order of
// Ledger.Runs. Errors are those of Entries. It fetches each pack, and reads each list, once.
func (c *Catalogue) Find(ctx context.Context, runs []catalogue.Run, picks pick.Picks) (Found, error) {
	s := &search{
		c: c, runs: runs, picks: picks, packs: map[string]uint32{}, refs: map[spot]span{},
		unlisted: map[object]unlisted{}, borrowed: map[spot]Archive{}, found: map[catalogue.Entry]*hit{},
	}
	for _, step := range []func(context.Context) error{s.refer, s.borrow, s.searchAll, s.resolve} {
		if err := step(ctx); err != nil {
			return Found{}, err
		}
	}
	return s.result(), nil
}

// search is one call of Find.
type search struct {
	c     *Catalogue
	runs  []catalogue.Run
	picks pick.Picks

	mu       sync.Mutex
	packs    map[string]uint32        // number of each pack
	refs     map[spot]span            // lists that may hold a match
	unlisted map[object]unlisted      // that some run has no list of
	borrowed map[spot]Archive         // of lists that stand in for such
	found    map[catalogue.Entry]*hit // by the entry with its full path, without owner and attributes
	lists    int
	lost     []loss // lists that could not be read
	more     bool
}

// A spot is where the list of an archive is.
type spot struct {
	pack   uint32
	offset int64
	of     catalogue.Owner
}

// spotOf returns the spot of a line that has a list.
func (s *search) spotOf(t *catalogue.Subtree) spot {
	return spot{s.packs[t.List.Pack], t.List.Offset, t.Owner()}
}

type loss struct {
	at  spot
	err error
}

// A span says which runs refer to a list.
type span struct {
	first, last, runs uint32
	length            int64 // of the list, in bytes
}

// A hit is a version that was found.
type hit struct {
	entry   catalogue.Entry
	span    span
	newest  spot // the list of the last run in which it was there
	archive Archive
}

// readers is how many manifests are read side by side.
const readers = 4

// eachRun reads the manifests of the runs in which, nil for all, side by side, and calls fn for one
// subtree at a time.
func (s *search) eachRun(ctx context.Context, which map[int]bool, fault func(Fault), fn func(run int, t *catalogue.Subtree)) error {
	locked := func(f Fault) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fault(f)
	}
	c := &Catalogue{Ledger: s.c.Ledger, Fault: locked}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, run := range s.runs {
		if which != nil && !which[i] {
			continue
		}
		group.Go(func() error {
			return c.Subtrees(ctx, run, func(t catalogue.Subtree) error {
				if s.picks.MayHave(t.Path) {
					s.mu.Lock()
					defer s.mu.Unlock()
					fn(i, &t)
				}
				return nil
			})
		})
	}
	return group.Wait()
}

// ignore is for manifests that are read again: their faults have been reported.
func ignore(Fault) {}

// refer finds out which lists may hold a match, and which runs refer to them.
func (s *search) refer(ctx context.Context) error {
	return s.eachRun(ctx, nil, s.c.Fault, func(run int, t *catalogue.Subtree) {
		own := span{first: uint32(run), last: uint32(run), runs: 1}
		if t.List == nil {
			if t.HasObject() {
				s.unlisted[objectOf(t)] = unlisted{archiveOf(*t), s.unlisted[objectOf(t)].span.with(own)}
			}
			return
		}
		if _, ok := s.packs[t.List.Pack]; !ok {
			s.packs[t.List.Pack] = uint32(len(s.packs))
		}
		at := s.spotOf(t)
		own.length = t.List.Length
		s.refs[at] = s.refs[at].with(own)
	})
}

// An object is an archive as runs list it, with its content.
type object struct{ key, version, md5 string }

func objectOf(t *catalogue.Subtree) object { return object{t.Key, t.Version, t.MD5} }

// unlisted is an object, and the runs that have no list of it.
type unlisted struct {
	archive Archive
	span    span
}

// borrow takes another run's list for an object that some run has no list of, because that run's
// catalogue was rebuilt without the content.
func (s *search) borrow(ctx context.Context) error {
	if len(s.unlisted) == 0 {
		return nil
	}
	return s.eachRun(ctx, nil, ignore, func(_ int, t *catalogue.Subtree) {
		if t.List == nil || t.MD5 == "" {
			return
		}
		u, ok := s.unlisted[objectOf(t)]
		at := s.spotOf(t)
		if ref, known := s.refs[at]; ok && known {
			s.refs[at], s.borrowed[at] = ref.with(u.span), archiveOf(*t)
			delete(s.unlisted, objectOf(t))
		}
	})
}

// with is both spans together; the length is a's, if a is not zero.
func (a span) with(b span) span {
	if a.runs == 0 {
		return b
	}
	a.first, a.last, a.runs = min(a.first, b.first), max(a.last, b.last), a.runs+b.runs
	return a
}

// searchAll goes from pack to pack.
func (s *search) searchAll(ctx context.Context) error {
	spots := make(map[uint32][]spot, len(s.packs))
	for at := range s.refs {
		spots[at.pack] = append(spots[at.pack], at)
	}
	for _, key := range slices.Sorted(maps.Keys(s.packs)) {
		if err := s.searchPack(ctx, key, spots[s.packs[key]]); err != nil {
			return err
		}
		delete(spots, s.packs[key])
	}
	return nil
}

func (s *search) searchPack(ctx context.Context, key string, spots []spot) error {
	pack, err := s.c.Ledger.Pack(ctx, key)
	if err != nil {
		return s.lose(ctx, err, spots...)
	}
	defer pack.Close()
	slices.SortFunc(spots, func(a, b spot) int { return cmp.Compare(a.offset, b.offset) })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, at := range spots {
		group.Go(func() error {
			if err := s.searchList(ctx, pack, key, at); err != nil {
				return s.lose(ctx, err, at)
			}
			return nil
		})
	}
	return group.Wait()
}

// lose records lists that could not be read, and why, unless that ends the search.
func (s *search) lose(ctx context.Context, err error, spots ...spot) error {
	if end := ending(ctx, err); end != nil {
		return end
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range spots {
		s.lost = append(s.lost, loss{at, err})
	}
	return nil
}

func (s *search) searchList(ctx context.Context, pack *ledger.Pack, key string, at spot) error {
	ref := s.refs[at]
	list, err := pack.List(catalogue.Place{Pack: key, Offset: at.offset, Length: ref.length}, at.of)
	if err != nil {
		return err
	}
	paths := treepath.MembersOf(list.Head.Path)
	for n := 1; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			s.mu.Lock()
			s.lists++
			s.mu.Unlock()
			return nil
		}
		if err != nil {
			return err
		}
		if full := paths.Path(e.Path); s.picks.Names(full) {
			e.Path = full
			if e.Type == catalogue.Hardlink {
				e.Target = paths.Path(e.Target)
			}
			s.hit(e, at, ref)
		}
	}
}

// hit records a match. The same state of an entry may be in many archives; the newest counts.
func (s *search) hit(e catalogue.Entry, at spot, ref span) {
	key := e
	key.UID, key.GID, key.Attrs, key.ModTime = 0, 0, false, e.ModTime.UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.found[key]
	if !ok {
		if len(s.found) == MaxFound {
			s.more = true
			return
		}
		s.found[key] = &hit{entry: e, span: ref, newest: at}
		return
	}
	if ref.last > h.span.last {
		h.entry, h.newest = e, at
	}
	h.span = h.span.with(ref)
}

// resolve reads some manifests again for the archives of what was found, and of what was lost.
func (s *search) resolve(ctx context.Context) error {
	wanted := map[spot]*Archive{}
	runs := map[int]bool{}
	want := func(at spot) {
		if wanted[at] == nil {
			wanted[at] = new(Archive)
			runs[int(s.refs[at].last)] = true
		}
	}
	for _, h := range s.found {
		want(h.newest)
	}
	for _, l := range s.lost {
		want(l.at)
	}
	err := s.eachRun(ctx, runs, ignore, func(run int, t *catalogue.Subtree) {
		if t.List == nil {
			return
		}
		at := s.spotOf(t)
		if a := wanted[at]; a != nil && s.refs[at].last == uint32(run) {
			*a = archiveOf(*t)
		}
	})
	if err != nil {
		return err
	}
	for at, a := range wanted {
		if *a == (Archive{}) { // its last run has no list of it
			*a = s.borrowed[at]
		}
	}
	for _, h := range s.found {
		h.archive = *wanted[h.newest]
	}
	for _, l := range s.lost {
		s.c.Fault(Fault{Archive: *wanted[l.at], Err: l.err})
	}
	archives := map[Archive]bool{}
	for _, u := range s.unlisted {
		archives[u.archive] = true
	}
	for _, a := range slices.SortedFunc(maps.Keys(archives), func(a, b Archive) int {
		return cmp.Or(treepath.Compare(a.Path, b.Path), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version))
	}) {
		s.c.Fault(Fault{Archive: a, Err: ErrNoList})
	}
	return nil
}

func (s *search) result() Found {
	f := Found{Versions: make([]Version, 0, len(s.found)), Lists: s.lists, More: s.more}
	for _, h := range s.found {
		f.Versions = append(f.Versions, Version{
			Path: h.entry.Path, Entry: h.entry, Archive: h.archive,
			First: int(h.span.first), Last: int(h.span.last), Runs: int(h.span.runs),
		})
	}
	slices.SortFunc(f.Versions, func(a, b Version) int {
		return cmp.Or(treepath.Compare(a.Path, b.Path), cmp.Compare(b.Last, a.Last), cmp.Compare(b.First, a.First), b.Entry.ModTime.Compare(a.Entry.ModTime),
			cmp.Compare(a.Entry.Size, b.Entry.Size), cmp.Compare(a.Entry.Mode, b.Entry.Mode), cmp.Compare(a.Entry.Type, b.Entry.Type), cmp.Compare(a.Entry.Target, b.Entry.Target))
	})
	return f
}
