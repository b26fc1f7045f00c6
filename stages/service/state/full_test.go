package state

import (
	"fmt"
	"testing"
	"time"
)

// A state file that can't be written is tried again now and then, not with
// every entry: the more wait, the more a try costs.
func TestFailingWrites(t *testing.T) {
	dir := t.TempDir()
	db, _ := open2(t, dir)
	now := time.Now()
	db.now = func() time.Time { return now }
	if err := db.bolt.Close(); err != nil { // what is put from now on fails, as on a full disk
		t.Fatal(err)
	}
	failed := 0
	for i := range 4 * flushItems {
		if db.Put("s", fmt.Sprint(i), entry(i)) != nil {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d tries within no time", failed)
	}
	now = now.Add(flushAfter)
	if db.Put("s", "late", entry(1)) == nil {
		t.Error("it was not tried again")
	}
	if e, ok := db.Get("s", "0"); !ok || e != entry(0) {
		t.Error("what waits is forgotten")
	}
}
