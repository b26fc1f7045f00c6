package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"firn/stages/stage/walk"
)

// checkTree makes sure that there is something to save before anything is made. An empty directory is
// refused: most often a disk is not mounted there, and its archive would replace the one that holds
// the content of the disk.
func checkTree(path, cache string, o walk.Options) error {
	if _, err := os.Stat(cache); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ofPath(&cacheError{cache, err})
	}
	for i, what := range []string{"cache path", "store"}[:len(o.LeaveOut)] {
		if sameFile(path, o.LeaveOut[i]) {
			return usageError(fmt.Errorf("the %s %s is the backup path itself: name another directory for one of them", what, o.LeaveOut[i]))
		}
	}
	return checkWalk(path, o)
}

// checkWalk looks whether the backup path can be walked.
func checkWalk(path string, o walk.Options) error {
	tree, err := walk.Open(path, o)
	if err == nil {
		err = tree.Close()
	}
	if err == nil {
		err = readable(path)
	}
	if err != nil {
		return marked{err, errTree}
	}
	return nil
}

// readable reads the first thing in a directory, or opens a file.
func readable(path string) (err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, syscall.ENAMETOOLONG):
		return nil // the walk takes such paths step by step
	case err != nil || !info.IsDir() && !info.Mode().IsRegular():
		return err
	case info.IsDir():
		path += "/." // which has to be entered, not only listed
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the backup path: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !info.IsDir() {
		return nil
	}
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the backup path %s is an empty directory, there is nothing to save: check --backup-path for a typo, or mount the disk that belongs there", path[:len(path)-2])
	}
	return err
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}
