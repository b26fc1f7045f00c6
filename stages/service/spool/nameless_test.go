package spool_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"firn/pipeline"
	"firn/stages/service/spool"
)

// TestNameless: a spool without names leaves nothing while it is used, and its directory when it ends.
func TestNameless(t *testing.T) {
	dir, budget, text := t.TempDir(), pipeline.NewBudget(1<<20), bytes.Repeat([]byte("text"), 1000)
	d := spool.Nameless(dir, budget)
	f, err := d.Create(t.Context(), pipeline.New(t.Context(), pipeline.Options{}).Stage("archive", 1), 1<<30)
	check(t, err)
	_, err = f.Write(text)
	check(t, err)
	f.Seal()
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		t.Errorf("%v, %v", there, err)
	}
	if got, err := io.ReadAll(f.Reader()); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came back: %v", len(got), err)
	}
	check(t, f.Remove())
	check(t, f.Remove())
	d.Close()
	if used, _ := budget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget are left", used)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
