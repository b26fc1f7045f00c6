package dir

import (
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"firn/stages/service/fsys"
)

// fatalAdvice says what to do about an error that meets every write; "" for one of an object.
func fatalAdvice(err error) string {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return ""
	}
	switch no {
	case syscall.ENOSPC:
		return "free space on that disk and start the run again"
	case syscall.EDQUOT:
		return "the quota of this user is used up: free space or raise it, and start the run again"
	case syscall.EROFS:
		return "the file system is mounted read-only: mount it for writing"
	case syscall.ENODEV, syscall.ENXIO, syscall.ESTALE, syscall.ENOTCONN:
		return "the disk or share does not answer as it should: check it and its mount"
	}
	return ""
}

// unfit reports that a file system refuses a path, but may take another for the same object.
func unfit(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && slices.Contains([]syscall.Errno{
		syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENAMETOOLONG, syscall.EINVAL,
		syscall.EILSEQ, syscall.EXDEV, syscall.ELOOP,
	}, no)
}

// absent reports errors by which a file system says that there is nothing at a path.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || unfit(err) }

// Rights to a folder (access(2)).
const (
	mayRead  = 4 | 1 // and enter
	mayWrite = mayRead | 2
)

// access returns an error unless this user has the rights.
func access(folder string, rights uint32) error {
	if err := syscall.Access(folder, rights); err != nil {
		return &fs.PathError{Op: "access", Path: folder, Err: err}
	}
	return nil
}

// syncDir puts a folder's names on the disk, if its file system can.
func syncDir(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// makeFolders makes the folders on the way to rel, a path with slashes below the root, and syncs
// them: what is below a folder is saved only if the folder is.
func (s *Store) makeFolders(rel string) error {
	s.folders.RLock()
	err := s.realFolders(rel)
	s.folders.RUnlock()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.folders.Lock()
	defer s.folders.Unlock()
	for folder := range foldersOf(rel) {
		path := filepath.Join(s.root, folder)
		err := os.Mkdir(path, 0o700)
		if err == nil {
			err = syncDir(filepath.Dir(path))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return s.realFolders(rel)
}

// realFolders returns an error unless all folders on the way are there and none is a link.
func (s *Store) realFolders(rel string) error {
	for folder := range foldersOf(rel) {
		info, err := os.Lstat(filepath.Join(s.root, folder))
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &fs.PathError{Op: "lstat", Path: folder, Err: syscall.ENOTDIR}
		}
	}
	return nil
}

// foldersOf goes through the folders on the way to rel, the outermost first.
func foldersOf(rel string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range len(rel) {
			if rel[i] == '/' && !yield(rel[:i]) {
				return
			}
		}
	}
}

const lockStripes = 64

// lock keeps everybody else, other processes too, from putting an object in place under the key (or
// one that a file system might fold into it) until unlock is called.
func (s *Store) lock(key string) (unlock func(), err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(key))) // a hash never fails
	stripe := int(h.Sum32() % lockStripes)
	s.locks[stripe].Lock()
	f, err := os.OpenFile(filepath.Join(s.root, locksDir, strconv.Itoa(stripe)), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		s.locks[stripe].Unlock()
		return nil, err
	}
	// A file system without locks leaves two runs that write the same key at once unguarded.
	_ = fsys.Retry(func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) })
	return func() {
		_ = f.Close() // also gives the lock back; nothing was written
		s.locks[stripe].Unlock()
	}, nil
}
