package archive

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// TestFaults puts each fault between two sound files, which must be in the archive whatever happens between them.
func TestFaults(t *testing.T) {
	const data = "0123456789"
	long := strings.Repeat(data, 100_000)
	huge := make([]byte, tarfmt.MaxRecords)
	for _, c := range []struct {
		name   string
		breaks func(f *fake)
		want   string // content; "-": not in the archive
		what   Kind
		err    error
	}{
		{"nothing", func(*fake) {}, data, "", nil},
		{"unreadable", func(f *fake) { f.openErr = unix.EACCES }, "-", Unreadable, fs.ErrPermission},
		{"vanished", func(f *fake) { f.openErr = unix.ENOENT }, "-", Vanished, fs.ErrNotExist},
		{"replaced", func(f *fake) { f.openErr = walk.ErrVanished }, "-", Vanished, walk.ErrVanished},
		{"shrunk", func(f *fake) { f.data = data[:7] }, data[:7] + "\x00\x00\x00", Changed, ErrShrank},
		{"emptied", func(f *fake) { f.data = "" }, strings.Repeat("\x00", 10), Changed, ErrShrank},
		{"shrunk after it was read", func(f *fake) { f.now = &state{3, then, then} }, data, Changed, ErrShrank},
		{"grown", func(f *fake) { f.data += "more" }, data, Changed, ErrGrew},
		{"modified", func(f *fake) { f.now = &state{10, then.Add(1), then} }, data, Changed, ErrModified},
		{"renamed", func(f *fake) { f.now = &state{10, then, then.Add(1)} }, data, Changed, ErrModified},
		{"no state", func(f *fake) { f.stateErr = unix.ESTALE }, data, Changed, unix.ESTALE},
		{"bad block", func(f *fake) { f.readErr, f.failAt = unix.EIO, 4 }, data[:4] + strings.Repeat("\x00", 6), Truncated, unix.EIO},
		{"bad disk", func(f *fake) { f.readErr = unix.EIO }, strings.Repeat("\x00", 10), Truncated, unix.EIO},
		{"bad block far in", func(f *fake) {
			f.data, f.Entry.Size, f.readErr, f.failAt = long, int64(len(long)), unix.EIO, 999_999
		}, long[:999_999] + "\x00", Truncated, unix.EIO},
		{"attributes", func(f *fake) { f.attrErr = unix.EPERM }, data, Bare, unix.EPERM},
		{"huge attribute", func(f *fake) { f.attrs = map[string][]byte{"user.huge": huge, "user.ok": nil} }, data, Bare, errAttributes},
		{"socket", func(f *fake) { f.Mode = unix.S_IFSOCK }, "-", Skipped, ErrSocket},
		{"door", func(f *fake) { f.Mode = 0 }, "-", Skipped, ErrType},
		{"no tar name", func(f *fake) { f.Name = "/" }, "-", Unreadable, tarfmt.ErrHeader},
		{"huge name", func(f *fake) { f.Name = string(huge) }, "-", Unreadable, tarfmt.ErrHeader},
		{"holes can't be told", func(f *fake) { f.Blocks, f.seekErr = 0, unix.EINVAL }, data, "", nil},
		{"holes after all none", func(f *fake) { f.Blocks = 0 }, data, "", nil},
		{"unlisted directory", func(f *fake) { f.Mode, f.data, f.Entry.Size, f.listErr = unix.S_IFDIR|0o700, "", 4096, unix.EACCES }, "", Unreadable, fs.ErrPermission},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake("d/broken", 0o644, data)
			c.breaks(f)
			tree := &fakes{entries: []*fake{newFake("d", unix.S_IFDIR|0o755, ""), newFake("d/before", 0o644, "before"), f, newFake("d/next", 0o644, "next")}}
			got, faults, r, _ := tree.write(t, 0)
			want := map[string]string{"d/": "", "d/before": "before", "d/next": "next"}
			switch {
			case f.Type() == unix.S_IFDIR:
				want["d/broken/"] = ""
			case c.want != "-":
				want["d/broken"] = c.want
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %.300q\nwant %.300q", got, want)
			}
			if c.what == "" {
				if len(faults) != 0 || r.Faults != 0 {
					t.Errorf("faults: %v", faults)
				}
				return
			}
			if len(faults) != 1 || faults[0].What != c.what || !errors.Is(faults[0].Err, c.err) || faults[0].Path != f.Path || !strings.Contains(faults[0].Err.Error(), f.Path) {
				t.Errorf("faults %v, not one %v of %q with %v", faults, c.what, f.Path, c.err)
			}
		})
	}
}

// TestHolesAndFaults has what goes wrong in a file with holes.
func TestHolesAndFaults(t *testing.T) {
	data := []byte(strings.Repeat("\x00", 4096) + "piece" + strings.Repeat("\x00", 4091) + strings.Repeat("\x00", 4096) + "last")
	want := string(data)
	f := newFake("f", 0o644, want)
	f.Blocks = 1
	f.segments = []tarfmt.Segment{{Offset: 4096, Length: 4096}, {Offset: 12288, Length: 4}}
	tree := &fakes{entries: []*fake{f}}
	got, faults, r, _ := tree.write(t, 0)
	if got["f"] != want || len(faults) != 0 {
		t.Errorf("with holes: %.100q, %v", got["f"], faults)
	}
	if header := int64(3*512 + 512); r.TarSize != header+4096+512+tarfmt.EndSize || r.Bytes != int64(len(want)) {
		t.Errorf("the holes are in the archive: %+v", r)
	}
	f.data = want[:4098]
	got, faults, _, _ = tree.write(t, 0)
	if got["f"] != want[:4098]+strings.Repeat("\x00", len(want)-4098) || len(faults) != 1 || faults[0].What != Changed {
		t.Errorf("shrunk: %d bytes, %v", len(got["f"]), faults)
	}
	f.data, f.readErr, f.failAt = want, unix.EIO, 12289
	got, faults, _, _ = tree.write(t, 0)
	if got["f"] != want[:12289]+"\x00\x00\x00" || len(faults) != 1 || faults[0].What != Truncated {
		t.Errorf("bad block: %.100q, %v", got["f"], faults)
	}
}

// TestTooManyOpen has a process that can open fewer files than there are in a window.
func TestTooManyOpen(t *testing.T) {
	for most := 1; most <= 3; most++ {
		tree := &fakes{most: most}
		want := map[string]string{}
		for i := range 3 * window {
			name := "f" + strings.Repeat("x", i)
			tree.entries = append(tree.entries, newFake(name, 0o644, name))
			want[name] = name
		}
		if got, faults, _, _ := tree.write(t, 0); !maps.Equal(got, want) || len(faults) != 0 {
			t.Errorf("with %d open at most: %d members, faults %v", most, len(got), faults)
		}
	}
	tree := &fakes{entries: []*fake{newFake("f", 0o644, "f")}}
	tree.entries[0].openErr = unix.EMFILE
	if _, faults, _, _ := tree.write(t, 0); len(faults) != 1 || faults[0].What != Unreadable {
		t.Errorf("with none open: %v", faults)
	}
}
