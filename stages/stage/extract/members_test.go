package extract

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

func tarOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMembers(t *testing.T) {
	good := tarOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "./d/"}, tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Size: 3000},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "d/l", Linkname: "/etc"})
	names := func(b []byte) (names []string, err error) {
		err = Members(t.Context(), bytes.NewReader(b), func(name string, _ *tar.Header) error {
			names = append(names, name)
			return nil
		})
		return names, err
	}
	if got, err := names(good); err != nil || !slices.Equal(got, []string{"d", "d/f", "d/l"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, cut := range []int{0, 100, 512, 700, 3000, len(good) - 1024} {
		if _, err := names(good[:cut]); !errors.Is(err, io.ErrUnexpectedEOF) && cut%512 != 0 || err == nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	for name, want := range map[string]error{"/etc/x": ErrAbsolute, "a/../../x": ErrDotDot} {
		if _, err := names(tarOf(t, tar.Header{Typeflag: tar.TypeReg, Name: name})); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mine := errors.New("mine")
	if err := Members(t.Context(), bytes.NewReader(good), func(string, *tar.Header) error { return mine }); err != mine {
		t.Errorf("%v", err)
	}
}
