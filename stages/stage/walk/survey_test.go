//go:build linux

package walk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"firn/bench/tree"
	"firn/stages/format/exclude"
)

// deepest is how deep the tests survey.
const deepest = 6

// surveyResult is what a survey tells: pieces by depth, faults, directories left out, and counts of what
// patterns leave out.
type surveyResult struct {
	pieces       [deepest + 1][]string
	faults, left []string
	excluded     map[string]int
}

// describe is a subtree as both ways of looking at it see it.
func describe(path string, shell bool, s Sum, socket bool) string {
	return fmt.Sprintf("%q shell %v: %d entries, %d files, %d bytes, days %b, newest %d, socket %v", path, shell, s.Entries, s.Files, s.Bytes, s.Days, s.Newest.UnixNano(), socket)
}

// tally counts what patterns leave out.
func tally(o *Options) map[string]int {
	var mu sync.Mutex
	all := map[string]int{}
	o.Excluded = func(pattern int, dir bool, size int64) {
		mu.Lock()
		defer mu.Unlock()
		all[fmt.Sprint(o.Exclude.Lines()[pattern], dir)] += 1 + int(size)<<16
	}
	return all
}

func surveyOf(t tb, dir string, o Options) (r surveyResult) {
	t.Helper()
	r.excluded = tally(&o)
	tr := open(t, dir, o)
	defer closeTree(t, tr)
	if o.Workers == 1 {
		tr.share.SetLimit(0) // all in this thread, which may be nobody's
	}
	err := tr.Survey(context.Background(), deepest, func(p Piece) {
		if p.Tar%10240 != 0 || p.Tar > p.TarBound+10240 {
			t.Errorf("%q: the tar is estimated as %d bytes, bound %d", p.Path, p.Tar, p.TarBound)
		}
		r.pieces[p.Depth] = append(r.pieces[p.Depth], describe(string(p.Path), p.Shell, p.Sum, p.Socket)+" "+tr.KeyOf(p))
	}, func(path string, err error) { r.faults = append(r.faults, path) }, func(l Left) { r.left = append(r.left, fmt.Sprint(l)) })
	if err != nil {
		t.Fatalf("surveying: %v", err)
	}
	slices.Sort(r.faults)
	slices.Sort(r.left)
	return r
}

// checkSurvey compares one survey with what Cut and Scan say at each depth.
func checkSurvey(t tb, dir string, o Options) {
	t.Helper()
	got := surveyOf(t, dir, o)
	o.Estimate = true
	for depth := range deepest + 1 {
		o.Depth = depth
		excluded := tally(&o)
		tr := open(t, dir, o)
		var want, left []string
		seen := func(l Left) { left = append(left, fmt.Sprint(l)) }
		err := tr.Cut(context.Background(), func(s Subtree) error {
			sc := scan(t, tr, s)
			want = append(want, describe(s.Path, s.Shell, sc.Sum, sc.Socket)+" "+s.Key)
			for _, l := range sc.Left {
				seen(l)
			}
			return nil
		}, func(string, error) {}, seen)
		if err != nil {
			t.Fatalf("cutting: %v", err)
		}
		closeTree(t, tr)
		slices.Sort(want)
		slices.Sort(got.pieces[depth])
		if !slices.Equal(got.pieces[depth], want) {
			t.Errorf("depth %d: the survey has %d pieces, Cut %d; first difference: %s", depth, len(got.pieces[depth]), len(want), firstDifference(got.pieces[depth], want))
		}
		slices.Sort(left)
		if left = slices.Compact(left); !slices.Equal(left, got.left) {
			t.Errorf("depth %d: left out are %q, the survey says %q", depth, left, got.left)
		}
		if fmt.Sprint(excluded) != fmt.Sprint(got.excluded) {
			t.Errorf("depth %d: excluded are %v, the survey says %v", depth, excluded, got.excluded)
		}
	}
}

// One walk says of every depth what a run at that depth would cut and scan.
func TestSurveyAgreesWithCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "survey")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		drawTree(t, dir)
		for _, at := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b/a", "a/b", ".a"}), 0, 3).Draw(t, "marked") {
			p := filepath.Join(dir, at)
			switch rapid.IntRange(0, 2).Draw(t, "mark") {
			case 0:
				os.WriteFile(filepath.Join(p, cacheTag), []byte(cacheSignature), 0o644)
			case 1:
				unix.Mknod(filepath.Join(p, "socket"), unix.S_IFSOCK|0o600, 0)
			default:
				old := time.Now().Add(-time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
				os.Chtimes(p, old, old)
			}
		}
		now := time.Now().Add(time.Hour)
		o := Options{Workers: rapid.IntRange(1, 4).Draw(t, "workers"), ExcludeCaches: rapid.Bool().Draw(t, "caches"), Exclude: &exclude.List{}, Now: func() time.Time { return now }}
		for _, p := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "/a", "b/", "a*", "!aa", "/b/a", "*.b", "**/A"}), 0, 3).Draw(t, "patterns") {
			if err := o.Exclude.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		checkSurvey(t, dir, o)
	})
}

func TestSurveyOfAwkwardTrees(t *testing.T) {
	dir := t.TempDir()
	if _, err := tree.Awkward(filepath.Join(dir, "tree"), tree.Unreadable); err != nil {
		t.Fatal(err)
	}
	if err := tree.Deep(filepath.Join(dir, "deep"), 300, 2); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/file", "x")
	before := openFiles(t)
	for _, name := range []string{"tree", "deep", "file"} {
		checkSurvey(t, filepath.Join(dir, name), Options{Now: later})
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// What can't be read is told once, and the rest is surveyed. What changes meanwhile is too.
func TestSurveyTellsFaults(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"a/1", "locked/2", "z/locked/3", "z/4"} {
		write(t, filepath.Join(dir, p), "x")
	}
	for _, p := range []string{"locked", "z/locked"} {
		if err := os.Chmod(filepath.Join(dir, p), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, p), 0o755) })
	}
	asNobody(t, func() {
		got := surveyOf(t, dir, Options{Now: later, Workers: 1})
		if want := []string{dir + "/locked", dir + "/z/locked"}; !slices.Equal(got.faults, want) || len(got.pieces[1]) != 4 || len(got.pieces[2]) != 7 {
			t.Errorf("faults %q, want %q; at depth 2: %q", got.faults, want, got.pieces[2])
		}
	})
	write(t, dir+"/zz", "x")
	tr := open(t, dir, Options{Workers: 1})
	defer closeTree(t, tr)
	var faults []string
	err := tr.Survey(t.Context(), 2, func(p Piece) {
		if string(p.Path) == "zz" { // looked at after z, and before what is in directories
			if err := os.RemoveAll(dir + "/z"); err != nil {
				t.Error(err)
			}
		}
	}, func(path string, err error) { faults = append(faults, path+": "+err.Error()) }, func(Left) {})
	if err != nil || len(faults) != 1 || !strings.HasPrefix(faults[0], dir+"/z: opening the directory: vanished") {
		t.Errorf("%v, %q", err, faults)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	if err := tr.Survey(ctx, 2, func(Piece) {}, func(string, error) {}, func(Left) {}); err != context.DeadlineExceeded {
		t.Errorf("cancelled: %v", err)
	}
}
