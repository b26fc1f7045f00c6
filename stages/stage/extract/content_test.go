package extract

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestContent(t *testing.T) {
	archive := tarOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "./d/"}, tar.Header{Typeflag: tar.TypeReg, Name: "/d/f"}, tar.Header{Typeflag: tar.TypeReg, Name: "./d/f", Size: 300_000},
		tar.Header{Typeflag: tar.TypeLink, Name: "d/h", Linkname: "./d/f"}, tar.Header{Typeflag: tar.TypeSymlink, Name: "d/l", Linkname: "../f"},
		tar.Header{Typeflag: tar.TypeFifo, Name: "d/p"}, tar.Header{Typeflag: tar.TypeLink, Name: "d/x", Linkname: "../../x"}, tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Size: 5})
	is := func(name string) func(string) bool { return func(n string) bool { return n == name } }
	for name, want := range map[string]*Found{
		"d/f": {Type: tar.TypeReg, Size: 300_000}, "d": {Type: tar.TypeDir}, "d/h": {Type: tar.TypeLink, Link: "d/f"},
		"d/l": {Type: tar.TypeSymlink, Link: "../f"}, "d/p": {Type: tar.TypeFifo}, "d/": nil, "f": nil, "/d/f": nil,
	} {
		var out bytes.Buffer
		got, err := Content(t.Context(), bytes.NewReader(archive), is(name), &out)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want || want != nil && int64(out.Len()) != want.Size {
			t.Errorf("%s: %+v, %v, %d bytes", name, got, err, out.Len())
		}
	}
	if _, err := Content(t.Context(), bytes.NewReader(archive), is("d/x"), io.Discard); !errors.Is(err, ErrDotDot) {
		t.Errorf("a hard link that leads out: %v", err)
	}
	for _, cut := range []int{700, 5000, 100_000} { // in the file, or before it
		if got, err := Content(t.Context(), bytes.NewReader(archive[:cut]), is("d/f"), io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %+v, %v", cut, got, err)
		}
	}
	if _, err := Content(t.Context(), bytes.NewReader(archive), is("d/f"), full{}); !errors.Is(err, errFull) {
		t.Errorf("an output that is full: %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
