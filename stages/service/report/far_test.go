package report

import (
	"reflect"
	"testing"
)

// TestFar: a task that is told how far another one is comes to the same sums, whatever it was told
// before, and one that goes back leaves nothing.
func TestFar(t *testing.T) {
	near, far := NewWorks(StageArchive, StageUpload), NewWorks(StageArchive, StageUpload)
	for _, w := range []*Works{near, far} {
		w.Looked(100, 0, true)
		w.Looked(50, 0, true)
	}
	planned := far.Load()
	name := &thing{name: "a"}
	done, told := near.Begin(name, StageArchive, 100, 100, 0), far.Begin(name, StageArchive, 100, 100, 0)
	same := func(when string) {
		t.Helper()
		told.Set(done.Moved())
		if a, b := near.Load(), far.Load(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v is told as %+v", when, a, b)
		}
		if a, b := near.Now(), far.Now(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v is told as %+v", when, a, b)
		}
	}
	same("begun")
	done.First(60)
	same("on its way")
	done.FirstAgain()
	done.First(120)
	done.FirstDone(40)
	done.Doing(StageUpload)
	done.Spare(10)
	done.Second(20)
	same("through the first half")
	told.Back()
	told.Back()
	if got := far.Load(); !reflect.DeepEqual(got, planned) {
		t.Errorf("what went back left %+v, not %+v", got, planned)
	}
	told = far.Begin(name, StageArchive, 100, 100, 0)
	done.Second(10)
	same("again")
	done.End()
	told.End()
	told.Set(Moved{First: 1})
	same("ended")
}

// TestSigns: what moves grows, what is taken back or only waits does not.
func TestSigns(t *testing.T) {
	task := NewWorks(StageArchive, StageUpload).Begin(&thing{name: "a"}, StageArchive, 100, 100, 0)
	var last int64
	for i, step := range []struct {
		do           func()
		grows, waits bool
	}{
		{func() { task.First(10) }, true, false},
		{func() { task.First(-10) }, false, false},
		{func() { task.Waiting(true) }, false, true},
		{func() { task.Waiting(true); task.Waiting(false) }, false, true},
		{func() { task.Second(1) }, true, true},
		{func() { task.Waiting(false) }, false, false},
		{func() { task.Doing(StageUpload) }, true, false},
		{func() { task.FirstDone(1) }, true, false},
		{func() { task.FirstAgain() }, false, false},
		{func() { task.End() }, false, true},
	} {
		step.do()
		moves, waits := task.Signs()
		if (moves > last) != step.grows || waits != step.waits {
			t.Errorf("step %d: %d signs, then %d; waits: %v", i, last, moves, waits)
		}
		last = moves
	}
	if _, waits := (*Task)(nil).Signs(); !waits {
		t.Error("what is not begun does not wait")
	}
}
