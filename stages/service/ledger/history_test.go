package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/store"
	"firn/stages/store/fault"
)

func none(string) bool { return false }

// memo is a Memo in memory.
type memo struct{ sync.Map }

func (m *memo) Run(id string) []byte {
	value, _ := m.Load(id)
	b, _ := value.([]byte)
	return b
}

func (m *memo) KeepRun(id string, value []byte) error { m.Store(id, value); return nil }

// TestOrderOfRuns is that in which they were made, whatever their clocks say; runs of earlier
// versions, without a number, come first.
func TestOrderOfRuns(t *testing.T) {
	l, _ := open(t)
	known := new(memo)
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	var made []string
	for _, started := range []time.Time{year(2020), year(2036), year(1970), year(2026), year(2025)} {
		history, err := l.History(t.Context(), known, none)
		check(t, err)
		if n := len(made); n > 0 && history.Last.ID != made[n-1] {
			t.Fatalf("after %q the last is %+v", made, history.Last)
		}
		run := catalogue.Run{Started: started, Path: "home", Complete: true}
		if len(made) > 0 {
			run.Number = history.Next
		}
		id := ledger.NewID(started)
		check(t, l.Begin(id, 1<<20).Finish(t.Context(), run))
		made = append(made, id)
	}
	runs, faults, err := l.Runs(t.Context())
	if err != nil || len(faults) > 0 {
		t.Fatal(err, faults)
	}
	for i, run := range runs {
		if run.ID != made[i] {
			t.Errorf("in place %d is %s, not %s", i, run.ID, made[i])
		}
	}
	chosen, err := ledger.Choose(runs, ledger.Moment{})
	if err != nil || len(chosen) != 1 || chosen[0].ID != made[4] {
		t.Errorf("chosen: %+v, %v", chosen, err)
	}
}

// TestHistoryIsReadOnce: what the memo has is not fetched again, also what another key file made;
// what can't be read is retired by a run that says so.
func TestHistoryIsReadOnce(t *testing.T) {
	l, _ := open(t)
	known := new(memo)
	other := *l
	other.Keys = keys(t, "another passphrase, as long")
	check(t, other.Begin("20261101T000000Z-00000001", 1<<20).Finish(t.Context(), catalogue.Run{}))
	check(t, l.Begin("20261101T000000Z-00000002", 1<<20).Finish(t.Context(), catalogue.Run{Number: 1, Retired: []string{"pre/.firn/lists/x"}}))
	for _, key := range []string{"pre/.firn/lists/x", "pre/.firn/lists/y"} {
		_, err := l.Store.Put(t.Context(), key, []byte("x"), store.PutOptions{CRC32C: store.CRC32C([]byte("x"))})
		check(t, err)
	}
	check(t, known.KeepRun("20261101T000000Z-00000002", []byte("{")))
	counted := fault.New(l.Store)
	l.Store = counted
	for i, want := range []int{1, 0} {
		counted.Reset()
		h, err := l.History(t.Context(), known, none)
		check(t, err)
		if h.Last.Number != 1 || h.Packs["pre/.firn/lists/x"] || !h.Packs["pre/.firn/lists/y"] {
			t.Errorf("%+v", h)
		}
		got := 0
		for _, c := range counted.Calls() {
			if c.Op == fault.Get {
				got++
			}
		}
		if len(h.Others) != 1 || h.Others[other.Keys.ID()] != "20261101T000000Z-00000001" {
			t.Errorf("runs of other key files: %q", h.Others)
		}
		if got != want || i == 1 && slices.ContainsFunc(counted.Calls(), func(c fault.Call) bool { return c.Op == fault.Head }) {
			t.Errorf("time %d: %v", i, counted.Calls())
		}
	}
}

// TestNumberBesideLostRuns is higher than those of runs that can't be read now, and may be later; what
// a rebuild retired is not counted as lost.
func TestNumberBesideLostRuns(t *testing.T) {
	l, root := open(t)
	for n := range 3 {
		check(t, l.Begin(fmt.Sprintf("2026110%dT000000Z-00000001", n+1), 1<<20).Finish(t.Context(), catalogue.Run{Number: int64(n + 1)}))
	}
	run := func(n int) string {
		return filepath.Join(root, "pre", ".firn", "runs", fmt.Sprintf("2026110%dT000000Z-00000001.json.gz", n))
	}
	check(t, errors.Join(os.Truncate(run(2), 10), os.Truncate(run(3), 10)))
	h, err := l.History(t.Context(), new(memo), none)
	if err != nil || h.Last.Number != 1 || h.Next != 4 || h.Lost != 2 {
		t.Errorf("%+v %v", h, err)
	}
	retired := []string{"pre/.firn/runs/20261102T000000Z-00000001.json.gz", "pre/.firn/runs/20261103T000000Z-00000001.json.gz"}
	check(t, l.Begin("20261104T000000Z-00000001", 1<<20).Finish(t.Context(), catalogue.Run{Number: h.Next, Retired: retired}))
	if h, err = l.History(t.Context(), new(memo), none); err != nil || h.Next != 5 || h.Lost != 0 {
		t.Errorf("%+v %v", h, err)
	}
}
