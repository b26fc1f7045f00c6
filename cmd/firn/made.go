package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"firn/stages/service/report"
)

// missing are path and the directories above it that do not exist, the deepest first.
func missing(path string) (all []string) {
	for path = filepath.Clean(path); ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return all
		}
		all = append(all, path)
	}
}

// withdraw removes the directories that a run made which ended before it did anything, and the state
// file in them, while it is locked. What holds something else stays.
func (m *means) withdraw() error {
	if m.madeCache && m.state != nil {
		_ = os.Remove(m.state.File()) // else the directory stays too
	}
	err := m.close()
	slices.SortFunc(m.made, func(x, y string) int { return cmp.Compare(len(y), len(x)) }) // what lies below another first
	for _, dir := range m.made {
		_ = os.Remove(dir) // it is not empty, or somebody else has removed it
	}
	return err
}

// nothingDone reports whether a run found nothing that it could have done something with.
func nothingDone(t *report.Totals) bool {
	return t.Subtrees.Load()+t.DoneSubtrees.Load()+t.Failed.Load()+t.Faults.Load() == 0
}
