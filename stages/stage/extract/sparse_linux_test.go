package extract_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/extract"
)

// withHoles returns the member of a file that has data in segments, each filled with its number.
func withHoles(t *testing.T, name string, size int64, segments ...tarfmt.Segment) []byte {
	t.Helper()
	var e tarfmt.Encoder
	b, err := e.Append(nil, &tarfmt.Header{Name: name, Type: tarfmt.TypeReg, Mode: 0o644, Size: size, ModTime: time.Unix(1e9, 0), Sparse: append([]tarfmt.Segment{}, segments...)})
	if err != nil {
		t.Fatal(err)
	}
	stored := int64(0)
	for i, s := range segments {
		b = append(b, bytes.Repeat([]byte{byte(i + 1)}, int(s.Length))...)
		stored += s.Length
	}
	return append(b, make([]byte, tarfmt.Padding(stored))...)
}

// TestHugeHoles restores a file of 15 TB in the time that its data take: nothing reads its holes.
func TestHugeHoles(t *testing.T) {
	const size = 15e12
	segments := []tarfmt.Segment{{Offset: 0, Length: 5}, {Offset: 7e12, Length: 300_000}, {Offset: 7e12 + 400_000, Length: 4096}, {Offset: size - 7, Length: 7}}
	many := make([]tarfmt.Segment, 2000) // whose map is of many blocks
	for i := range many {
		many[i] = tarfmt.Segment{Offset: int64(i) * 1e8, Length: int64(i%3) + 1}
	}
	var archive []byte
	for _, b := range [][]byte{
		withHoles(t, "huge", size, segments...), withHoles(t, "many", size, many...), withHoles(t, "passed", size, segments...),
		withHoles(t, "nothing", size), made(t, reg("good")),
	} {
		archive = append(archive, b...)
	}
	dir := t.TempDir()
	x := extract.New(extract.Options{Target: target(t, dir)})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := x.Extract(ctx, bytes.NewReader(archive), "", func(name string, _ bool) bool { return name != "passed" }, extract.Limits{}, nil)
	if err := errors.Join(err, x.Finish()); err != nil || r.Entries != 4 || r.Faults > 0 || r.Bytes < 3*size {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, segments := range map[string][]tarfmt.Segment{"huge": segments, "many": many, "nothing": nil} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if info, err := f.Stat(); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		for i, s := range segments {
			got := make([]byte, s.Length)
			if _, err := f.ReadAt(got, s.Offset); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{byte(i + 1)}, int(s.Length))) {
				t.Fatalf("%s: the data at %d are others, %v", name, s.Offset, err)
			}
		}
	}
}

// TestBadMaps has maps that do not fit what follows them. Each is one fault of the archive or of the
// file, and never one of the files after it.
func TestBadMaps(t *testing.T) {
	good := withHoles(t, "holes", 1<<20, tarfmt.Segment{Offset: 4096, Length: 600}, tarfmt.Segment{Offset: 1 << 19, Length: 100})
	after := made(t, reg("good"))
	for name, change := range map[string]struct{ old, new string }{
		"more data than the map has": {"\n600\n", "\n500\n"},
		"less data than the map has": {"\n600\n", "\n900\n"},
		"out of order":               {"\n4096\n", "\n900000\n"},
		"beyond the end":             {"\n524288\n", "\n1048570\n"},
		"negative":                   {"\n600\n", "\n-60\n"},
		"overflowing":                {"\n4096\n600\n", "\n9223372036854775807\n600\n"},
	} {
		t.Run(name, func(t *testing.T) {
			at := bytes.Index(good, []byte(change.old))
			if at < 0 {
				t.Fatalf("%q is not in it", change.old)
			}
			bad := bytes.Clone(good)
			copy(bad[at:], change.new) // those that are longer take digits that no longer matter
			if len(change.new) > len(change.old) {
				bad = append(bytes.Clone(good[:at]), change.new...)
				bad = append(bad, good[at+len(change.old):]...)
				bad = append(bad[:1024+512], bad[1024+512+len(change.new)-len(change.old):]...)
			}
			_, f, err := lay(t, t.TempDir(), extract.Options{}, append(bad, after...), "", nil)
			if err == nil && len(f.all) == 0 {
				t.Error("it was restored without a word")
			}
		})
	}
}

// TestAbsurdSize has a file that no file system can have: one error, and the rest is restored.
func TestAbsurdSize(t *testing.T) {
	const size = 1<<63 - 1
	dir := t.TempDir()
	r, f, err := lay(t, dir, extract.Options{}, append(withHoles(t, "absurd", size, tarfmt.Segment{Offset: 0, Length: 5}), made(t, reg("good"))...), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.all) == 0 { // this file system can
		if info, err := os.Stat(filepath.Join(dir, "absurd")); err != nil || info.Size() != size {
			t.Errorf("%v, %v", info, err)
		}
		return
	}
	if r.Entries != 1 || len(f.all) != 1 || !errors.Is(f.all[0].Err, unix.EFBIG) || strings.Count(f.all[0].Err.Error(), "absurd") != 1 {
		t.Errorf("%+v\n%v", r, f)
	}
}
