package dir

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"firn/stages/store"
)

// partNote is one line of an upload's notes: a part that is on the disk or, with size 0, no longer is.
// The last one with a number counts.
type partNote struct {
	Number int    `json:"number"`
	Size   int64  `json:"size"` // bytes
	CRC32C uint32 `json:"crc32c"`
}

const (
	maxNote  = 128           // bytes of a line; each is shorter
	maxNotes = maxNote << 20 // bytes of all that are read: each part once, most of them twice
)

func (n partNote) part() store.Part {
	return store.Part{Number: n.Number, Size: n.Size, ETag: fmt.Sprintf("%08x", n.CRC32C), CRC32C: n.CRC32C, HasCRC32C: true}
}

// saved notes a part whose bytes are written: first they go to the disk, then the note does.
func (u *upload) saved(n partNote) error {
	if err := u.temp.file.Sync(); err != nil {
		return err
	}
	if err := u.note(n); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts[n.Number] = n.part()
	return nil
}

// replaced forgets a part before other bytes are written over it.
func (u *upload) replaced(number int, crc uint32) error {
	u.mu.Lock()
	old, ok := u.parts[number]
	if ok = ok && old.CRC32C != crc; ok {
		delete(u.parts, number)
	}
	u.mu.Unlock()
	if !ok {
		return nil
	}
	return u.note(partNote{Number: number})
}

// note puts a note on the disk. It begins with the end of a line, which one that was cut off lacks.
func (u *upload) note(n partNote) error {
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if _, err := u.notes.Write(append([]byte{'\n'}, line...)); err != nil {
		return err
	}
	return u.notes.Sync()
}

// beginNotes makes the file of an upload's notes, and puts it and the upload's other files on the
// disk: without their names there, no part would be found after a power failure.
func (t *temp) beginNotes() (*os.File, error) {
	f, err := os.OpenFile(t.path(partsExt), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(t.s.path(uploadsDir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ResumeUpload reads an upload's notes. Of each part, it is checked that the file is long enough for
// it; that its bytes are on the disk was made sure before it was noted.
func (s *Store) ResumeUpload(ctx context.Context, key, id string, o store.PutOptions) (store.Upload, []store.Part, error) {
	u, err := s.resume(ctx, key, id, o)
	if err != nil {
		return nil, nil, s.fault("resuming the upload of "+key, err)
	}
	parts := make([]store.Part, 0, len(u.parts))
	for _, p := range u.parts {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b store.Part) int { return a.Number - b.Number })
	if err := s.Limits().CheckListed(parts, o.PartSize); err != nil {
		return nil, nil, errors.Join(s.fault("resuming the upload of "+key, err), u.Close())
	}
	return u, parts, nil
}

func (s *Store) resume(ctx context.Context, key, id string, o store.PutOptions) (*upload, error) {
	if err := cmp.Or(context.Cause(ctx), s.Limits().CheckUpload(key, o)); err != nil {
		return nil, err
	}
	if !isID(id) {
		return nil, fmt.Errorf("%w: %q is no id of this store", store.ErrNoUpload, id)
	}
	t := &temp{s: s, key: key, id: id}
	raw, err := readFile(t.path(infoExt))
	var p pending
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, store.ErrNoUpload
	case err != nil:
		return nil, err
	case json.Unmarshal(raw, &p) != nil || p.Key != key || p.PartSize == 0:
		return nil, fmt.Errorf("%w: %s is not one of this key", store.ErrNoUpload, id)
	case p.PartSize != o.PartSize:
		return nil, fmt.Errorf("%w: of %d bytes, not of %d", store.ErrOtherParts, p.PartSize, o.PartSize)
	}
	u := &upload{temp: t, options: o, limits: s.Limits(), parts: map[int]store.Part{}}
	if t.file, err = openOwn(t.path(dataExt), os.O_RDWR); err == nil {
		u.notes, err = openOwn(t.path(partsExt), os.O_RDWR|os.O_APPEND)
	}
	if err == nil {
		err = u.readNotes()
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// openOwn opens a file of an upload; ErrNoUpload if it is gone, or is no plain file.
func openOwn(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if absent(err) {
		return nil, fmt.Errorf("%w: %w", store.ErrNoUpload, err)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is no plain file", store.ErrNoUpload, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readNotes reads the notes, and skips what a power failure or a full disk cut off. A note of what
// can't be there is dropped.
func (u *upload) readNotes() error {
	info, err := u.temp.file.Stat()
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(io.LimitReader(u.notes, maxNotes), maxNote)
	for err != io.EOF {
		var line []byte
		if line, err = in.ReadSlice('\n'); err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		var n partNote
		if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &n) != nil || n.Number < 1 || n.Number > u.limits.MaxParts {
			continue
		}
		delete(u.parts, n.Number)
		if n.Size > 0 && n.Size <= u.options.PartSize && int64(n.Number-1)*u.options.PartSize+n.Size <= info.Size() {
			u.parts[n.Number] = n.part()
		}
	}
	return nil
}

// Close closes the upload's files and leaves them where they are.
func (u *upload) Close() error {
	var errs []error
	for _, f := range []*os.File{u.temp.file, u.notes} {
		if f != nil {
			if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// isID reports whether an id can be one of this store.
func isID(id string) bool {
	return id != "" && len(id) < maxName-8 && !strings.ContainsAny(id, "./\x00")
}
