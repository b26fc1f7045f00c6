package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"firn/stages/store"
)

// Head reads an object's JSON file.
func (s *Store) Head(ctx context.Context, key, version string) (store.Object, error) {
	f, err := s.findFor(ctx, "reading the metadata of", key, version, true)
	if err != nil {
		return store.Object{}, err
	}
	return f.object(), nil
}

// KeepsVersions is false.
func (s *Store) KeepsVersions(ctx context.Context) (bool, error) { return false, context.Cause(ctx) }

// Thaw has nothing to do: whatever class an object was given, its file can be read at once.
func (s *Store) Thaw(ctx context.Context, key, version string, _ store.Tier, _ int) (store.ThawResult, error) {
	_, err := s.findFor(ctx, "thawing", key, version, false)
	return store.ThawNotCold, err
}

func (s *Store) findFor(ctx context.Context, doing, key, version string, sure bool) (f found, err error) {
	if err = context.Cause(ctx); err == nil {
		f, err = s.find(key, sure)
	}
	if err == nil && version != "" {
		err = fmt.Errorf("%w: version %s (a directory keeps no versions)", store.ErrNotFound, version)
	}
	if err != nil {
		return found{}, s.fault(doing+" "+key, err)
	}
	return f, nil
}

// Get opens an object's file. While it is open, a new object under the key does not change it.
func (s *Store) Get(ctx context.Context, key string, o store.GetOptions) (io.ReadCloser, error) {
	f, size, err := s.open(ctx, key, o)
	if err != nil {
		return nil, err
	}
	if o.Offset < 0 || o.Offset > 0 && o.Offset >= size {
		err = fmt.Errorf("a range from byte %d is outside its %d bytes", o.Offset, size)
		return nil, errors.Join(s.fault("reading "+key, err), f.Close())
	}
	length := size - o.Offset
	if o.Length > 0 {
		length = min(length, o.Length)
	}
	return &reader{ctx: ctx, file: f, traffic: s.traffic, offset: o.Offset, left: length}, nil
}

// open opens the file of the object that is asked for, and returns its size.
func (s *Store) open(ctx context.Context, key string, o store.GetOptions) (_ *os.File, size int64, err error) {
	for sure := false; ; {
		found, err := s.findFor(ctx, "reading", key, o.Version, sure)
		if err != nil {
			return nil, 0, err
		}
		f, err := os.Open(s.path(found.data))
		if err != nil {
			return nil, 0, s.fault("reading "+key, err)
		}
		info, err := f.Stat()
		switch {
		case err != nil:
		case info.Size() != found.info.Size() || !info.ModTime().Equal(found.info.ModTime()):
			// It was replaced between the two looks: look again.
		case o.ETag == "" || o.ETag == found.object().ETag:
			return f, info.Size(), nil
		case sure || found.desc == nil || found.desc.fits(info):
			err = store.ErrChanged
		default:
			sure = true // its description was taken on its size alone
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, 0, s.fault("reading "+key, err)
		}
	}
}

// reader reads a range of a file. A file that has lost its end is io.ErrUnexpectedEOF.
type reader struct {
	ctx          context.Context
	file         *os.File
	traffic      *store.Traffic
	offset, left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.file.ReadAt(p, r.offset)
	r.offset, r.left = r.offset+int64(n), r.left-int64(n)
	r.traffic.Receive(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = io.ErrUnexpectedEOF
	case err == io.EOF:
		err = nil
	}
	return n, err
}

func (r *reader) Close() error { return r.file.Close() }

// List goes through the folders in the order of keys and merges in the few objects at odd places.
// (Where a file system folds names, a key may come where the folded one sorts.)
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	odd, err := s.oddObjects(ctx, prefix)
	if err != nil {
		return err
	}
	last := ""
	emit := func(o store.Object) error {
		if o.Key == last || !strings.HasPrefix(o.Key, prefix) {
			return nil
		}
		last = o.Key
		return fn(o)
	}
	err = s.walk(ctx, "", strings.ToLower(prefix), func(o store.Object) error {
		for len(odd) > 0 && odd[0].Key < o.Key {
			if err := emit(odd[0]); err != nil {
				return err
			}
			odd = odd[1:]
		}
		return emit(o)
	})
	for ; err == nil && len(odd) > 0; odd = odd[1:] {
		err = emit(odd[0])
	}
	return err
}

// walk calls fn for the objects at plain places in folder ("" or with a slash at its end) and
// below. It ignores case in prefix; fn decides by the key. Folders too deep for any key are not
// entered, nor are links.
func (s *Store) walk(ctx context.Context, folder, prefix string, fn func(store.Object) error) error {
	names, err := s.names(ctx, folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		key := folder + name
		folded := strings.ToLower(key)
		isFolder := strings.HasSuffix(name, "/")
		if folder == "" && strings.EqualFold(name, privateDir+"/") || !utf8.ValidString(name) {
			continue
		}
		if isFolder && len(key) < store.MaxKey && (strings.HasPrefix(folded, prefix) || strings.HasPrefix(prefix, folded)) {
			if err := s.walk(ctx, key, prefix, fn); err != nil {
				return err
			}
		}
		p, ok := plainPlace(key)
		if isFolder || !ok || len(key) > store.MaxKey || !strings.HasPrefix(folded, prefix) {
			continue
		}
		if err := s.listed(p, key, fn); err != nil {
			return err
		}
	}
	return nil
}

// names are the names in a folder, folders with a slash after them, in the order of keys.
func (s *Store) names(ctx context.Context, folder string) ([]string, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.URL(), err)
	}
	entries, err := os.ReadDir(s.path(folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, s.fault("listing "+folder, err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.IsDir():
			names = append(names, e.Name()+"/")
		case e.Type().IsRegular() && !isSidecar(e.Name()):
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// listed calls fn for the object at p, unless it has gone in the meantime, or was moved there with
// the description of another object.
func (s *Store) listed(p place, key string, fn func(store.Object) error) error {
	f, err := s.look(p, false)
	if absent(err) {
		return nil
	}
	if err != nil {
		return s.fault("listing "+key, err)
	}
	f.key = key
	if f.desc != nil && f.desc.Key != key {
		if key != "" && !s.folds(f.desc.Key, key, f.info) {
			return nil
		}
		f.key = f.desc.Key
	}
	o := f.object()
	o.Meta, o.CRC32C, o.HasCRC32C = nil, 0, false
	if f.desc != nil && !f.desc.fits(f.info) {
		o.ETag = "" // only its size was compared: Head compares its bytes
	}
	return fn(o)
}

// folds reports whether a file that is found under the name of another key is that of its own key:
// a file system that folds names may have changed how it is written.
func (s *Store) folds(key, other string, file fs.FileInfo) bool {
	if strings.EqualFold(key, other) {
		return true
	}
	p, ok := plainPlace(key)
	if !ok {
		return false
	}
	own, err := os.Lstat(s.path(p.data))
	return err == nil && os.SameFile(own, file)
}

// oddObjects are the objects at odd places, in the order of their keys.
func (s *Store) oddObjects(ctx context.Context, prefix string) ([]store.Object, error) {
	names, err := s.names(ctx, oddDir)
	if err != nil {
		return nil, err
	}
	var objects []store.Object
	for _, name := range names {
		p := placeAt(oddDir + "/" + name)
		err := s.listed(p, "", func(o store.Object) error {
			if o.Key != "" && strings.HasPrefix(o.Key, prefix) && oddPlace(o.Key) == p {
				objects = append(objects, o)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(objects, func(a, b store.Object) int { return strings.Compare(a.Key, b.Key) })
	return objects, nil
}
