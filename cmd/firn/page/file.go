package page

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// magic begins every page. A file that does not begin with it is not replaced.
const magic = "<!DOCTYPE html>\n<!-- A report of firn. A later run may replace this file. -->\n"

var (
	// ErrForeign says that a page is not written in place of a file that is none.
	ErrForeign = errors.New("it exists, and is no report of firn")
	// ErrNoFile says that a page is not written in place of a directory, a link or a device.
	ErrNoFile = errors.New("it exists, and is no plain file")
)

// A FileError says that the page could not be written to a file.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	cause := e.Err
	if p, ok := errors.AsType[*fs.PathError](cause); ok {
		cause = p.Err // it names a file beside Path
	}
	return fmt.Sprintf("the report is not written to %q: %v", e.Path, cause)
}

func (e *FileError) Unwrap() error { return e.Err }

// A file is replaced as a whole, by a page only.
type file struct {
	path string

	mu     sync.Mutex
	failed bool // when it was written last
}

// write replaces the file. Of several failures in a row only the first is returned.
func (f *file) write(render func(io.Writer) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.replace(render)
	first := !f.failed
	f.failed = err != nil
	if err != nil && first {
		return &FileError{f.path, err}
	}
	return nil
}

func (f *file) replace(render func(io.Writer) error) (err error) {
	mode, err := mayReplace(f.path)
	if err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+".firn")
	if _, err := mayReplace(beside); err != nil {
		return err
	}
	_ = os.Remove(beside) // what a killed run left; if it can't be removed, it can't be made
	to, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(beside)
		}
	}()
	if mode != 0 { // whoever could not read the last page shall not read this one
		err = to.Chmod(mode)
	}
	var text bytes.Buffer
	text.WriteString(magic)
	err = errors.Join(err, render(&text))
	if err == nil {
		_, err = to.Write(text.Bytes())
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return os.Rename(beside, f.path)
}

// mayReplace reports whether a path is free, or holds a page or nothing, and the permissions of what is
// there, 0 if that is nothing.
func mayReplace(path string) (fs.FileMode, error) {
	is, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !is.Mode().IsRegular() {
		return 0, ErrNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	start := make([]byte, len(magic))
	n, _ := io.ReadFull(f, start)
	if !strings.HasPrefix(magic, string(start[:n])) || int64(n) < min(is.Size(), int64(len(magic))) {
		return 0, ErrForeign
	}
	return is.Mode().Perm(), nil
}
