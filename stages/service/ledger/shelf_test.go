package ledger_test

import (
	"os"
	"sync"
	"testing"

	"firn/stages/format/catalogue"
)

// TestShelf asks for all lists of many packs from many goroutines; open checks that no scratch file
// is left.
func TestShelf(t *testing.T) {
	l, _ := open(t)
	run := write(t, l, 1, 12) // a pack a list
	var places []catalogue.Subtree
	check(t, l.Subtrees(t.Context(), run, func(s catalogue.Subtree) error {
		places = append(places, s)
		return nil
	}))
	for _, most := range []int{0, 1, 3, 100} {
		shelf := l.Shelf(most, 0)
		var all sync.WaitGroup
		for range 3 {
			for _, s := range places {
				all.Go(func() {
					err := shelf.List(t.Context(), *s.List, s.Owner(), func(list *catalogue.ListReader) error {
						if list.Head.Path != s.Path {
							t.Errorf("the list of %s is that of %s", s.Path, list.Head.Path)
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		shelf.Close()
	}
}

// TestShelfFetchesOnce counts what the store is asked for.
func TestShelfFetchesOnce(t *testing.T) {
	l, _ := open(t)
	run := write(t, l, 1<<20, 5)
	var lines []catalogue.Subtree
	check(t, l.Subtrees(t.Context(), run, func(s catalogue.Subtree) error {
		lines = append(lines, s)
		return nil
	}))
	made, file := 0, l.Scratch
	l.Scratch = func() (*os.File, error) { made++; return file() }
	shelf := l.Shelf(2, 0)
	defer shelf.Close()
	for _, s := range lines {
		check(t, shelf.List(t.Context(), *s.List, s.Owner(), func(*catalogue.ListReader) error { return nil }))
	}
	if made != 1 {
		t.Errorf("one pack was fetched %d times", made)
	}
	if err := shelf.List(t.Context(), catalogue.Place{Pack: "pre/.firn/lists/none"}, catalogue.Owner{}, nil); err == nil {
		t.Error("a list out of a pack that is not there")
	}
}
