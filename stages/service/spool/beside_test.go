package spool_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"firn/pipeline"
	"firn/stages/service/spool"
)

// TestBeside writes an archive and what lies beside it, in turn, into shares that fit both, one or
// none of them.
func TestBeside(t *testing.T) {
	const archive, beside = 300 << 10, 100 << 10
	for _, test := range []struct {
		name           string
		budget         int64
		overflow, lost bool
	}{
		{"both fit", 400 << 10, false, false},
		{"the archive does not", 399 << 10, true, false},
		{"neither does", 90 << 10, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			budget := pipeline.NewBudget(test.budget)
			cache := t.TempDir()
			d, _, err := spool.Open(cache, budget)
			check(t, err)
			f, err := d.Create(t.Context(), pipeline.New(t.Context(), pipeline.Options{}).Stage("archive", 1), 1<<30)
			check(t, err)
			b := f.Beside()
			var whole, list bytes.Buffer
			for i := range 100 {
				list.Write(bytes.Repeat([]byte{byte(i)}, beside/100))
				whole.Write(bytes.Repeat([]byte{byte(i) + 100}, archive/100))
				_, err := b.Write(list.Bytes()[i*(beside/100):])
				check(t, err)
				_, err = f.Write(whole.Bytes()[i*(archive/100):])
				check(t, err)
			}
			f.Seal()
			if f.Overflow() != test.overflow || b.Lost() != test.lost {
				t.Fatalf("overflow %v, lost %v", f.Overflow(), b.Lost())
			}
			if !b.Lost() {
				got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
				if err != nil || !bytes.Equal(got, list.Bytes()) {
					t.Errorf("%d bytes came back: %v", len(got), err)
				}
			}
			if !f.Overflow() {
				got, err := io.ReadAll(f.Reader())
				if err != nil || !bytes.Equal(got, whole.Bytes()) {
					t.Errorf("%d bytes of the archive came back: %v", len(got), err)
				}
				if used, _ := budget.Used(); used != f.Size()+b.Size() {
					t.Errorf("%d bytes of the budget are held for %d and %d", used, f.Size(), b.Size())
				}
			}
			check(t, f.Remove())
			if used, peak := budget.Used(); used != 0 || peak > test.budget {
				t.Errorf("%d bytes of the budget are still held, %d were", used, peak)
			}
			if left, err := os.ReadDir(cache + "/firn-spool"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
