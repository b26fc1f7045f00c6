package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"firn/stages/format/catalogue"
	"firn/stages/service/ledger"
	"firn/stages/store"
)

// TestPacksOfOtherProcesses: lists that other processes wrote for a run are read through its manifest,
// and nothing but packs of that run can be named in it.
func TestPacksOfOtherProcesses(t *testing.T) {
	l, _ := open(t)
	const id = "20261123T203000Z-00000000"
	w := l.Begin(id, 400)
	var sealed []string
	for _, by := range []string{"aaaaaaaaw", "bbbbbbbbw"} {
		p := l.BeginPacks(id, by, 400, func(pack string, err error) {
			check(t, err)
			sealed = append(sealed, pack)
		})
		for _, path := range []string{"1", "2", "3", "4"} {
			path = "home/" + by + path
			place, err := p.AddList(t.Context(), list(t, path, 9))
			check(t, err)
			check(t, p.Seal(t.Context()))
			if !slices.Contains(sealed, place.Pack) || ledger.RunOf(place.Pack) != id {
				t.Errorf("the list of %s is in %s; sealed are %q", path, place.Pack, sealed)
			}
			check(t, w.Refer(place.Pack))
			check(t, w.Add(t.Context(), catalogue.Subtree{Path: path, Key: path + ".tar.gz", MD5: "m", List: &place}))
		}
		check(t, p.Seal(t.Context())) // there is none
	}
	for _, other := range []string{
		"", l.RunKey(id), ledger.Dir("") + "lists/20261123T203000Z-00000001-aaaaaaaaw001.jsonl.gz", "x/" + sealed[0],
		strings.Replace(sealed[0], "lists", "manifests", 1),
	} {
		if w.Refer(other) == nil {
			t.Errorf("%q was named", other)
		}
	}
	check(t, w.Finish(t.Context(), catalogue.Run{}))
	runs, faults, err := l.Runs(t.Context())
	if err != nil || len(faults) > 0 || len(runs) != 1 || !slices.Equal(runs[0].Packs, sealed) {
		t.Fatalf("%+v %v %v", runs, faults, err)
	}
	shelf := l.Shelf(2, 0)
	defer shelf.Close()
	lines := 0
	check(t, l.Subtrees(t.Context(), runs[0], func(s catalogue.Subtree) error {
		lines++
		return shelf.List(t.Context(), *s.List, s.Owner(), func(*catalogue.ListReader) error { return nil })
	}))
	if lines != 8 {
		t.Errorf("%d lines", lines)
	}
}

// TestPackThatIsNotStored: who waits for a pack is told of it, and no list is taken any more.
func TestPackThatIsNotStored(t *testing.T) {
	l, _ := open(t)
	failed := errors.New("the store is full")
	l.Store = full{l.Store, failed}
	var told error
	p := l.BeginPacks("20261123T203000Z-00000000", "aaaaaaaaw", 1<<20, func(_ string, err error) { told = err })
	defer p.Discard()
	_, err := p.AddList(t.Context(), list(t, "home/1", 9))
	check(t, err)
	if err := p.Seal(t.Context()); !errors.Is(err, failed) || !errors.Is(told, failed) {
		t.Errorf("%v, told: %v", err, told)
	}
	if _, err := p.AddList(t.Context(), list(t, "home/2", 9)); !errors.Is(err, failed) {
		t.Error(err)
	}
}

// full is a store that stores nothing.
type full struct {
	store.Store
	err error
}

func (f full) Put(context.Context, string, []byte, store.PutOptions) (store.Object, error) {
	return store.Object{}, f.err
}
