package ledger

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"firn/pipeline"
	"firn/stages/format/catalogue"
	"firn/stages/store"
)

// A Fault is an object of the catalogue that could not be read.
type Fault struct {
	Key string
	Err error
}

// readers is how many runs are fetched side by side.
const readers = 8

// Runs returns all runs, in the order in which they were made, and those that could not be read,
// unless a rebuild retired them. The error is one of the store as a whole, or ctx's cause.
func (l *Ledger) Runs(ctx context.Context) (all []catalogue.Run, faults []Fault, err error) {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	var mu sync.Mutex
	paths := map[string]string{}
	err = l.Store.List(ctx, Dir(l.Prefix)+runs, func(o store.Object) error {
		if !l.Has(o.Key) || !IsRun(o.Key) {
			return nil
		}
		group.Go(func() error {
			run, err := l.run(inner, o.Key)
			if inner.Err() != nil || pipeline.IsFatal(err) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				faults = append(faults, Fault{Key: o.Key, Err: err})
			} else {
				for i, l := range run.Left { // most runs leave out the same
					run.Left[i].Path = cmp.Or(paths[l.Path], l.Path)
					paths[l.Path] = run.Left[i].Path
				}
				all = append(all, run)
			}
			return nil
		})
		return nil
	})
	if err = errors.Join(err, group.Wait()); err != nil {
		return nil, nil, fmt.Errorf("reading the catalogue: %w", err)
	}
	slices.SortFunc(all, func(a, b catalogue.Run) int { return StepOf(a).compare(StepOf(b)) })
	retired := Retired(all)
	faults = slices.DeleteFunc(faults, func(f Fault) bool { return retired[f.Key] })
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Key, b.Key) })
	return all, faults, nil
}

// Retired are the keys of the parts of the catalogue that a rebuild took the place of.
func Retired(all []catalogue.Run) map[string]bool {
	keys := map[string]bool{}
	for _, run := range all {
		for _, key := range run.Retired {
			keys[key] = true
		}
	}
	return keys
}

// Run returns the run with an id. Errors: those of Pack.
func (l *Ledger) Run(ctx context.Context, id string) (catalogue.Run, error) {
	return l.run(ctx, l.RunKey(id))
}

func (l *Ledger) run(ctx context.Context, key string) (catalogue.Run, error) {
	u, err := l.open(ctx, key)
	if err != nil {
		return catalogue.Run{}, err
	}
	defer u.Close()
	run, err := catalogue.ReadRun(u.reader())
	if err == nil && l.RunKey(run.ID) != key {
		err = fmt.Errorf("%w: %s holds run %s", ErrDamaged, key, run.ID)
	}
	run.HMAC, run.Keyfile = u.mac, slices.Index(l.Keys.Passphrases(), u.pass)
	return run, err
}

// Subtrees calls fn for every line of a run's manifest. An error of fn ends it and is returned as
// it is; any other says which volume could not be read: those before it have been given to fn.
func (l *Ledger) Subtrees(ctx context.Context, run catalogue.Run, fn func(catalogue.Subtree) error) error {
	for i := range run.Manifest {
		if err := l.Volume(ctx, run, i, fn); err != nil {
			return err
		}
	}
	return nil
}

// Volume is Subtrees for one volume of the manifest, by its place in run.Manifest.
func (l *Ledger) Volume(ctx context.Context, run catalogue.Run, i int, fn func(catalogue.Subtree) error) error {
	key := run.Manifest[i]
	u, err := l.open(ctx, key)
	if err != nil {
		return err
	}
	defer u.Close()
	m, err := catalogue.OpenManifest(u.reader(), run.ID, i+1)
	if err != nil {
		return fmt.Errorf("reading %s: %w", key, err)
	}
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s, err := m.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", key, err)
		}
		if err := fn(s); err != nil {
			return err
		}
	}
}

// A Pack is lists of entries, fetched and verified. The last list ends at its Size; Close removes
// its scratch file.
type Pack struct{ *scratch }

// Pack fetches a pack. The caller closes it. Errors: store.ErrNotFound, store.ErrCold,
// encryption.ErrOtherKey, ErrDamaged.
func (l *Ledger) Pack(ctx context.Context, key string) (*Pack, error) {
	s, err := l.open(ctx, key)
	if err != nil {
		return nil, err
	}
	return &Pack{s}, nil
}

// List opens the list of an archive at a place in this pack. A place that does not hold just that
// list is catalogue.ErrFormat or ErrCutShort, at the latest from Next in place of io.EOF. Many lists
// may be read at once.
func (p *Pack) List(place catalogue.Place, of catalogue.Owner) (*catalogue.ListReader, error) {
	if place.Offset < 0 || place.Length < 0 || place.Offset+place.Length > p.size {
		return nil, fmt.Errorf("%w: a list of %d bytes at byte %d of %s, which has %d", catalogue.ErrFormat, place.Length, place.Offset, p.key, p.size)
	}
	list, err := catalogue.OpenListOf(io.NewSectionReader(p.file, place.Offset, place.Length), of)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p.key, err)
	}
	return list, nil
}

// A PackedList is a list that is read in the order of its pack.
type PackedList struct {
	*catalogue.ListReader
	start catalogue.Place // without its Length
	at    func() int64    // how far the pack was read
}

// Start is where the list begins; its Length is not known yet.
func (l PackedList) Start() catalogue.Place { return l.start }

// Place is where the list is, once Next has returned io.EOF.
func (l PackedList) Place() catalogue.Place {
	place := l.start
	place.Length = l.at() - place.Offset
	return place
}

// Lists calls fn for every list in the pack, in order. fn need not read its list to the end. An
// error of fn ends it and is returned as it is.
func (p *Pack) Lists(fn func(PackedList) error) error {
	section := p.reader()
	buffered := bufio.NewReaderSize(section, copySize) // gzip reads no further than the end of a member from an io.ByteReader
	at := func() int64 {
		read, _ := section.Seek(0, io.SeekCurrent) // never fails
		return read - int64(buffered.Buffered())
	}
	for {
		start := at()
		if start >= p.size {
			return nil
		}
		list, err := catalogue.OpenList(buffered)
		if err != nil {
			return fmt.Errorf("reading %s from byte %d on: %w", p.key, start, err)
		}
		if err := fn(PackedList{list, catalogue.Place{Pack: p.key, Offset: start}, at}); err != nil {
			return err
		}
		for err == nil {
			_, err = list.Next()
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading %s from byte %d on: %w", p.key, start, err)
		}
	}
}
