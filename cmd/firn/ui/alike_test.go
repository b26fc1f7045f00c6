package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"firn/stages/service/report"
)

// TestAlike: a thousand faults for the same cause are a few lines and one that counts the rest, also with
// --quiet. Others are printed among them. With --verbose and --json each is printed.
func TestAlike(t *testing.T) {
	entry := func(i int, errno error) report.Event {
		name := fmt.Sprintf("tree/dir%d/file", i)
		return report.Event{Kind: report.Entry, Path: name, Err: fmt.Errorf("reading %s: %w", name, &fs.PathError{Op: "open", Path: name, Err: errno})}
	}
	run := func(o Options) (string, string) {
		var out, screen bytes.Buffer
		o.Stdout, o.Stderr, o.Operation = &out, &screen, Backup()
		totals := new(report.Totals)
		totals.Subtrees.Store(1000)
		totals.Faults.Store(1001)
		p := New(o, totals)
		for i := range 1000 {
			p.Event(entry(i, syscall.EACCES))
			if i == 500 {
				p.Event(entry(i, syscall.EIO))
				p.Event(report.Event{Kind: report.Failed, Path: "tree/x", Err: syscall.EACCES})
			}
			p.Event(report.Event{Kind: report.Warning, Problem: report.ProblemIdlePattern, Text: fmt.Sprintf("the exclude pattern %q (f:%d) matched nothing", fmt.Sprint("/x", i), i)})
			p.Event(report.Event{Kind: report.Failed, Path: fmt.Sprint("tree/s", i), Err: errors.Join(fmt.Errorf("storing %d: %w", i, syscall.ENOSPC))})
		}
		p.Finish(report.Summary{})
		p.Stop()
		return out.String(), screen.String()
	}
	for _, quiet := range []bool{false, true} {
		_, said := run(Options{Quiet: quiet})
		for part, want := range map[string]int{
			"not saved whole: ": 5 + 1 + 1, "input/output error": 1, "not saved: tree/x: permission denied": 1, "not saved: tree/s": 5 + 1, "firn: warning: the exclude": 5,
			"firn: and 995 more like this: not saved whole: reading tree/dir0/file: open tree/dir0/file: permission denied\n": 1,
			"firn: and 995 more like this: not saved: tree/s0: storing 0: no space left on device\n":                          1,
			"firn: and 995 more like this: warning: the exclude pattern \"/x0\" (f:0) matched nothing\n":                      1,
			"firn: --verbose and --json name each of them\n":                                                                  1,
		} {
			if n := strings.Count(said, part); n != want {
				t.Errorf("quiet %v: %d times %q, not %d:\n%.4000s", quiet, n, part, want, said)
			}
		}
		if !quiet && !strings.Contains(said, "1,001 not saved whole") {
			t.Errorf("the summary does not count all:\n%s", said)
		}
	}
	if _, said := run(Options{Verbose: true}); strings.Count(said, "not saved whole: ") != 1001 || strings.Contains(said, "more like this") {
		t.Error("with Verbose not each is printed")
	}
	if out, _ := run(Options{JSON: true}); strings.Count(out, `"event":"entry-fault"`) != 1001 {
		t.Error("with JSON not each is printed")
	}
}
