package dir

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"firn/pipeline"
	"firn/stages/store"
)

// Put writes an object: first to a private file, then to its place.
func (s *Store) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	err := cmp.Or(context.Cause(ctx), store.CheckPut(key, o), store.CheckSum(body, o.CRC32C))
	if err == nil {
		err = s.prepare()
	}
	if err != nil {
		return store.Object{}, fmt.Errorf("storing %s: %w", key, err)
	}
	t, err := s.begin(key, 0)
	if err != nil {
		return store.Object{}, err
	}
	var object store.Object
	try := s.traffic.Try(ctx)
	if err = t.write(ctx, try, body, 0); err == nil {
		object, err = t.commit(ctx, int64(len(body)), o.CRC32C, o)
	}
	try.End(err == nil)
	if err != nil {
		return store.Object{}, errors.Join(err, t.remove())
	}
	return object, nil
}

// pending describes an unfinished file: its JSON form is beside the file while that is written.
type pending struct {
	Key       string    `json:"key"`
	Initiated time.Time `json:"initiated"`
	PartSize  int64     `json:"part_size,omitempty"` // bytes; 0: of a Put, which can't be resumed
}

// A temp is an object's file on its way. In the uploads folder it is ID.json (what it is to become;
// made first, never written again, and removed last), ID.data (its bytes), ID.meta (its sidecar) and,
// of an upload, ID.parts (its parts that are on the disk, one a line).
type temp struct {
	s    *Store
	id   string
	key  string
	file *os.File
}

const (
	infoExt  = ".json"
	dataExt  = ".data"
	metaExt  = ".meta"
	partsExt = ".parts"
)

func (s *Store) begin(key string, partSize int64) (*temp, error) {
	now := time.Now().UTC()
	t := &temp{s: s, key: key, id: now.Format("20060102T150405Z-") + strings.ToLower(rand.Text()[:16])}
	err := writeFile(t.path(infoExt), pending{Key: key, Initiated: now, PartSize: partSize}, partSize > 0)
	if err == nil {
		t.file, err = os.OpenFile(t.path(dataExt), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, pipeline.Fatal(fmt.Errorf("storing %s: the store %s is gone: mount its disk again and start the run again", key, s.URL()))
	}
	if err != nil {
		return nil, errors.Join(s.fault("beginning to store "+key, err), t.remove())
	}
	return t, nil
}

func (t *temp) path(ext string) string { return t.s.path(uploadsDir + "/" + t.id + ext) }

// write writes body at offset, in strides short enough for a cancelled context to be noticed soon.
func (t *temp) write(ctx context.Context, try *store.Try, body []byte, offset int64) error {
	const stride = 1 << 20
	for len(body) > 0 {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("storing %s: %w", t.key, err)
		}
		n := min(len(body), stride)
		if _, err := t.file.WriteAt(body[:n], offset); err != nil {
			return t.s.fault("writing "+t.key, err)
		}
		try.Sent(n)
		body, offset = body[n:], offset+int64(n)
	}
	return nil
}

// commit puts the written file on the disk and in its place, where it is seen from then on.
func (t *temp) commit(ctx context.Context, size int64, crc uint32, o store.PutOptions) (store.Object, error) {
	d := description{
		Key: t.key, Size: size, CRC32C: crc, Class: cmp.Or(o.Class, store.ClassStandard), Saved: time.Now().UTC(), Meta: maps.Clone(o.Meta),
	}
	d.MTime = d.Saved.Unix() &^ 1
	if err := t.stamp(d.MTime); err != nil {
		return store.Object{}, t.s.fault("writing "+t.key, err)
	}
	if err := context.Cause(ctx); err != nil {
		return store.Object{}, fmt.Errorf("storing %s: %w", t.key, err)
	}
	if err := t.install(d, o); err != nil {
		err = errors.Join(t.gone(), err)
		return store.Object{}, t.s.fault("putting "+t.key+" in its place", err)
	}
	_ = t.remove() // the object is saved; what can't be dropped is found by Uploads
	return d.object(), nil
}

// gone returns ErrNoUpload if somebody has removed the file's description.
func (t *temp) gone() error {
	if _, err := os.Lstat(t.path(infoExt)); errors.Is(err, fs.ErrNotExist) {
		return store.ErrNoUpload
	}
	return nil
}

// install chooses the place and renames the files to it. An object stays where it is; a new one
// goes to its plain place, if the file system has one for it. Errors: store.ErrExists if it must be
// new and is not, store.ErrReplaced if it would replace another than it may.
func (t *temp) install(d description, o store.PutOptions) error {
	unlock, err := t.s.lock(t.key)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := t.s.find(t.key, o.Replaces != "")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && o.New {
		return store.ErrExists
	}
	if o.Replaces != "" && (err != nil || old.object().ETag != o.Replaces) {
		return store.ErrReplaced
	}
	plain, ok := plainPlace(t.key)
	isOdd := err == nil && old.place != plain
	if ok && !isOdd {
		err := t.moveTo(plain, d)
		if err == nil || !unfit(err) {
			return err
		}
	}
	return t.moveTo(oddPlace(t.key), d)
}

// moveTo renames first the sidecar, which also describes what is there now, then the file.
func (t *temp) moveTo(p place, d description) error {
	if err := t.s.makeFolders(p.data); err != nil {
		return err
	}
	var current []description
	now, err := os.Lstat(t.s.path(p.data))
	switch {
	case err == nil && !now.Mode().IsRegular():
		return &fs.PathError{Op: "replace", Path: p.data, Err: syscall.EEXIST}
	case err == nil:
		if current, err = t.s.stillTrue(p, now, t.key); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	stamped := d.MTime
	for slices.ContainsFunc(current, func(o description) bool { return o.MTime == d.MTime }) {
		d.MTime += 2
	}
	if d.MTime != stamped {
		if err := t.stamp(d.MTime); err != nil {
			return err
		}
	}
	if err := writeFile(t.path(metaExt), sidecar{Version: sidecarVersion, Objects: append([]description{d}, current...)}, true); err != nil {
		return err
	}
	if err := os.Rename(t.path(metaExt), t.s.path(p.meta)); err != nil {
		return err
	}
	folder := t.s.path(p.data + "/..")
	if now != nil { // the old file must not outlive its description, nor the new one come without
		if err := syncDir(folder); err != nil {
			return err
		}
	}
	if err := os.Rename(t.path(dataExt), t.s.path(p.data)); err != nil {
		return err
	}
	return syncDir(folder)
}

// stillTrue are the descriptions that may be those of the file that is there now. It fails as unfit
// if the file is another key's, which the file system has folded into ours.
func (s *Store) stillTrue(p place, now fs.FileInfo, key string) ([]description, error) {
	all, err := s.readSidecar(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var likely []description
	for _, d := range all {
		if d.Size != now.Size() {
			continue
		}
		if d.Key != key {
			return nil, &fs.PathError{Op: "replace", Path: p.data, Err: syscall.EEXIST}
		}
		if d.fits(now) {
			return []description{d}, nil
		}
		likely = append(likely, d)
	}
	return likely, nil
}

// stamp sets the file's modification time, which binds it to its description, and syncs it.
func (t *temp) stamp(seconds int64) error {
	if err := os.Chtimes(t.path(dataExt), time.Time{}, time.Unix(seconds, 0)); err != nil {
		return err
	}
	return t.file.Sync()
}

// remove closes the file and drops what is left of it in the uploads folder.
func (t *temp) remove() error {
	var err error
	if t.file != nil {
		err = t.file.Close()
	}
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, t.s.removeTemp(t.id))
}

func (s *Store) removeTemp(id string) error {
	var errs []error
	for _, ext := range []string{dataExt, metaExt, partsExt, infoExt} { // the description of the others goes last
		if err := os.Remove(s.path(uploadsDir + "/" + id + ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, s.fault("dropping an unfinished upload", err))
		}
	}
	return errors.Join(errs...)
}
