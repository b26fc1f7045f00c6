package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"firn/stages/browse"
	"firn/stages/format/catalogue"
	"firn/stages/service/hosts"
	"firn/stages/service/report"
)

func TestModes(t *testing.T) {
	for want, e := range map[string]catalogue.Entry{
		"-rw-r--r--": {Type: catalogue.File, Mode: "0644"}, "drwxrwxrwt": {Type: catalogue.Directory, Mode: "1777"}, "-rwsr-Sr-T": {Type: catalogue.File, Mode: "7744"},
		"-rwsr-xr-x": {Type: catalogue.File, Mode: "4755"}, "drwxr-sr-x": {Type: catalogue.Directory, Mode: "2755"}, "lrwxrwxrwx": {Type: catalogue.Symlink, Mode: "0777"},
		"p---------": {Type: catalogue.FIFO, Mode: "0"}, "c?????????": {Type: catalogue.CharDev, Mode: "x"}, "?rw-------": {Type: "new", Mode: "600"},
	} {
		if got := modeOf(&e); got != want {
			t.Errorf("%s %s: %s, not %s", e.Type, e.Mode, got, want)
		}
	}
}

func TestAligned(t *testing.T) {
	got := strings.Join(aligned([][]string{{"A", "<B", "C"}, {"ü1", "<1", ""}, {"雪", "<100", "x"}}), "\n")
	if want := "A     B  C\nü1    1\n雪   100  x"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// hostile is a text that would clear a screen, and is no UTF-8.
const hostile = "x\x1b[2J\n\xff"

// TestNothingMovesTheCursor prints names and messages that would, in every form.
func TestNothingMovesTheCursor(t *testing.T) {
	e := catalogue.Entry{Path: hostile, Type: catalogue.Symlink, Mode: hostile, Target: hostile, ModTime: time.Unix(1e9, 0)}
	other := e
	other.Target = hostile + "2"
	archive := browse.Archive{Path: hostile, Key: hostile, Version: hostile}
	run := catalogue.Run{ID: hostile, Host: hostile, BackupPath: hostile, Error: hostile, Exclude: []string{hostile}, Firn: hostile, Class: hostile, Ext: hostile, CutFaults: []catalogue.Fault{{Path: hostile, Error: hostile}}}
	subtree := catalogue.Subtree{
		Path: hostile, Status: catalogue.Failed, Error: hostile, Key: hostile, Version: hostile, Class: hostile, MD5: hostile, TarSHA256: hostile, KeyID: hostile,
		Faults: []catalogue.Fault{{Path: hostile, Error: hostile}},
	}
	for _, o := range []Options{{}, {Long: true}, {JSON: true}} {
		var out, said bytes.Buffer
		o.Stdout, o.Stderr = &out, &said
		p := New(o)
		p.Runs([]catalogue.Run{run})
		p.Heading(run)
		p.Subtree(run, subtree)
		p.Entry(run, browse.Item{Path: hostile, Entry: e, Archive: &archive})
		p.Found([]catalogue.Run{run}, browse.Found{Versions: []browse.Version{{Path: hostile, Entry: e, Archive: archive, Runs: 1}}})
		p.Change(run, browse.Change{Path: hostile, Old: &e})
		p.Change(run, browse.Change{Path: hostile, Old: &e, New: &other, What: []browse.Aspect{browse.Target, browse.Mode, browse.Type}})
		p.Fault(browse.Fault{Archive: archive, Run: hostile, Err: errors.New(hostile)}, "")
		p.Fault(browse.Fault{Err: errors.New(hostile)}, hostile)
		p.Notice(hostile)
		p.Event(report.Event{Text: hostile})
		if err := p.Flush(); err != nil || p.Faults() != 2 {
			t.Errorf("%v, %d faults", err, p.Faults())
		}
		for _, text := range []string{out.String(), said.String()} {
			if strings.Contains(text, "\x1b") || strings.Contains(text, "\xff") || strings.Contains(text, "[2J\n") {
				t.Errorf("%+v prints\n%q", o, text)
			}
		}
		if !o.JSON {
			continue
		}
		for line := range strings.Lines(out.String()) {
			var v struct{ Kind string }
			if err := json.Unmarshal([]byte(line), &v); err != nil || v.Kind == "" {
				t.Errorf("%q: %v", line, err)
			}
		}
		if said.Len() > 0 {
			t.Errorf("beside the JSON: %q", said.String())
		}
	}
}

// TestManyFaults: a lost pack is told in a hundred lines, not in a million.
func TestManyFaults(t *testing.T) {
	var out, said bytes.Buffer
	p := New(Options{Stdout: &out, Stderr: &said})
	for range 10 * maxFaults {
		p.Fault(browse.Fault{Archive: browse.Archive{Key: "k"}, Err: errors.New("gone")}, "")
	}
	if n := strings.Count(said.String(), "\n"); n != maxFaults+1 || p.Faults() != 10*maxFaults {
		t.Errorf("%d lines for %d faults", n, p.Faults())
	}
}

// TestFits: in a terminal of 80 columns usual runs and subtrees have a line each, with the id, the sizes
// and the path. Where failures are all zero their column goes; with none left out, it is all there.
func TestFits(t *testing.T) {
	run := catalogue.Run{
		ID: "20261129T091803Z-409a8c80", Host: "backup.example.org", BackupPath: "/srv/data/photos", Depth: 2, Subtrees: 14_220, Saved: 1_204, Unchanged: 13_016,
		Bytes: 20 << 40, Stored: 3 << 40, Complete: true, Started: time.Unix(1.79e9, 0),
	}
	failed := run
	failed.Failed = 3
	subtree := catalogue.Subtree{Path: "srv/data/photos/2019", Status: catalogue.Unchanged, Entries: 123_456, Bytes: 62 << 30, ObjectSize: 61 << 30, Class: "DEEP_ARCHIVE", MD5: "m"}
	for _, width := range []int{0, 80} {
		for _, runs := range [][]catalogue.Run{{run}, {run, failed}} {
			var out bytes.Buffer
			p := New(Options{Width: width, Stdout: &out, Stderr: &out})
			p.Runs(runs)
			p.Heading(run)
			p.SubtreeHeads()
			p.Subtree(run, subtree)
			if err := p.Flush(); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			for _, line := range strings.Split(text, "\n") {
				if width > 0 && len(line) > width {
					t.Errorf("%d columns: %s", len(line), line)
				}
			}
			for _, want := range []string{run.ID, "20.0 TiB", "3.00 TiB", run.BackupPath, "61.0 GiB", "DEEP_ARCHIVE", "photos/2019"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
			if all := strings.Contains(text, "FAILED"); all != (width == 0 || len(runs) == 2) {
				t.Errorf("failed: %v\n%s", all, text)
			}
			if all := strings.Contains(text, "DEPTH") && strings.Contains(text, "backup.example.org") && strings.Contains(text, "ENTRIES"); all != (width == 0) {
				t.Errorf("all columns: %v\n%s", all, text)
			}
		}
	}
}

// TestStatus: who does what, what is left and what failed how often, on any width.
func TestStatus(t *testing.T) {
	s := hosts.Status{
		Run: "20261129T163400Z-ab", Operation: "backup", Firn: "1.2", Host: "head", Phase: hosts.PhaseWorking, Elapsed: 2 * time.Hour,
		Found: 14220, FoundBytes: 20 << 40, All: true, Done: 12852, DoneBytes: 8 << 40, Failed: 1, Open: 52, Left: 3 * time.Hour, Limit: "upload",
		Hosts: []report.Host{
			{Name: "node-1:17", Work: 12, Done: 900, Read: 1 << 40, ReadRate: 212 << 20, SentRate: 98 << 20, Spool: 3 << 30, Silent: time.Second, Now: []report.Work{{Path: "/srv/data/lab/run7", Doing: report.StageUpload, Source: 1 << 30, Done: 41, Total: 100}}},
			{Name: "node-2:18\x1b[2J"},
		},
		Trouble: []hosts.Trouble{
			{Name: "/srv/data/a", Hosts: []string{"node-1:17"}, Failed: "tried 5 times, on node-1:17: none of them ended it"},
			{Name: "/srv/data/b", Hosts: []string{"node-2:18", "node-1:17"}, Tries: []hosts.Try{{Host: "node-2:18"}, {Host: "node-1:17", Why: "reading it: input/output error"}}, Open: true},
			{Name: "/srv/data/c\n", Hosts: []string{"node-1:17"}},
		},
		Kept: hosts.Kept{Waiting: 40, Held: 12, Answers: 1}, Counts: hosts.Counts{Hosts: 3, Retried: 2, Twice: 1, Forged: 4},
	}
	for _, test := range []struct {
		o    Options
		want []string
		not  string
	}{
		{Options{}, []string{
			"firn backup on head: working for 2 h 00 min", "run      20261129T163400Z-ab", "found    14,220 archives, 20.0 TiB", "done     12,852 archives, 8.00 TiB; 1 failed", "queue    40 archives waiting, 12 in work, 1 answer to read",
			"hosts    3 workers joined, 2 archives handed out again, 1 archive done again, 4 forged messages", "left     3 h 00 min, limited by upload",
			"HOST", "node-1:17", "/srv/data/lab/run7, 41 % sent", `"node-2:18\x1b[2J"`,
			"failed: /srv/data/a: tried 5 times, on node-1:17: none of them ended it", "again: /srv/data/b; node-2:18: it was not heard of again; node-1:17: reading it: input/output error", `done at last: "/srv/data/c\n"; on node-1:17`,
		}, "\x1b"},
		{Options{Width: 60}, []string{"HOST", "MOVED/S"}, "SPOOL"},
		{Options{Width: 200}, []string{"READ/S"}, "RECEIVED/S"},
		{Options{Quiet: true}, []string{"node-1:17"}, "HOST"},
		{Options{JSON: true}, []string{`"kind":"status"`, `"left_seconds":10800`, `"stage":"upload"`, `"joined":3`, `"waiting":40`, `"name":"node-2:18\u001b[2J"`}, "\x1b"},
	} {
		var out strings.Builder
		test.o.Stdout = &out
		p := New(test.o)
		p.Status(s)
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%+v: not %q in\n%s", test.o, want, out.String())
			}
		}
		if strings.Contains(out.String(), test.not) {
			t.Errorf("%+v: %q in\n%s", test.o, test.not, out.String())
		}
	}
}

// TestStatusFits: whatever the size of the terminal, the heading stays at its top: no line is wider, and
// there are fewer than the terminal has.
func TestStatusFits(t *testing.T) {
	s := hosts.Status{
		Run: "20261129T163400Z-ab", Operation: "restore", Host: "head", Phase: hosts.PhaseWorking, Found: 14220, FoundBytes: 20 << 40, All: true, Left: -1,
		Kept: hosts.Kept{Waiting: 40, Held: 12, Answers: 1}, Counts: hosts.Counts{Hosts: 3, Retried: 2, Twice: 1, Forged: 4},
		Trouble: []hosts.Trouble{{Name: "/srv/größe 大 🗄", Failed: strings.Repeat("there is no room left on 大大大 ", 9)}, {Name: "/srv/last", Open: true}},
	}
	for i := range 12 {
		h := report.Host{Name: fmt.Sprintf("node-%02d:17", i), ReadRate: 1, SentRate: 5 << 20}
		if i%4 == 3 {
			h.Work, h.Now = 2, []report.Work{{Path: "/srv/大大大大大大大大大大大大大大大大大大", Doing: report.StageFetch}}
		}
		s.Hosts = append(s.Hosts, h)
	}
	s.Hosts[6].State, s.Hosts[6].Silent = report.HostLost, 3*time.Minute
	status := func(width, lines int) (string, []string) {
		var out strings.Builder
		p := New(Options{Width: width, Lines: lines, Stdout: &out})
		p.Status(s)
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		return out.String(), strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	for width := 20; width < 220; width += 7 {
		for lines := 2; lines < 50; lines++ {
			text, all := status(width, lines)
			if len(all) >= lines {
				t.Fatalf("%d lines in %d:\n%s", len(all), lines, text)
			}
			if head := "firn restore on head: working for 0.0 s"; !strings.HasPrefix(head, strings.TrimSuffix(all[0], "…")) {
				t.Fatalf("%d × %d: no heading:\n%s", width, lines, text)
			}
			for _, line := range all {
				if uniseg.StringWidth(line) > width {
					t.Fatalf("%d × %d: too wide: %s", width, lines, line)
				}
			}
		}
	}
	for _, tt := range []struct {
		width, lines int
		want         []string
		not          string
	}{
		{60, 15, []string{"queue    40 archives waiting, 12 in work, 1 answer to read\n", "RECEIVED/S", "node-03:17", "/srv/…大大大大大, being fe…", "and 10 more: 1 busy, 1 silent, 8 idle\n", "\n… 5 more lines\n"}, "node-00:17"},
		{80, 24, []string{"node-11:17", "node-06:17", "lost: not heard of for 3 min 00 s", "again: /srv/last"}, "more line"},
		{80, 50, []string{"node-00:17", "node-11:17", "no room left\non 大大大 there", "again: /srv/last"}, "more"},
		{80, 5, []string{"found  ", "\n… "}, "HOST"},
		{200, 0, []string{"node-00:17", strings.Repeat("there is no room left on 大大大 ", 9)}, "READ/S"},
	} {
		text, _ := status(tt.width, tt.lines)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%d × %d: not %q in\n%s", tt.width, tt.lines, want, text)
			}
		}
		if strings.Contains(text, tt.not) {
			t.Errorf("%d × %d: %q in\n%s", tt.width, tt.lines, tt.not, text)
		}
	}
}
