package dir

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"firn/stages/store"
)

// upload is a multipart upload: parts are written to their offsets in one file.
type upload struct {
	temp    *temp
	notes   *os.File // of stored parts
	options store.PutOptions
	limits  store.Limits

	mu    sync.Mutex
	parts map[int]store.Part
}

// CreateUpload begins a file in the uploads folder.
func (s *Store) CreateUpload(ctx context.Context, key string, o store.PutOptions) (store.Upload, error) {
	err := cmp.Or(context.Cause(ctx), s.Limits().CheckUpload(key, o))
	if err == nil {
		err = s.prepare()
	}
	if err != nil {
		return nil, fmt.Errorf("storing %s: %w", key, err)
	}
	t, err := s.begin(key, o.PartSize)
	if err != nil {
		return nil, err
	}
	notes, err := t.beginNotes()
	if err != nil {
		return nil, errors.Join(s.fault("beginning to store "+key, err), t.remove())
	}
	return &upload{temp: t, notes: notes, options: o, limits: s.Limits(), parts: map[int]store.Part{}}, nil
}

func (u *upload) ID() string { return u.temp.id }

func (u *upload) Part(ctx context.Context, number int, body []byte, crc32c uint32) (_ store.Part, err error) {
	err = cmp.Or(u.limits.CheckPart(number, body, u.options.PartSize), store.CheckSum(body, crc32c), u.temp.gone())
	if err != nil {
		return store.Part{}, fmt.Errorf("storing part %d of %s: %w", number, u.temp.key, err)
	}
	noting := func(err error) error {
		return u.temp.s.fault(fmt.Sprintf("noting part %d of %s", number, u.temp.key), errors.Join(u.temp.gone(), err))
	}
	if err := u.replaced(number, crc32c); err != nil {
		return store.Part{}, noting(err)
	}
	try := u.temp.s.traffic.Try(ctx)
	defer func() { try.End(err == nil) }()
	if err := u.temp.write(ctx, try, body, int64(number-1)*u.options.PartSize); err != nil {
		return store.Part{}, err
	}
	note := partNote{Number: number, Size: int64(len(body)), CRC32C: crc32c}
	if err := u.saved(note); err != nil {
		return store.Part{}, noting(err)
	}
	return note.part(), nil
}

func (u *upload) Complete(ctx context.Context, parts []store.Part, crc32c uint32) (store.Object, error) {
	sorted, size, err := store.CheckParts(parts, u.options.PartSize, crc32c)
	err = cmp.Or(context.Cause(ctx), err, u.temp.gone())
	if err != nil {
		return store.Object{}, fmt.Errorf("completing %s: %w", u.temp.key, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range sorted {
		if p.HasCRC32C = true; u.parts[p.Number] != p {
			return store.Object{}, fmt.Errorf("completing %s: part %d is not the one that was stored", u.temp.key, p.Number)
		}
	}
	if err := u.temp.file.Truncate(size); err != nil { // a longer attempt may have left more
		return store.Object{}, u.temp.s.fault("completing "+u.temp.key, err)
	}
	o, err := u.temp.commit(ctx, size, crc32c, u.options)
	if err == nil {
		_ = u.Close() // all is on the disk
	}
	return o, err
}

func (u *upload) Abort(context.Context) error { return errors.Join(u.Close(), u.temp.remove()) }

// strayAge is how old a file without a description must be to count as a dead run's: a live run's
// lacks one for a moment only.
const strayAge = time.Hour

// Uploads finds what is in the uploads folder, the unfinished files of Put too. Files that a crash
// left without a description have no key, and are found under any prefix.
func (s *Store) Uploads(ctx context.Context, prefix string, fn func(store.PendingUpload) error) error {
	entries, err := os.ReadDir(s.path(uploadsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.fault("looking for unfinished uploads", err)
	}
	if len(entries) == 0 {
		return nil
	}
	now := s.clock()
	last := ""
	for _, e := range entries { // sorted by name: the files of one upload follow each other
		id, _, _ := strings.Cut(e.Name(), ".")
		if id == last {
			continue
		}
		last = id
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("looking for unfinished uploads in %s: %w", s.URL(), err)
		}
		p, ok := s.pendingUpload(id, e, now)
		if !ok || p.Key != "" && !strings.HasPrefix(p.Key, prefix) {
			continue
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// clock is the time of the file system, which gives the uploads theirs and may be another machine's;
// this machine's on a disk that is full.
func (s *Store) clock() time.Time {
	f, err := os.CreateTemp(s.path(uploadsDir), "clock-*"+dataExt)
	if err != nil {
		return time.Now()
	}
	info, err := f.Stat()
	_ = errors.Join(f.Close(), os.Remove(f.Name())) // what is left is found as any stray file
	if err != nil {
		return time.Now()
	}
	return info.ModTime()
}

func (s *Store) pendingUpload(id string, e fs.DirEntry, now time.Time) (store.PendingUpload, bool) {
	path := s.path(uploadsDir + "/" + id + infoExt)
	raw, err := readFile(path)
	var p pending
	if err == nil && json.Unmarshal(raw, &p) == nil && p.Key != "" {
		if info, err := os.Stat(path); err == nil {
			return store.PendingUpload{Key: p.Key, ID: id, Age: max(now.Sub(info.ModTime()), 0)}, true
		}
	}
	info, err := e.Info()
	if err != nil || now.Sub(info.ModTime()) < strayAge {
		return store.PendingUpload{}, false
	}
	return store.PendingUpload{ID: id, Age: max(now.Sub(info.ModTime()), 0)}, true
}

// AbortUpload removes an unfinished file.
func (s *Store) AbortUpload(ctx context.Context, key, id string) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("dropping the unfinished upload of %s: %w", key, err)
	}
	if !isID(id) {
		return fmt.Errorf("dropping the unfinished upload of %s: %q is no id of this store", key, id)
	}
	return s.removeTemp(id)
}
