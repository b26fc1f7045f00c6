package browse_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/format/treepath"
	"firn/stages/service/ledger"
)

// tb is a test's, or a rapid check's.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func check(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A history is a catalogue that is being written, run after run.
type history struct {
	l      *ledger.Ledger
	store  *memory
	places map[string]catalogue.Subtree
	hours  int
	limit  int64 // bytes of a pack
}

// newHistory takes keys, which take a while to derive: tests of many histories share them.
func newHistory(t tb, keys *encryption.Keys, scratch string) *history {
	t.Helper()
	m := newMemory()
	return &history{
		l: &ledger.Ledger{Store: m, Keys: keys, Scratch: func() (*os.File, error) {
			f, err := os.CreateTemp(scratch, "scratch")
			if err == nil {
				err = os.Remove(f.Name())
			}
			return f, err
		}},
		store:  m,
		places: map[string]catalogue.Subtree{},
		limit:  5000,
	}
}

func passphrase() *encryption.Passphrase {
	return encryption.NewPassphrase([]byte("a passphrase of some length"))
}

func newKeys(t testing.TB) *encryption.Keys {
	t.Helper()
	keys, err := encryption.NewKeys(passphrase(), nil)
	check(t, err)
	return keys
}

// A tree is entries by their full paths.
type tree map[string]catalogue.Entry

// A cutting is a subtree of a tree, with its entries as a tar has them.
type cutting struct {
	path    string
	shell   bool
	entries []catalogue.Entry
}

// cut cuts the tree whose top is at the path top, levels down.
func (t tree) cut(top string, levels int) (all []cutting) {
	full := slices.SortedFunc(maps.Keys(t), treepath.Compare)
	depth := func(p string) int { return strings.Count(strings.TrimPrefix(p, top), "/") }
	byPath := map[string]*cutting{}
	var order []string
	for _, p := range full {
		at := p
		for depth(at) > levels {
			at = path.Dir(at)
		}
		shell := false
		if depth(p) < levels && t[p].Type == catalogue.Directory {
			shell = true
		} else if depth(p) < levels && p != top {
			at, shell = path.Dir(p), true
		}
		c := byPath[at]
		if c == nil {
			c = &cutting{path: at, shell: shell}
			byPath[at] = c
			order = append(order, at)
		}
		e := t[p]
		e.Path = strings.TrimPrefix(p, strings.TrimSuffix(path.Dir(at)+"/", "./"))
		c.entries = append(c.entries, e)
	}
	for _, at := range order {
		all = append(all, *byPath[at])
	}
	return all
}

// save writes a run over a tree; lists that the catalogue has already are referred to.
func (h *history) save(t tb, top string, state tree, levels int) {
	t.Helper()
	h.write(t, top, levels, true, state.cut(top, levels))
}

func (h *history) write(t tb, top string, levels int, complete bool, subtrees []cutting) {
	t.Helper()
	ctx := contextOf(t)
	h.hours++
	started := time.Date(2026, 11, 1, h.hours, 0, 0, 0, time.UTC)
	w := h.l.Begin(ledger.NewID(started), h.limit)
	for _, c := range slices.Backward(subtrees) { // in whatever order they are settled
		sum, content := listOf(t, c)
		s, known := h.places[sum]
		s.Status = catalogue.Unchanged
		if !known {
			place, err := w.AddList(ctx, bytes.NewReader(content))
			check(t, err)
			s = catalogue.Subtree{Path: c.path, Shell: c.shell, Status: catalogue.Saved, Key: c.path + ".tar.gz", Version: "v" + sum[:6], MD5: sum, Class: "GLACIER", List: &place}
			h.places[sum] = s
		}
		check(t, w.Add(ctx, s))
	}
	check(t, w.Finish(ctx, catalogue.Run{Started: started, BackupPath: "/" + top, Path: top, Depth: levels, Complete: complete}))
}

func listOf(t tb, c cutting) (sum string, content []byte) {
	var b bytes.Buffer
	w, err := catalogue.NewList(&b, c.path, c.path+".tar.gz")
	check(t, err)
	for _, e := range c.entries {
		check(t, w.Add(&e))
	}
	digest := md5.Sum(fmt.Appendf(nil, "%v", c))
	sum = hex.EncodeToString(digest[:])
	check(t, w.Close(sum))
	return sum, b.Bytes()
}

func (h *history) runs(t tb) []catalogue.Run {
	t.Helper()
	runs, faults, err := h.l.Runs(contextOf(t))
	check(t, err)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return runs
}

// asked is the catalogue, with what it tells of faults.
func (h *history) asked() (*browse.Catalogue, *[]browse.Fault) {
	faults := new([]browse.Fault)
	return &browse.Catalogue{Ledger: h.l, Fault: func(f browse.Fault) { *faults = append(*faults, f) }}, faults
}

func (h *history) none(t tb) *browse.Catalogue {
	return &browse.Catalogue{Ledger: h.l, Fault: func(f browse.Fault) { t.Fatalf("fault: %+v", f) }}
}

// contents reads every list of a run by itself, and gives its entries by full path.
func (h *history) contents(t tb, run catalogue.Run) tree {
	t.Helper()
	all := tree{}
	check(t, h.none(t).Subtrees(contextOf(t), run, func(s catalogue.Subtree) error {
		pack, err := h.l.Pack(contextOf(t), s.List.Pack)
		check(t, err)
		defer pack.Close()
		list, err := pack.List(*s.List, s.Owner())
		check(t, err)
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			check(t, err)
			all[path.Join(path.Dir(s.Path), e.Path)] = e
		}
	}))
	return all
}
