package catalogue_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"firn/stages/format/catalogue"
)

// paths are any bytes, with what the format escapes among them.
func paths() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ü", "\xff", `\`, `\x41`, "\n", `"`, " ", "<", "\u2028", "/", "\x00", "\x7f"}), 1, 8).Draw(t, "path"), "")
	})
}

func times() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(-62_000_000_000, 253_000_000_000), func(s int64) time.Time { return time.Unix(s, s&0xfffffff).UTC() })
}

func entries() *rapid.Generator[catalogue.Entry] {
	return rapid.Custom(func(t *rapid.T) catalogue.Entry {
		return catalogue.Entry{
			Path: paths().Draw(t, "path"), Type: rapid.SampledFrom([]string{catalogue.File, catalogue.Symlink}).Draw(t, "type"),
			Size: rapid.Int64Min(0).Draw(t, "size"), ModTime: times().Draw(t, "mtime"), Mode: "0644",
			UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid"), Target: paths().Draw(t, "target"), Attrs: rapid.Bool().Draw(t, "attrs"),
		}
	})
}

// TestLists writes lists one after the other and reads them back from where each begins.
func TestLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOf(entries()), 1, 4).Draw(t, "lists")
		var pack bytes.Buffer
		for _, list := range lists {
			w := must(catalogue.NewList(&pack, "home/\xff", "home/x.tar.bz2"))(t)
			for _, e := range list {
				check(t, w.Add(&e))
			}
			check(t, w.Close("d41d8cd98f00b204e9800998ecf8427e"))
		}
		r := bufio.NewReader(&pack)
		for _, want := range lists {
			l := must(catalogue.OpenList(r))(t)
			if l.Head.Path != "home/\xff" || l.Head.Key != "home/x.tar.bz2" {
				t.Fatalf("the head came back as %+v", l.Head)
			}
			var got []catalogue.Entry
			for {
				e, err := l.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				check(t, err)
				got = append(got, e)
			}
			if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
				t.Fatal(d)
			}
			if l.MD5() != "d41d8cd98f00b204e9800998ecf8427e" {
				t.Fatalf("the MD5 came back as %q", l.MD5())
			}
		}
	})
}

// TestEntryAsJSON holds the writer of entries to encoding/json.
func TestEntryAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entries().Draw(t, "entry")
		var zipped bytes.Buffer
		w := must(catalogue.NewList(&zipped, "p", "k"))(t)
		check(t, w.Add(&e))
		check(t, w.Close(""))
		got := strings.Split(gunzip(t, zipped.Bytes()), "\n")[1]
		e.Path, e.Target = catalogue.Escape(e.Path), catalogue.Escape(e.Target)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		check(t, enc.Encode(e))
		var a, b any
		check(t, json.Unmarshal(want.Bytes(), &a))
		check(t, json.Unmarshal([]byte(got), &b))
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("%s\n%s", d, got)
		}
	})
}

func TestTimesBeyondRFC3339(t *testing.T) {
	for _, at := range []time.Time{time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-3, 1, 1, 0, 0, 0, 0, time.UTC)} {
		var b bytes.Buffer
		w := must(catalogue.NewList(&b, "p", "k"))(t)
		check(t, w.Add(&catalogue.Entry{Path: "p", Type: catalogue.File, ModTime: at, Mode: "0644"}))
		check(t, w.Close(""))
		l := must(catalogue.OpenList(&b))(t)
		if e, err := l.Next(); err != nil || e.ModTime.IsZero() {
			t.Errorf("%s came back as %v: %v", at, e.ModTime, err)
		}
	}
}

func TestManifest(t *testing.T) {
	want := []catalogue.Subtree{
		{Path: "home/\xff\\x", Status: catalogue.Saved, Key: "k", MD5: "m", List: &catalogue.Place{Pack: "p", Offset: 7, Length: 9}, Stored: time.Unix(1e9, 0).UTC()},
		{Path: "home", Shell: true, Status: catalogue.Failed, Error: "no", Faults: []catalogue.Fault{{Path: "\xfe", Kind: "unreadable", Error: "x"}}, AllFaults: 2000},
	}
	var b bytes.Buffer
	w := must(catalogue.NewManifest(&b, "run", 2))(t)
	for _, s := range want {
		check(t, w.Add(s))
	}
	check(t, w.Close())
	whole := b.Bytes()
	r := must(catalogue.OpenManifest(bytes.NewReader(whole), "run", 2))(t)
	var got []catalogue.Subtree
	for {
		s, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		check(t, err)
		got = append(got, s)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := catalogue.OpenManifest(bytes.NewReader(whole), "run", 1); !errors.Is(err, catalogue.ErrFormat) {
		t.Errorf("another volume was taken: %v", err)
	}
	if _, err := catalogue.OpenList(bytes.NewReader(whole)); !errors.Is(err, catalogue.ErrFormat) {
		t.Errorf("a manifest was taken for a list: %v", err)
	}
}

func TestRun(t *testing.T) {
	want := catalogue.Run{
		Format: 1, ID: "20261123T203000Z-1a2b3c4d", Started: time.Unix(1e9, 0).UTC(), Ended: time.Unix(2e9, 5).UTC(), BackupPath: "./\xff", Path: "\xff",
		Exclude: []string{"*.o", "\xfe"}, Complete: true, Manifest: []string{"a", "b"}, CutFaults: []catalogue.Fault{{Path: `a\b`}},
		Left: []catalogue.Left{{Path: "\xff/a", Why: catalogue.InCache}, {Path: `b\`, Why: catalogue.Unsaved, Shell: true}}, LeftMore: true,
	}
	var b bytes.Buffer
	check(t, catalogue.WriteRun(&b, want))
	if d := cmp.Diff(want, must(catalogue.ReadRun(bytes.NewReader(b.Bytes())))(t)); d != "" {
		t.Error(d)
	}
	later := strings.Replace(gunzip(t, b.Bytes()), `"firn_run":1`, `"firn_run":2`, 1)
	if _, err := catalogue.ReadRun(zipped(later)); !errors.Is(err, catalogue.ErrFormat) || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a later version: %v", err)
	}
}

// TestCutShort ends a list after every line and at every byte: none of it may be taken for the
// whole.
func TestCutShort(t *testing.T) {
	var b bytes.Buffer
	w := must(catalogue.NewList(&b, "p", "k"))(t)
	for range 3 {
		check(t, w.Add(&catalogue.Entry{Path: "p/a", Type: catalogue.File, Mode: "0644"}))
	}
	check(t, w.Close("m"))
	for n := range b.Len() {
		if err := readList(bytes.NewReader(b.Bytes()[:n])); err == nil {
			t.Fatalf("%d bytes of %d are taken for the whole", n, b.Len())
		}
	}
	all := strings.SplitAfter(strings.TrimSuffix(gunzip(t, b.Bytes()), "\n"), "\n")
	for n := range all {
		if err := readList(zipped(strings.Join(all[:n], ""))); !errors.Is(err, catalogue.ErrCutShort) {
			t.Errorf("after %d lines: %v", n, err)
		}
	}
	if err := readList(zipped(all[0] + all[1] + all[4])); !errors.Is(err, catalogue.ErrCutShort) {
		t.Errorf("with two lines missing: %v", err)
	}
	if err := readList(zipped(strings.Join(all, "") + "\n{}")); !errors.Is(err, catalogue.ErrFormat) {
		t.Errorf("with a line too many: %v", err)
	}
}

// TestTools reads a manifest with gunzip and python's json, line by line.
func TestTools(t *testing.T) {
	var b bytes.Buffer
	w := must(catalogue.NewManifest(&b, "run", 1))(t)
	check(t, w.Add(catalogue.Subtree{Path: "a\xff\n", Status: catalogue.Saved, Key: "k"}))
	check(t, w.Close())
	gzip := exec.Command("gzip", "-dc")
	gzip.Stdin = &b
	plain, err := gzip.Output()
	check(t, err)
	python := exec.Command("python3", "-c", `import sys, json; print(*[json.loads(l).get("path") for l in sys.stdin])`)
	python.Stdin = bytes.NewReader(plain)
	got, err := python.Output()
	check(t, err)
	if want := "None a\\xff\n None\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func readList(r io.Reader) error {
	l, err := catalogue.OpenList(r)
	for err == nil {
		_, err = l.Next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func zipped(text string) *bytes.Buffer {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return &b
}

func gunzip(t fataler, b []byte) string {
	r, err := gzip.NewReader(bytes.NewReader(b))
	check(t, err)
	text, err := io.ReadAll(r)
	check(t, err)
	return string(text)
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func check(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(fataler) T {
	return func(t fataler) T {
		t.Helper()
		check(t, err)
		return v
	}
}
