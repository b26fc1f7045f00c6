package dir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"firn/stages/store"
)

// What the store keeps for its own use is below the root under one name that no key may begin with.
const (
	privateDir = ".firn-store"
	uploadsDir = privateDir + "/uploads"
	locksDir   = privateDir + "/locks"
	oddDir     = privateDir + "/odd"

	sidecarPrefix = "."
	sidecarSuffix = ".firn-meta"
	maxName       = 255 // bytes of a file's name, on the usual file systems
)

// place is where an object is: its file and its JSON file, both with slashes, below the root.
type place struct{ data, meta string }

func placeAt(rel string) place {
	folder, name := "", rel
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		folder, name = rel[:i+1], rel[i+1:]
	}
	return place{data: rel, meta: folder + sidecarPrefix + name + sidecarSuffix}
}

// plainPlace is the place where a human looks for the key; false if no file system takes it.
func plainPlace(key string) (place, bool) {
	segments := strings.Split(key, "/")
	for _, name := range segments {
		if name == "" || name == "." || name == ".." || len(name) > maxName || strings.ContainsRune(name, 0) || isSidecar(name) {
			return place{}, false
		}
	}
	last := segments[len(segments)-1]
	// A file system that folds case would take .FIRN-STORE for the store's own.
	if strings.EqualFold(segments[0], privateDir) || len(sidecarPrefix+last+sidecarSuffix) > maxName {
		return place{}, false
	}
	return placeAt(key), true
}

// oddPlace is the place of a key for which there is no plain one, or whose plain one is taken.
func oddPlace(key string) place {
	sum := sha256.Sum256([]byte(key))
	return placeAt(oddDir + "/" + hex.EncodeToString(sum[:]))
}

func isSidecar(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, sidecarPrefix) && strings.HasSuffix(name, sidecarSuffix)
}

func (s *Store) path(rel string) string { return filepath.Join(s.root, filepath.FromSlash(rel)) }

// found is an object's file, and the description that fits it.
type found struct {
	place
	key  string
	info fs.FileInfo
	desc *description // nil: none fits
}

// find looks for an object at its plain and at its odd place. With sure, a description whose time
// does not fit is accepted or rejected by the file's CRC; otherwise it is taken on its size alone.
func (s *Store) find(key string, sure bool) (found, error) {
	if err := store.CheckKey(key); err != nil {
		return found{}, err
	}
	if p, ok := plainPlace(key); ok {
		f, err := s.look(p, sure)
		if err == nil && (f.desc == nil || f.desc.Key == key) {
			f.key = key
			return f, nil
		}
		if err != nil && !absent(err) {
			return found{}, err
		}
	}
	f, err := s.look(oddPlace(key), sure)
	if err == nil && f.desc != nil && f.desc.Key == key {
		f.key = key
		return f, nil
	}
	if err != nil && !absent(err) {
		return found{}, err
	}
	return found{}, store.ErrNotFound
}

// look returns what is at a place; an absent error if no file is reached by plain folders.
func (s *Store) look(p place, sure bool) (found, error) {
	if err := s.realFolders(p.data); err != nil {
		return found{}, err
	}
	info, err := s.lstatFile(p)
	for err == nil {
		var desc *description
		desc, err = s.describe(p, info, sure)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return found{}, err
		}
		if desc != nil {
			return found{place: p, info: info, desc: desc}, nil
		}
		// Two new versions may have come between the two looks: then the file is another one now.
		var again fs.FileInfo
		if again, err = s.lstatFile(p); err == nil && os.SameFile(info, again) && info.ModTime().Equal(again.ModTime()) {
			return found{place: p, info: info}, nil
		}
		info = again
	}
	return found{}, err
}

func (s *Store) lstatFile(p place) (fs.FileInfo, error) {
	info, err := os.Lstat(s.path(p.data))
	if err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "lstat", Path: s.path(p.data), Err: fs.ErrNotExist}
	}
	return info, err
}

// object is what Head returns for f.
func (f found) object() store.Object {
	o := store.Object{Size: f.info.Size(), Class: store.ClassStandard, Modified: f.info.ModTime(), Meta: map[string]string{}}
	if f.desc != nil {
		o = f.desc.object()
	}
	o.Key = f.key
	return o
}
