package stagestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"firn/stages/format/catalogue"
	"firn/stages/format/encryption"
	"firn/stages/job"
	"firn/stages/service/ledger"
	"firn/stages/service/state"
)

// A Notebook is the catalogue of a rig, read whole.
type Notebook struct {
	Runs  []catalogue.Run                // from the oldest
	Lines map[string][]catalogue.Subtree // by the id of the run, sorted by path
}

// Ledger opens the catalogue.
func (r *Rig) Ledger() *ledger.Ledger {
	r.T.Helper()
	return &ledger.Ledger{Store: r.Store, Keys: r.Secrets(r.Keyfile), Scratch: func() (*os.File, error) {
		return os.CreateTemp(r.T.TempDir(), "")
	}}
}

// Catalogue reads the catalogue. A run that cannot be read is an error of the test, unless it was made
// with another key file.
func (r *Rig) Catalogue() *Notebook {
	r.T.Helper()
	l := r.Ledger()
	n := &Notebook{Lines: map[string][]catalogue.Subtree{}}
	var faults []ledger.Fault
	var err error
	n.Runs, faults, err = l.Runs(context.Background())
	r.Must(err)
	for _, f := range faults {
		if !errors.Is(f.Err, encryption.ErrOtherKey) {
			r.T.Error(f.Key, f.Err)
		}
	}
	for _, run := range n.Runs {
		n.Lines[run.ID] = r.linesOf(l, run)
	}
	return n
}

func (r *Rig) linesOf(l *ledger.Ledger, run catalogue.Run) (lines []catalogue.Subtree) {
	r.T.Helper()
	r.Must(l.Subtrees(context.Background(), run, func(s catalogue.Subtree) error {
		lines = append(lines, s)
		return nil
	}))
	slices.SortFunc(lines, func(a, b catalogue.Subtree) int { return strings.Compare(a.Path, b.Path) })
	return lines
}

// Last returns the newest run and its lines; zero values if there is no run.
func (n *Notebook) Last() (run catalogue.Run, lines []catalogue.Subtree) {
	if len(n.Runs) == 0 {
		return run, nil
	}
	run = n.Runs[len(n.Runs)-1]
	return run, n.Lines[run.ID]
}

// Lines returns the newest run and its lines by key. There must be a run, and all must be readable.
func (r *Rig) Lines() (catalogue.Run, map[string]catalogue.Subtree) {
	r.T.Helper()
	l := r.Ledger()
	runs, faults, err := l.Runs(context.Background())
	if err != nil || len(faults) > 0 || len(runs) == 0 {
		r.T.Fatalf("%d runs: %v %v", len(runs), faults, err)
	}
	run := runs[len(runs)-1]
	lines := map[string]catalogue.Subtree{}
	for _, s := range r.linesOf(l, run) {
		lines[s.Key] = s
	}
	return run, lines
}

// List returns the entries of an archive, as its list has them.
func (r *Rig) List(s catalogue.Subtree) (found []catalogue.Entry) {
	r.T.Helper()
	if s.List == nil {
		r.T.Fatalf("%s has no list", s.Path)
	}
	pack, err := r.Ledger().Pack(context.Background(), s.List.Pack)
	r.Must(err)
	defer pack.Close()
	list, err := pack.List(*s.List, s.Owner())
	r.Must(err)
	for {
		e, err := list.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		r.Must(err)
		found = append(found, e)
	}
	if list.MD5() != s.MD5 || list.Head.Key != s.Key || list.Head.Path != s.Path {
		r.T.Errorf("the list of %s is of %+v, MD5 %s", s.Key, list.Head, list.MD5())
	}
	return found
}

// Entries returns the entries of an archive by path.
func (r *Rig) Entries(s catalogue.Subtree) map[string]catalogue.Entry {
	r.T.Helper()
	found := map[string]catalogue.Entry{}
	for _, e := range r.List(s) {
		found[e.Path] = e
	}
	return found
}

// WithState calls fn with the state file.
func (r *Rig) WithState(fn func(*state.DB)) {
	r.T.Helper()
	db, _, err := state.Open(r.Cache)
	r.Must(err)
	_, err = job.OpenKeys(db, r.Secrets(r.Keyfile).Passphrase())
	r.Must(err)
	fn(db)
	r.Must(db.Close())
}

// Misremember changes what the state file says of a subtree's object.
func (r *Rig) Misremember(name string, change func(*state.Entry)) {
	r.T.Helper()
	r.WithState(func(db *state.DB) {
		e, ok := db.Get(r.Store.URL(), r.KeyOf(name))
		if !ok {
			r.T.Errorf("the state file has nothing of %s", name)
		}
		change(&e)
		r.Must(db.Put(r.Store.URL(), r.KeyOf(name), e))
	})
}

// Misplace makes the next backup take the list of a subtree to be at another place, as the state
// file of a run with a defect would.
func (r *Rig) Misplace(name string, change func(*catalogue.Place)) {
	r.T.Helper()
	r.Misremember(name, func(e *state.Entry) {
		if e.List == (catalogue.Place{}) {
			r.T.Fatalf("the state file has no list of %s", name)
		}
		change(&e.List)
	})
}

// MisplaceAll backs up a tree of d0 to d4, each with a file f1 and one more, and then again with
// wrong places of the lists of all but d4.
func (r *Rig) MisplaceAll() {
	r.T.Helper()
	for i := range 5 {
		Noise(r.T, filepath.Join(r.Tree, fmt.Sprint("d", i), "f1"), int64(i), 300)
		Noise(r.T, filepath.Join(r.Tree, fmt.Sprint("d", i), "f2"), int64(i), 200)
	}
	r.Change = Settled
	r.Backup()
	_, lines := r.Lines()
	other := *lines[r.KeyOf("d4")].List
	r.Misplace("d0", func(p *catalogue.Place) { *p = other })
	r.Misplace("d1", func(p *catalogue.Place) { p.Offset++ })
	r.Misplace("d2", func(p *catalogue.Place) { p.Length-- })
	r.Misplace("d3", func(p *catalogue.Place) { p.Length++ })
	r.Backup()
}
