package catalogue

import (
	"archive/tar"
	"strings"
	"testing"
	"time"
)

// TestDiffers changes each field of an entry in turn: all of them must be seen.
func TestDiffers(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC)
	header := tar.Header{Typeflag: tar.TypeReg, Name: "d/f", Size: 5, Mode: 0o4755, ModTime: at, Uid: 1, Gid: 2, PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}
	e := FromTar("d/f", &header)
	want := Entry{Path: "d/f", Type: File, Size: 5, ModTime: at, Mode: "4755", UID: 1, GID: 2, Attrs: true}
	if said := want.Differs(e); said != "" {
		t.Errorf("differs from itself: %s", said)
	}
	for said, change := range map[string]func(*Entry){
		"in place of":      func(e *Entry) { e.Path = "d/g" },
		"is a fifo":        func(e *Entry) { e.Type = FIFO },
		"has 6 bytes":      func(e *Entry) { e.Size = 6 },
		"leads to":         func(e *Entry) { e.Target = "x" },
		"was modified":     func(e *Entry) { e.ModTime = at.Add(1) },
		"has the mode 755": func(e *Entry) { e.Mode = "755" },
		"belongs to 3:2":   func(e *Entry) { e.UID = 3 },
		"belongs to 1:3":   func(e *Entry) { e.GID = 3 },
		"has no extended":  func(e *Entry) { e.Attrs = false },
	} {
		other := e
		change(&other)
		if got := want.Differs(other); !strings.Contains(got, said) {
			t.Errorf("%q, not %q", got, said)
		}
	}
	if padded := e; func() bool { padded.Mode = "04755"; return want.Differs(padded) != "" }() {
		t.Error("the same mode, written otherwise, differs")
	}
}

// TestFromTar: types, links, old tars' directories, and a time that RFC 3339 can't write.
func TestFromTar(t *testing.T) {
	for _, c := range []struct {
		header tar.Header
		want   Entry
	}{
		{tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o40755}, Entry{Path: "m", Type: Directory, Mode: "0755"}},
		{tar.Header{Typeflag: tar.TypeReg, Name: "d/"}, Entry{Path: "m", Type: Directory, Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeSymlink, Linkname: "to/"}, Entry{Path: "m", Type: Symlink, Target: "to/", Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeLink, Linkname: "d/f", Size: 7}, Entry{Path: "m", Type: Hardlink, Target: "d/f", Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeFifo}, Entry{Path: "m", Type: FIFO, Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeChar}, Entry{Path: "m", Type: CharDev, Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeBlock}, Entry{Path: "m", Type: BlockDev, Mode: "0000"}},
		{tar.Header{Typeflag: tar.TypeGNUSparse, Size: 1 << 40}, Entry{Path: "m", Type: File, Size: 1 << 40, Mode: "0000"}},
	} {
		if got := FromTar("m", &c.header); c.want.Differs(got) != "" {
			t.Errorf("%+v: %s", c.header, c.want.Differs(got))
		}
	}
	far := FromTar("m", &tar.Header{ModTime: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)})
	if far.ModTime.Year() != 9999 {
		t.Errorf("%v", far.ModTime)
	}
}
