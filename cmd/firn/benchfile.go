package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"firn/cmd/firn/ui"
	"firn/stages/bench"
)

// before reads the result that this one is compared with; nil if there is none.
func (b *benchFlags) before() (*bench.Result, error) {
	if b.own.compare == "" {
		return nil, nil
	}
	f, err := os.Open(b.own.compare)
	if err != nil {
		return nil, usageError(fmt.Errorf("reading --compare: %w", err))
	}
	r, err := bench.ReadResult(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, usageError(fmt.Errorf("reading --compare %s: %w", b.own.compare, err))
	}
	return r, nil
}

// A keptResult is the file of a result on its way: it is made before the run, so that one that can't be
// written is told then.
type keptResult struct {
	path string
	file *os.File // nil: nothing is kept
}

// errNoResult: --save replaces results only.
var errNoResult = errors.New("it exists, and is no result of a benchmark")

func (b *benchFlags) keep() (k keptResult, err error) {
	if b.own.save == "" {
		return k, nil
	}
	k.path = b.own.save
	mode, err := mayReplaceResult(k.path)
	if err == nil {
		k.file, err = os.OpenFile(k.path+".new-"+strings.ToLower(rand.Text()[:8]), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	}
	if err == nil && mode != 0 {
		err = k.file.Chmod(mode)
	}
	if err != nil {
		return k, usageError(errors.Join(fmt.Errorf("writing --save %s: %w", ui.Quote(k.path), err), k.end()))
	}
	return k, nil
}

// mayReplaceResult reports whether a path is free, or holds a result or nothing, and the
// permissions of what is there, 0 if that is nothing.
func mayReplaceResult(path string) (fs.FileMode, error) {
	is, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !is.Mode().IsRegular():
		return 0, errNoResult
	case is.Size() == 0:
		return is.Mode().Perm(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := bench.ReadResult(f); err != nil {
		return 0, errNoResult
	}
	return is.Mode().Perm(), nil
}

func (k *keptResult) write(r *bench.Result) error {
	if k.file == nil {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		_, err = k.file.Write(append(text, '\n'))
	}
	if err = errors.Join(err, k.file.Close()); err == nil { // a disk may tell only then that it is full
		err = os.Rename(k.file.Name(), k.path)
	}
	if err != nil {
		return fmt.Errorf("writing --save %s: %w", k.path, err)
	}
	return nil
}

// end closes the file, and removes it if nothing was written.
func (k *keptResult) end() error {
	if k.file == nil {
		return nil
	}
	_ = os.Remove(k.file.Name()) // it is not there if it was written
	if err := k.file.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
