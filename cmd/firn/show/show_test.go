package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"firn/stages/browse"
	"firn/stages/format/catalogue"
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
