package ledger_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"firn/stages/format/catalogue"
	"firn/stages/store"
)

// slow lets others go on for a while before it stores anything, and then looks around.
type slow struct {
	store.Store
	look func()
}

func (s slow) Put(ctx context.Context, key string, body []byte, o store.PutOptions) (store.Object, error) {
	for range 2000 {
		runtime.Gosched()
	}
	s.look()
	return s.Store.Put(ctx, key, body, o)
}

// TestFourVolumesAtTheMost are on disk, however many goroutines fill them faster than they can be
// stored.
func TestFourVolumesAtTheMost(t *testing.T) {
	l, _ := open(t)
	var mu sync.Mutex
	var made []*os.File
	file := l.Scratch
	l.Scratch = func() (*os.File, error) {
		f, err := file()
		mu.Lock()
		defer mu.Unlock()
		made = append(made, f)
		return f, err
	}
	most := 0
	l.Store = slow{l.Store, func() {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, f := range made {
			if _, err := f.Stat(); err == nil {
				n++
			}
		}
		most = max(most, n)
	}}
	w := l.Begin("20261123T203000Z-00000000", 400)
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			path := fmt.Sprintf("home/%d", i)
			place, err := w.AddList(t.Context(), list(t, path, 9))
			if err == nil {
				err = w.Add(t.Context(), catalogue.Subtree{Path: path, Key: path + ".tar.gz", MD5: "m", List: &place})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	check(t, w.Finish(t.Context(), catalogue.Run{}))
	if most > 4 {
		t.Errorf("%d volumes were on disk at once", most)
	}
}

// TestShelfKeepsWhatHasRoom fetches each of many packs once where they have room together, and
// again where they have not.
func TestShelfKeepsWhatHasRoom(t *testing.T) {
	l, _ := open(t)
	run := write(t, l, 1, 12) // a pack a list
	var lines []catalogue.Subtree
	check(t, l.Subtrees(t.Context(), run, func(s catalogue.Subtree) error {
		lines = append(lines, s)
		return nil
	}))
	made, file := 0, l.Scratch
	l.Scratch = func() (*os.File, error) { made++; return file() }
	for most, want := range map[int64]int{1 << 20: 12, 0: 36} {
		made = 0
		shelf := l.Shelf(2, most)
		for range 3 {
			for _, s := range lines {
				check(t, shelf.List(t.Context(), *s.List, s.Owner(), func(*catalogue.ListReader) error { return nil }))
			}
		}
		shelf.Close()
		if made != want {
			t.Errorf("with room for %d bytes, %d packs were fetched, want %d", most, made, want)
		}
	}
}
