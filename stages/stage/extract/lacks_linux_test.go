package extract_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/stage/extract"
)

// TestLacks: what an earlier restore could not set, such as owners as nobody, is set by the next one, whose data stay; but a program that was
// another's is written anew.
func TestLacks(t *testing.T) {
	at := time.Unix(1e9, 0)
	owner := os.Getuid()
	if owner == 0 {
		owner = 12345
	}
	attr := map[string]string{"SCHILY.xattr.user.firn": "x"}
	headers := []tar.Header{
		{Name: "mode", Typeflag: tar.TypeReg, Mode: 0o640}, {Name: "attr", Typeflag: tar.TypeReg, PAXRecords: attr},
		{Name: "program", Typeflag: tar.TypeReg, Mode: 0o4755}, sym("link", "x"), {Name: "fifo", Typeflag: tar.TypeFifo, Mode: 0o622},
	}
	for i := range headers {
		headers[i].Uid, headers[i].Gid = owner, owner
	}
	b := made(t, headers...)
	entry := func(i int) extract.Expected {
		h := headers[i]
		return extract.Expected{
			Name: h.Name, Type: h.Typeflag, ModTime: at, Mode: uint32(h.Mode), UID: uint32(owner), GID: uint32(owner), Link: h.Linkname,
			Attrs: h.PAXRecords != nil,
		}
	}
	extracted := func(x *extract.Extractor, _ []int) (bool, error) {
		_, err := x.Extract(t.Context(), bytes.NewReader(b), "", nil, extract.Limits{}, nil)
		return true, err
	}
	listed := func(x *extract.Extractor, which []int) (bool, error) {
		return x.Intact(t.Context(), "", func(yield func(extract.Expected, error) bool) {
			for _, i := range which {
				if !yield(entry(i), nil) {
					return
				}
			}
		})
	}
	for _, c := range []struct {
		name   string
		again  func(x *extract.Extractor, which []int) (bool, error)
		which  []int
		intact bool
	}{
		{"extracted", extracted, []int{0, 1, 2, 3, 4}, true},
		{"listed", listed, []int{0, 3, 4}, true},
		{"listed with attributes", listed, []int{1}, false},
		{"listed program", listed, []int{2}, os.Getuid() != 0},
	} {
		for _, rule := range []extract.Overwrite{extract.Never, extract.Always} {
			to := t.TempDir()
			for _, h := range headers {
				p := filepath.Join(to, h.Name)
				var err error
				switch h.Typeflag {
				case tar.TypeReg:
					err = os.WriteFile(p, nil, 0o600)
				case tar.TypeSymlink:
					err = os.Symlink(h.Linkname, p)
				default:
					err = unix.Mkfifo(p, 0o600)
				}
				ts := []unix.Timespec{unix.NsecToTimespec(at.UnixNano()), unix.NsecToTimespec(at.UnixNano())}
				if err := errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, p, ts, unix.AT_SYMLINK_NOFOLLOW)); err != nil {
					t.Fatal(err)
				}
			}
			before := inodes(t, to)
			f := &faults{}
			x := extract.New(extract.Options{Target: target(t, to), Overwrite: rule, Owners: true, Report: f.report})
			intact, err := c.again(x, c.which)
			if err := errors.Join(err, x.Finish()); err != nil || intact != c.intact || len(f.all) > 0 {
				t.Fatalf("%s, %d: %v, %v\n%v", c.name, rule, intact, err, f)
			}
			if !intact {
				continue
			}
			for _, i := range c.which {
				h := headers[i]
				p := filepath.Join(to, h.Name)
				info, err := os.Lstat(p)
				if err != nil {
					t.Fatal(err)
				}
				st := info.Sys().(*syscall.Stat_t)
				if int(st.Uid) != owner || int(st.Gid) != owner && os.Getuid() == 0 || !info.ModTime().Equal(at) {
					t.Errorf("%s, %d: %s is %d:%d's, of %v", c.name, rule, h.Name, st.Uid, st.Gid, info.ModTime())
				}
				if mode := int64(st.Mode & 0o7777); h.Typeflag != tar.TypeSymlink && mode != h.Mode && h.Mode != 0 {
					t.Errorf("%s, %d: %s has the mode %o", c.name, rule, h.Name, mode)
				}
				value := make([]byte, 9)
				if n, err := unix.Lgetxattr(p, "user.firn", value); h.PAXRecords != nil && string(value[:max(n, 0)]) != "x" && err != unix.EOPNOTSUPP {
					t.Errorf("%s, %d: %s has the attribute %q, %v", c.name, rule, h.Name, value[:max(n, 0)], err)
				}
				if anew := before[h.Name] != st.Ino; anew != (h.Name == "program" && os.Getuid() == 0) {
					t.Errorf("%s, %d: %s was made anew: %v", c.name, rule, h.Name, anew)
				}
			}
		}
	}
}
