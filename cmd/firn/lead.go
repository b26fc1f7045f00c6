package main

import (
	"fmt"
	"path/filepath"

	"firn/cmd/firn/flags"
)

// leads refuses what a run on many hosts can't be given: a path that is another one in each directory,
// and a dry run, which has no work to share. what is the flag of the path; "": it has none.
func leads(q *flags.Queue, dryRun bool, what, path string) error {
	switch {
	case !q.Used():
		return nil
	case dryRun:
		return usageError(fmt.Errorf("--dry-run contradicts %s: a dry run has no work to share", q.Given()))
	case what != "" && !filepath.IsAbs(path):
		return usageError(fmt.Errorf("--%s %s is relative, and with %s it must be the same on every host: write it from / on", what, path, q.Given()))
	}
	return nil
}
