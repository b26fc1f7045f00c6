package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/stage/walk"
)

type unixStat = syscall.Stat_t

// archived returns the tar of dir, and fails the test for every fault but a skipped socket.
func archived(t testing.TB, dir string) []byte {
	t.Helper()
	var b bytes.Buffer
	r, err := New().Write(context.Background(), &b, openTree(t, dir), walk.Subtree{Base: filepath.Base(dir)}, Observer{Fault: func(f Fault) {
		if f.What != Skipped {
			t.Errorf("%v: %v", f.What, f.Err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.TarSize != int64(b.Len()) {
		t.Errorf("TarSize is %d of %d", r.TarSize, b.Len())
	}
	return b.Bytes()
}

// run runs a tool with the archive on its standard input, in directory dir.
func run(t testing.TB, archive []byte, dir, locale string, name string, args ...string) error {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(archive)
	cmd.Env = append(os.Environ(), "LC_ALL="+locale)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%.2000s", name, args, err, out)
	}
	return nil
}

// extractor is Python's tarfile, from a file ("r:") or from a pipe ("r|").
func extractor(mode string) []string {
	return []string{"-c", `
import sys, tarfile
f = sys.stdin.buffer
if sys.argv[1] == "r:":
    import io
    f = io.BytesIO(f.read())
t = tarfile.open(fileobj=f, mode=sys.argv[1])
for m in t:
    t.extract(m, ".", numeric_owner=True, **({"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}))
`, mode}
}

func TestTools(t *testing.T) {
	src := filepath.Join(t.TempDir(), "tree")
	awkward(t, src)
	archive := archived(t, src)
	want := look(t, src)
	for _, tool := range []struct {
		name, locale string
		command      []string
		exit         int
		forgive      func(string, *seen)
	}{
		{"gnu", "C.UTF-8", []string{"tar", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "-xpf", "-"}, 0, nil},
		{"gnu in C", "C", []string{"tar", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", "-"}, 0, nil},
		// ACLs alone, by the text records.
		{"gnu with ACLs only", "C.UTF-8", []string{"tar", "--acls", "-xpf", "-"}, 0, func(_ string, s *seen) {
			maps.DeleteFunc(s.Xattrs, func(name, _ string) bool { return !strings.HasPrefix(name, "system.posix_acl") })
		}},
		{"bsdtar", "C.UTF-8", []string{"bsdtar", "--numeric-owner", "-xpf", "-"}, 0, bsdtar},
		// In a locale that knows no UTF-8, libarchive complains of every name in it, and restores its bytes.
		{"bsdtar in C", "C", []string{"bsdtar", "-xpf", "-"}, 1, bsdtar},
		{"python", "C.UTF-8", append([]string{"python3"}, extractor("r:")...), 0, python},
		{"python from a pipe", "C.UTF-8", append([]string{"python3"}, extractor("r|")...), 0, python},
	} {
		t.Run(tool.name, func(t *testing.T) {
			dir := t.TempDir()
			err := run(t, archive, dir, tool.locale, tool.command[0], tool.command[1:]...)
			code := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tool.exit {
				t.Errorf("exit code %d, not %d: %v", code, tool.exit, err)
			}
			same(t, look(t, filepath.Join(dir, "tree")), want, func(p string, s *seen) {
				s.Xattrs = maps.Clone(s.Xattrs)
				if tool.forgive != nil {
					tool.forgive(p, s)
				}
			})
		})
	}
}

// bsdtar reads an attribute's name as it is, escapes and all.
func bsdtar(_ string, s *seen) {
	delete(s.Xattrs, "user.a=b 100%25")
	delete(s.Xattrs, "user.a%3Db 100%2525")
}

// python keeps times as floating point numbers and sets none of links, nor of directories when it extracts one by one; it knows
// neither attributes nor ACLs.
func python(_ string, s *seen) {
	s.ModTime = s.ModTime.Round(time.Millisecond)
	if !s.Mode.IsRegular() {
		s.ModTime = time.Time{}
	}
	s.Xattrs = nil
}

// TestGo reads the archive with archive/tar and compares what it says of every entry.
func TestGo(t *testing.T) {
	src := filepath.Join(t.TempDir(), "tree")
	awkward(t, src)
	want := look(t, src)
	r := tar.NewReader(bytes.NewReader(archived(t, src)))
	n := 0
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
		rel, err := filepath.Rel("tree", h.Name)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := want[rel]
		if !ok {
			t.Fatalf("%q was not there", rel)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeLink {
			if h.Linkname != "tree/"+w.Same || w.Same == rel {
				t.Errorf("%q links to %q, not to %q", rel, h.Linkname, w.Same)
			}
			continue
		}
		if got := h.FileInfo().Mode(); got != w.Mode {
			t.Errorf("%q: mode %v, not %v", rel, got, w.Mode)
		}
		if !h.ModTime.Equal(w.ModTime) || h.Uid != int(w.UID) || h.Gid != int(w.GID) || h.Linkname != w.Link || h.Size != w.Size || int64(len(data)) != w.Size {
			t.Errorf("%q: got %+v, want %+v", rel, h, w)
		}
		if w.Rdev != 0 && (h.Devmajor != int64(unix.Major(w.Rdev)) || h.Devminor != int64(unix.Minor(w.Rdev))) {
			t.Errorf("%q: device %d, %d", rel, h.Devmajor, h.Devminor)
		}
	}
	if n != len(want) {
		t.Errorf("%d entries of %d", n, len(want))
	}
}
