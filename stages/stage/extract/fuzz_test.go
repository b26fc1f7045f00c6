package extract_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/extract"
)

// guarded extracts hostile bytes, twice over, in a target with links that lead out of it, and fails the test if anything beside it changes.
func guarded(t *testing.T, b []byte) {
	dir, to := surroundings(t)
	root := target(t, to)
	if err := errors.Join(os.Symlink("../outside", to+"/out"), os.Symlink(dir+"/outside/d", to+"/a"), os.Mkdir(to+"/b", 0o755), os.Symlink("../../outside", to+"/b/c")); err != nil {
		t.Fatal(err)
	}
	for _, rule := range []extract.Overwrite{extract.Always, extract.Never} {
		f := &faults{}
		x := extract.New(extract.Options{Target: root, Overwrite: rule, Report: f.report})
		r, _ := x.Extract(context.Background(), bytes.NewReader(b), "", nil, extract.Limits{MaxEntries: 1000, MaxBytes: 1 << 20}, nil)
		if err := x.Finish(); err != nil {
			t.Error(err)
		}
		if int64(len(f.all)) < r.Faults {
			t.Errorf("%+v with %d reports", r, len(f.all))
		}
	}
	untouched(t, dir)
	noTemps(t, to)
}

// FuzzBytes takes any bytes for a tar.
func FuzzBytes(f *testing.F) {
	f.Add(made(f, reg("a"), folder("b"), sym("l", "/"), hard("h", "a"), tar.Header{Name: "p", Typeflag: tar.TypeFifo}))
	f.Add(made(f, sym("d", "../outside"), reg("d/passwd"), reg("../x"), reg("/tmp/firn-was-here")))
	f.Add(sparseTar(f, "sparse"))
	f.Add([]byte("garbage"))
	f.Fuzz(guarded)
}

// parts is what names are made of.
var parts = [...]string{"a", "b", "c", "out", "..", ".", "", "d", "passwd", "new"}

// FuzzEntries makes entries of bytes: the type, how many elements the name has, and the link's; then the elements.
func FuzzEntries(f *testing.F) {
	f.Add([]byte("\x02\x11\x07\x03" + "\x00\x20\x07\x08"))                          // d -> out, then d/passwd
	f.Add([]byte("\x02\x12\x07\x04\x03" + "\x01\x12\x09\x07\x08" + "\x00\x10\x09")) // d -> ../out, new is d/passwd, then the file new
	f.Add([]byte("\x03\x20\x07\x01" + "\x02\x12\x07\x04\x03" + "\x00\x30\x07\x01\x08"))
	f.Fuzz(func(t *testing.T, script []byte) {
		var b []byte
		var e tarfmt.Encoder
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			c := script[0]
			script = script[1:]
			return int(c)
		}
		name := func(n int) string {
			var list []string
			for range n {
				list = append(list, parts[next()%len(parts)])
			}
			s := ""
			for i, p := range list {
				if i > 0 {
					s += "/"
				}
				s += p
			}
			return s
		}
		for n := 0; len(script) > 0 && n < 50; n++ {
			h := tarfmt.Header{Type: [...]byte{tarfmt.TypeReg, tarfmt.TypeLink, tarfmt.TypeSymlink, tarfmt.TypeDir, tarfmt.TypeFifo}[next()%5], Mode: 0o644, ModTime: time.Unix(1e9, 0)}
			sizes := next()
			h.Name = name(sizes >> 4 & 7)
			if link := name(sizes & 7); h.Type == tarfmt.TypeLink || h.Type == tarfmt.TypeSymlink {
				h.Link = link
			}
			if h.Type == tarfmt.TypeReg {
				h.Size = 3
			}
			at := len(b)
			var err error
			if b, err = e.Append(b, &h); err != nil {
				b = b[:at]
				continue
			}
			if h.Size > 0 {
				b = append(b, "abc"...)
				b = append(b, make([]byte, tarfmt.Padding(3))...)
			}
		}
		guarded(t, append(b, make([]byte, tarfmt.EndSize)...))
	})
}
