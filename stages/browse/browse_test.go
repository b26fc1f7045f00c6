package browse_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "firn/bench/seed"
	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/format/pick"
	"firn/stages/format/treepath"
)

func contextOf(t tb) context.Context {
	if c, ok := t.(interface{ Context() context.Context }); ok {
		return c.Context()
	}
	return context.Background()
}

// trees are small trees below home/me, with names that a sloppy order or a sloppy escape would get wrong.
func trees() *rapid.Generator[tree] {
	return rapid.Custom(func(t *rapid.T) tree {
		all := tree{"home/me": directory(1)}
		for range rapid.IntRange(0, 12).Draw(t, "entries") {
			names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "a.b", "a b", "b", "\xff", "x\n", "a-"}), 1, 4).Draw(t, "names")
			at := "home/me"
			for _, n := range names[:len(names)-1] {
				at += "/" + n
				if _, ok := all[at]; !ok {
					all[at] = directory(1)
				}
				if all[at].Type != catalogue.Directory {
					break
				}
			}
			if all[at].Type != catalogue.Directory || all[at+"/"+names[len(names)-1]].Type != "" {
				continue
			}
			all[at+"/"+names[len(names)-1]] = rapid.SampledFrom([]catalogue.Entry{file(1, 1), file(2, 1), file(1, 2), directory(2), link("x"), link("y")}).Draw(t, "entry")
		}
		return all
	})
}

func directory(hour int) catalogue.Entry {
	return catalogue.Entry{Type: catalogue.Directory, Mode: "0755", ModTime: hours(hour)}
}

func file(size int64, hour int) catalogue.Entry {
	return catalogue.Entry{Type: catalogue.File, Mode: "0644", Size: size, ModTime: hours(hour), UID: 7}
}

func link(target string) catalogue.Entry {
	return catalogue.Entry{Type: catalogue.Symlink, Mode: "0777", ModTime: hours(1), Target: target}
}

func hours(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }

// drawn is a history of runs over trees, each cut at a depth of its own, and the trees.
func drawn(t *rapid.T, h *history) (runs []catalogue.Run, states []tree) {
	for i := range rapid.IntRange(1, 5).Draw(t, "runs") {
		state := trees().Draw(t, "tree")
		if i > 0 && rapid.Bool().Draw(t, "same") {
			state = states[i-1]
		}
		states = append(states, state)
		h.save(t, "home/me", state, rapid.IntRange(0, 3).Draw(t, "depth"))
	}
	return h.runs(t), states
}

// Each catalogue is encrypted, which costs a hundred thousand hashes: a property is checked over fewer than rapid's hundred
// unless a flag says otherwise.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.checks", "12")
	os.Exit(m.Run())
}

// checked runs a property with histories of their own.
func checked(t *testing.T, property func(t *rapid.T, h *history)) {
	keys := newKeys(t)
	scratch := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) { property(rt, newHistory(rt, keys, scratch)) })
}

// TestEntries reads a run in the order of paths: every entry of the tree once.
func TestEntries(t *testing.T) {
	checked(t, func(t *rapid.T, h *history) {
		runs, states := drawn(t, h)
		last := states[len(states)-1]
		var got []string
		check(t, h.none(t).Entries(contextOf(t), runs[len(runs)-1], nil, func(i browse.Item) error {
			got = append(got, i.Path)
			want := last[i.Path]
			if want.Path = i.Entry.Path; i.Entry != want || path.Join(path.Dir(i.Archive.Path), i.Entry.Path) != i.Path {
				t.Fatalf("%q in %q: %+v, not %+v", i.Path, i.Archive.Path, i.Entry, want)
			}
			return nil
		}))
		want := slices.SortedFunc(maps.Keys(last), func(a, b string) int {
			return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		})
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// TestDiff holds Diff against a comparison of two maps.
func TestDiff(t *testing.T) {
	checked(t, func(t *rapid.T, h *history) {
		runs, states := drawn(t, h)
		i, j := rapid.IntRange(0, len(runs)-1).Draw(t, "from"), rapid.IntRange(0, len(runs)-1).Draw(t, "to")
		patterns := rapid.SampledFrom([][]string{nil, {"/home/me/a"}, {"b"}, {"*.b", "a-"}}).Draw(t, "patterns")
		picks, err := pick.Parse(patterns)
		check(t, err)
		var got []string
		totals, err := h.none(t).Diff(contextOf(t), runs[i], runs[j], picks, func(c browse.Change) error {
			got = append(got, fmt.Sprintf("%q %v %t %t", c.Path, c.What, c.Old != nil, c.New != nil))
			return nil
		})
		check(t, err)
		want := naive(states[i], states[j], picks)
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if n := totals.Added + totals.Removed + totals.Changed; n != int64(len(want)) || totals.NotCompared != 0 {
			t.Fatalf("%+v for %d changes", totals, len(want))
		}
	})
}

func naive(from, to tree, picks pick.Picks) (all []string) {
	both := maps.Clone(from)
	maps.Copy(both, to)
	for _, p := range slices.SortedFunc(maps.Keys(both), treepath.Compare) {
		a, inA := from[p]
		b, inB := to[p]
		var what []browse.Aspect
		switch {
		case !picks.Has(p):
			continue
		case !inA || !inB:
		case a.Type != b.Type:
			what = []browse.Aspect{browse.Type}
		default:
			if a.Size != b.Size {
				what = append(what, browse.Size)
			}
			if a.ModTime != b.ModTime {
				what = append(what, browse.ModTime)
			}
			if a.Target != b.Target {
				what = append(what, browse.Target)
			}
			if what == nil {
				continue
			}
		}
		all = append(all, fmt.Sprintf("%q %v %t %t", p, what, inA, inB))
	}
	return all
}

// TestFind holds Find against a search through every list of every run.
func TestFind(t *testing.T) {
	checked(t, func(t *rapid.T, h *history) {
		runs, _ := drawn(t, h)
		picks, err := pick.Parse([]string{rapid.SampledFrom([]string{"a", "/home/me", "**", "/home/me/a/**/b", "\xff", "a*"}).Draw(t, "pattern")})
		check(t, err)
		type seen struct{ first, last, runs int }
		want := map[catalogue.Entry]seen{}
		for i, run := range runs {
			for full, e := range h.contents(t, run) {
				if !picks.Names(full) {
					continue
				}
				e.Path, e.UID = full, 0
				s, ok := want[e]
				if !ok {
					s.first = i
				}
				s.last, s.runs = i, s.runs+1
				want[e] = s
			}
		}
		found, err := h.none(t).Find(contextOf(t), runs, picks)
		check(t, err)
		got := map[catalogue.Entry]seen{}
		for i, v := range found.Versions {
			e := v.Entry
			e.UID = 0
			got[e] = seen{v.First, v.Last, v.Runs}
			h.holds(t, runs[v.Last], v)
			if i > 0 && cmp.Or(treepath.Compare(found.Versions[i-1].Path, v.Path), v.Last-found.Versions[i-1].Last) > 0 {
				t.Fatalf("%q out of order", v.Path)
			}
		}
		if d := gocmp.Diff(want, got, gocmp.AllowUnexported(seen{})); d != "" {
			t.Fatal(d)
		}
	})
}

// holds makes sure that the archive that is told of a version is one of the run's, and could hold it.
func (h *history) holds(t tb, run catalogue.Run, v browse.Version) {
	ok := false
	check(t, h.none(t).Subtrees(contextOf(t), run, func(s catalogue.Subtree) error {
		ok = ok || s.Key == v.Archive.Key && s.Version == v.Archive.Version && s.Path == v.Archive.Path
		return nil
	}))
	if !ok || v.Path != v.Archive.Path && !strings.HasPrefix(v.Path, v.Archive.Path+"/") {
		t.Fatalf("%q is said to be in %+v in run %s", v.Path, v.Archive, run.ID)
	}
}

// TestDamagedPack: what lies in a damaged pack is named, and nothing is said to be gone because of it.
func TestDamagedPack(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	h.limit = 1 // a list a pack
	state := tree{"home/me": directory(1), "home/me/a": directory(1), "home/me/a/x": file(1, 1), "home/me/b": directory(1), "home/me/b/x": file(1, 1)}
	h.save(t, "home/me", state, 1)
	delete(state, "home/me/a/x")
	state["home/me/b/y"] = file(1, 1)
	h.save(t, "home/me", state, 1)
	both := h.runs(t)
	first, second := both[0], both[1]
	var pack string
	check(t, h.none(t).Subtrees(t.Context(), first, func(s catalogue.Subtree) error {
		if s.Path == "home/me/a" {
			pack = s.List.Pack
		}
		return nil
	}))
	h.store.spoil(pack)

	c, faults := h.asked()
	picks, err := pick.Parse([]string{"x"})
	check(t, err)
	found, err := c.Find(t.Context(), []catalogue.Run{first, second}, picks)
	check(t, err)
	if len(found.Versions) != 1 || found.Versions[0].Path != "home/me/b/x" || found.Versions[0].Runs != 2 {
		t.Errorf("found %+v", found.Versions)
	}
	if len(*faults) != 1 || (*faults)[0].Archive.Key != "home/me/a.tar.gz" {
		t.Errorf("faults: %+v", *faults)
	}

	for _, runs := range [][2]catalogue.Run{{first, second}, {second, first}} {
		c, faults = h.asked()
		var got []string
		totals, err := c.Diff(t.Context(), runs[0], runs[1], nil, func(ch browse.Change) error {
			got = append(got, ch.Path)
			return nil
		})
		check(t, err)
		if fmt.Sprint(got) != "[home/me/b/y]" || totals.NotCompared != 1 || len(*faults) != 1 || (*faults)[0].Run != first.ID {
			t.Errorf("%v, %+v, %+v", got, totals, *faults)
		}
	}
}

// TestStoppedRun: what a stopped run did not come to is not taken for removed.
func TestStoppedRun(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	state := tree{"home/me": directory(1), "home/me/a": directory(1), "home/me/a/x": file(1, 1), "home/me/b": directory(1), "home/me/b/x": file(1, 1)}
	h.save(t, "home/me", state, 1)
	delete(state, "home/me/b/x")
	h.write(t, "home/me", 1, false, slices.DeleteFunc(state.cut("home/me", 1), func(c cutting) bool { return c.path == "home/me/a" }))
	runs := h.runs(t)
	first, second := runs[0], runs[1]
	var got []string
	totals, err := h.none(t).Diff(t.Context(), first, second, nil, func(ch browse.Change) error {
		got = append(got, ch.Path)
		return nil
	})
	check(t, err)
	if fmt.Sprint(got) != "[home/me/b/x]" || totals.NotCompared != 2 {
		t.Errorf("%v, %+v", got, totals)
	}
}

// TestHardLinks: which name of a file stands first in the archive is no change; a change of the file is one of every name.
func TestHardLinks(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	linked := func(hour int) catalogue.Entry {
		e := file(0, hour)
		e.Type, e.Target = catalogue.Hardlink, "me/a"
		return e
	}
	top := directory(1)
	h.save(t, "home/me", tree{"home/me": top, "home/me/a": file(5, 1), "home/me/b": linked(1), "home/me/c": linked(1)}, 0)
	moved := linked(1)
	moved.Target = "me/b"
	h.save(t, "home/me", tree{"home/me": top, "home/me/b": file(5, 1), "home/me/c": moved}, 0)
	h.save(t, "home/me", tree{"home/me": top, "home/me/b": file(6, 2), "home/me/c": linked(2)}, 0)
	all := h.runs(t)
	first, second, third := all[0], all[1], all[2]
	for want, runs := range map[string][2]catalogue.Run{
		"-home/me/a[]": {first, second},
		"Mhome/me/b[size mtime] Mhome/me/c[mtime]": {second, third},
	} {
		var got []string
		_, err := h.none(t).Diff(t.Context(), runs[0], runs[1], nil, func(ch browse.Change) error {
			sign := "M"
			if ch.New == nil {
				sign = "-"
			}
			got = append(got, fmt.Sprint(sign, ch.Path, ch.What))
			return nil
		})
		check(t, err)
		if strings.Join(got, " ") != want {
			t.Errorf("%v, not %s", got, want)
		}
	}
}

// TestEachListOnce: twenty runs over a tree that stays as it is refer to one list.
func TestEachListOnce(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	state := tree{"home/me": directory(1), "home/me/a": file(1, 1)}
	for range 20 {
		h.save(t, "home/me", state, 0)
	}
	runs := h.runs(t)
	picks, err := pick.Parse([]string{"a"})
	check(t, err)
	found, err := h.none(t).Find(t.Context(), runs, picks)
	check(t, err)
	for key, n := range h.store.gets {
		if strings.Contains(key, "/lists/") && n != 1 {
			t.Errorf("%s was fetched %d times", key, n)
		}
	}
	if found.Lists != 1 || len(found.Versions) != 1 || found.Versions[0].Runs != 20 || found.Versions[0].First != 0 || found.Versions[0].Last != 19 {
		t.Errorf("%+v", found)
	}
}

// TestBackupPathsWithoutAName: paths in tars of "/", "." and ".." begin with "./".
func TestBackupPathsWithoutAName(t *testing.T) {
	keys := newKeys(t)
	for top, want := range map[string]string{"/": "[/ a a/b]", ".": "[. a a/b]", "..": "[.. ../a ../a/b]", "../..": "[../.. ../../a ../../a/b]"} {
		h := newHistory(t, keys, t.TempDir())
		var entries []catalogue.Entry
		for _, name := range []string{".", "./a", "./a/b"} {
			e := directory(1)
			e.Path = name
			entries = append(entries, e)
		}
		h.write(t, top, 0, true, []cutting{{path: top, entries: entries}})
		var got []string
		check(t, h.none(t).Entries(t.Context(), h.runs(t)[0], nil, func(i browse.Item) error {
			got = append(got, i.Path)
			return nil
		}))
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, not %s", top, got, want)
		}
	}
}

// TestFewListsOpen: of a hundred subtrees side by side, one is read at a time, and the shell that they lie in.
func TestFewListsOpen(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	state := tree{"home/me": directory(1), "home/me/zzz": file(1, 1)}
	for i := range 100 {
		dir := fmt.Sprintf("home/me/%03d", i)
		state[dir], state[dir+"/a"], state[dir+"/b"] = directory(1), file(1, 1), file(1, 1)
	}
	h.save(t, "home/me", state, 1)
	most, err := h.none(t).MostOpen(t.Context(), h.runs(t)[0])
	check(t, err)
	if most > 2 {
		t.Errorf("%d lists were open at a time", most)
	}
}

// TestCancelled ends each question with the cause.
func TestCancelled(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	state := tree{"home/me": directory(1), "home/me/a": file(1, 1)}
	h.save(t, "home/me", state, 0)
	state["home/me/b"] = file(1, 1)
	h.save(t, "home/me", state, 0)
	runs := h.runs(t)
	first, second := runs[0], runs[1]
	why := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	c, faults := h.asked()
	underWay, stop := context.WithCancelCause(t.Context())
	n := 0
	err := c.Entries(underWay, second, nil, func(browse.Item) error {
		n++
		stop(why)
		return nil
	})
	if !errors.Is(err, why) || n == 3 {
		t.Errorf("cancelled under way: %v after %d entries", err, n)
	}
	_, find := c.Find(ctx, []catalogue.Run{first, second}, nil)
	_, diff := c.Diff(ctx, first, second, nil, func(browse.Change) error { return nil })
	entries := c.Entries(ctx, first, nil, func(browse.Item) error { return nil })
	for _, err := range []error{find, diff, entries} {
		if err == nil || !strings.Contains(err.Error(), "no more") || len(*faults) > 0 {
			t.Errorf("%v, %v", err, *faults)
		}
	}
}

// TestMisplacedLists: a list that is not where a run says, or is another archive's, is none.
func TestMisplacedLists(t *testing.T) {
	h := newHistory(t, newKeys(t), t.TempDir())
	state := tree{"home/me": directory(1)}
	for _, name := range []string{"a", "b", "c"} {
		state["home/me/"+name], state["home/me/"+name+"/x"] = directory(1), file(1, 1)
	}
	h.save(t, "home/me", state, 1)
	var right *catalogue.Place
	for _, s := range h.places {
		if s.Path == "home/me/c" {
			right = s.List
		}
	}
	for sum, s := range h.places {
		switch s.Path {
		case "home/me/a": // the list of another subtree
			s.List = right
		case "home/me/b": // the list of another state of it
			s.MD5 = strings.Repeat("0", 32)
		}
		h.places[sum] = s
	}
	h.save(t, "home/me", state, 1)
	run := h.runs(t)[1]

	c, faults := h.asked()
	picks, err := pick.Parse([]string{"c/x", "a/x"})
	check(t, err)
	found, err := c.Find(t.Context(), []catalogue.Run{run}, picks)
	check(t, err)
	if len(found.Versions) != 1 || found.Versions[0].Archive.Key != "home/me/c.tar.gz" || len(*faults) != 2 {
		t.Errorf("found %+v, faults %+v", found.Versions, *faults)
	}
	c, faults = h.asked()
	check(t, c.Entries(t.Context(), run, nil, func(browse.Item) error { return nil }))
	if len(*faults) != 2 {
		t.Errorf("faults: %+v", *faults)
	}
}
