package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"firn/cmd/firn/flags"
	"firn/stages/browse"
	"firn/stages/format/encryption"
	"firn/stages/service/ledger"
	"firn/stages/service/spool"
	"firn/stages/service/state"
	"firn/stages/stage/extract"
)

// hint says what the user can do about an error: which flag or which command helps. It is "" for an
// error of which nothing is known. It is the only place that gives such advice about errors from
// below cmd, where no text names a flag or a command.
func hint(err error) string {
	for _, h := range hints() {
		if h.is(err) {
			return h.text
		}
	}
	var limit *extract.LimitError
	if errors.As(err, &limit) {
		return fmt.Sprintf("--max-%s raises it", limit.What)
	}
	return ""
}

// A known error, and the hint for it.
type known struct {
	is   func(error) bool
	text string
}

// hints are asked in their order: the more specific error first.
func hints() []known {
	is := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	return []known{
		{isCache(state.ErrLocked), "wait for it to end, or give this one a --cache-path of its own"},
		{isCache(fs.ErrPermission, syscall.EROFS), "let this user write there, or name another --cache-path"},
		{isCache(syscall.ENOTDIR), "name a directory as --cache-path"},
		{isCache(syscall.ENOSPC, syscall.EDQUOT), "free some space, or name another --cache-path"},
		{isCache(), "name another --cache-path"},
		{isTree(fs.ErrNotExist), "check --backup-path for a typo, or mount the disk that it is on"},
		{isTree(fs.ErrPermission), "run firn as a user who may read it"},
		{is(encryption.ErrOtherKey), "name the key file it was made with as --keyfile"},
		{is(errUnreadable{}), "'firn catalogue rebuild' makes the catalogue again from what the store holds"},
		{is(errNoCatalogue), "'firn catalogue rebuild' makes one, and so does the next backup; or check --prefix"},
		{is(errEmptyStore), "check --bucket-name and --prefix for a typo"},
		{is(ledger.ErrNoRun), "'firn list' shows the runs"},
		{is(spool.ErrDamaged), "check that disk, or name another --cache-path"},
		{is(extract.ErrExists), "--overwrite if-older or always replaces it"},
		{is(browse.ErrNoList), "'firn catalogue rebuild --read-data' makes one, once it can be read"},
	}
}

// withHelp adds to an error of the command line where the flags are explained.
func withHelp(err error, cmd *cobra.Command) error {
	if !errors.Is(err, flags.ErrMissing) {
		return err
	}
	path := cmd.CommandPath()
	if !cmd.HasParent() {
		path = "firn backup"
	}
	return fmt.Errorf("%w; '%s --help' explains them", err, path)
}

var (
	errNoCatalogue = errors.New("there is no catalogue")
	errEmptyStore  = errors.New("there is nothing")
)

// errUnreadable is the first fault of a catalogue that cannot be read at all.
type errUnreadable struct{ error }

func (errUnreadable) Is(target error) bool { _, ok := target.(errUnreadable); return ok }
func (e errUnreadable) Unwrap() error      { return e.error }

// A cacheError says that the cache path cannot be used.
type cacheError struct {
	path string
	err  error
}

func (e *cacheError) Unwrap() error { return e.err }

func (e *cacheError) Error() string {
	switch {
	case errors.Is(e.err, state.ErrLocked):
		return fmt.Sprintf("the cache path %s is in use by another run of firn", e.path)
	case errors.Is(e.err, syscall.ENOTDIR):
		return fmt.Sprintf("the cache path %s is a file, or lies below one", e.path)
	case errors.Is(e.err, fs.ErrPermission), errors.Is(e.err, syscall.EROFS):
		return fmt.Sprintf("the cache path %s can't be written: %v", e.path, e.err)
	case errors.Is(e.err, syscall.ENOSPC), errors.Is(e.err, syscall.EDQUOT):
		return fmt.Sprintf("the disk of the cache path %s is full: %v", e.path, e.err)
	}
	return fmt.Sprintf("the cache path %s can't be used: %v", e.path, e.err)
}

// isCache matches a cacheError with one of these causes, or with any if there are none.
func isCache(causes ...error) func(error) bool {
	return func(err error) bool {
		var cache *cacheError
		return errors.As(err, &cache) && isOneOf(cache.err, causes)
	}
}

// A treeError says that the backup path cannot be read. It has the text of its cause.
type treeError struct{ error }

func (e *treeError) Unwrap() error { return e.error }

func isTree(causes ...error) func(error) bool {
	return func(err error) bool {
		var tree *treeError
		return errors.As(err, &tree) && isOneOf(tree.error, causes)
	}
}

func isOneOf(err error, causes []error) bool {
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return true
		}
	}
	return len(causes) == 0
}
