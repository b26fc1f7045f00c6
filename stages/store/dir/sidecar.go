package dir

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"time"

	"firn/stages/store"
)

// sidecarVersion is the version of the JSON file's form.
const sidecarVersion = 1

// sidecar is the JSON file next to an object's file. While an object is being replaced it describes
// both the one that is there and the one to come; a description that fits nothing is ignored.
type sidecar struct {
	Version int           `json:"version"`
	Objects []description `json:"objects"`
}

// description is what an object is beside its bytes.
type description struct {
	Key    string            `json:"key"`
	Size   int64             `json:"size"`   // bytes; with MTime, what binds it to its file
	MTime  int64             `json:"mtime"`  // of the file, seconds of Unix time
	CRC32C uint32            `json:"crc32c"` // of the file
	Class  string            `json:"class"`
	Saved  time.Time         `json:"saved"`
	Meta   map[string]string `json:"meta,omitempty"`
}

// etag names the bytes, as S3's does: the same for the same content.
func (d description) etag() string { return fmt.Sprintf("%08x-%x", d.CRC32C, d.Size) }

// object is the object as Head returns it.
func (d description) object() store.Object {
	o := store.Object{
		Key: d.Key, Size: d.Size, ETag: d.etag(), Class: d.Class, Modified: d.Saved, Meta: d.Meta, CRC32C: d.CRC32C, HasCRC32C: true,
	}
	if o.Meta == nil {
		o.Meta = map[string]string{}
	}
	return o
}

func (d description) fits(info fs.FileInfo) bool {
	return d.Size == info.Size() && info.ModTime().Equal(time.Unix(d.MTime, 0))
}

// maxSidecar bounds a file of the store's own in bytes. Even of many descriptions, each with the
// longest key and metadata, it is smaller.
const maxSidecar = 1 << 20

// readFile reads a file of the store's own. One that is larger than any is, or is no file at all,
// is empty: nobody waits for the end of a pipe or a device.
func readFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSidecar+1))
	if len(raw) > maxSidecar {
		raw = nil
	}
	return raw, errors.Join(err, f.Close())
}

// readSidecar returns the descriptions at a place; none if the JSON file is damaged.
func (s *Store) readSidecar(p place) ([]description, error) {
	raw, err := readFile(s.path(p.meta))
	if err != nil {
		return nil, err
	}
	var c sidecar
	if err := json.Unmarshal(raw, &c); err != nil || c.Version != sidecarVersion {
		return nil, nil
	}
	return c.Objects, nil
}

// describe finds the description that fits the file, or nil. If only its time is wrong, as in a
// copy, the file's CRC decides, and the time is corrected.
func (s *Store) describe(p place, info fs.FileInfo, sure bool) (*description, error) {
	all, err := s.readSidecar(p)
	if err != nil {
		return nil, err
	}
	var likely []description
	for _, d := range all {
		if d.fits(info) {
			return &d, nil
		}
		if d.Size == info.Size() {
			likely = append(likely, d)
		}
	}
	if len(likely) == 0 {
		return nil, nil
	}
	if !sure {
		return &likely[0], nil
	}
	crc, err := fileCRC(s.path(p.data))
	if err != nil {
		return nil, err
	}
	for _, d := range likely {
		if d.CRC32C == crc {
			_ = os.Chtimes(s.path(p.data), time.Time{}, time.Unix(d.MTime, 0)) // may fail on a read-only disk
			return &d, nil
		}
	}
	return nil, nil
}

func fileCRC(path string) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<20)); err != nil {
		return 0, err
	}
	return h.Sum32(), nil
}

// writeFile makes a file of the store's own and puts it on the disk.
func writeFile(path string, value any, sync bool) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	e.SetEscapeHTML(false)
	err = e.Encode(value)
	if err == nil && sync {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
