package job

import (
	"slices"
	"testing"
	"time"

	"firn/stages/store"
)

// Of each path the archive that was stored last is passed on, each path once,
// and no more is held than the next key shares the beginning of.
func TestNewest(t *testing.T) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var passed, older []string
	n := newest{
		emit: func(o store.Object, _ bool) error { passed = append(passed, o.Key); return nil },
		proven: func(o store.Object) (bool, error) {
			if o.Key == "c.tar.gz" {
				t.Error("the only archive of its path was asked for")
			}
			return o.Key == "e.tar.bz2" || o.Key == "e.tar.gz", nil
		},
		older: func(o store.Object) { older = append(older, o.Key) },
	}
	most := 0
	for _, o := range []struct {
		key  string
		hour int
	}{
		{"a.tar.bz2", 5}, {"a.tar.d/x.tar.gz", 1}, {"a.tar.d/y.tar.gz", 1}, {"a.tar.gz", 3}, {"a.tar.zst", 7},
		{"b.tar.bz2", 1}, {"b.tar.gz", 2}, {"c.tar.gz", 1}, {"c/d.tar.gz", 1},
		{"e.tar.bz2", 1}, {"e.tar.gz", 2}, {"e.tar.lzma", 8}, // the last is newer, and not proven
	} {
		if err := n.add(store.Object{Key: o.key, Modified: at.Add(time.Duration(o.hour) * time.Hour)}, false); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(n.held))
	}
	if err := n.flush(""); err != nil {
		t.Fatal(err)
	}
	slices.Sort(passed)
	if want := []string{"a.tar.d/x.tar.gz", "a.tar.d/y.tar.gz", "a.tar.zst", "b.tar.gz", "c.tar.gz", "c/d.tar.gz", "e.tar.gz"}; !slices.Equal(passed, want) {
		t.Errorf("passed on %q", passed)
	}
	if want := []string{"a.tar.gz", "a.tar.bz2", "b.tar.bz2", "e.tar.bz2", "e.tar.lzma"}; !slices.Equal(older, want) {
		t.Errorf("left %q", older)
	}
	if most > 2 {
		t.Errorf("%d were held at once", most)
	}
}
