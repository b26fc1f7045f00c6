package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awkward makes a tree of everything that is hard to archive, below dir. Its times are fixed.
func awkward(t testing.TB, dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, data string, mode fs.FileMode) {
		t.Helper()
		must(os.MkdirAll(filepath.Dir(at(name)), 0o755))
		must(os.WriteFile(at(name), []byte(data), 0o600))
		must(os.Chmod(at(name), mode))
	}
	must(os.MkdirAll(dir, 0o755))
	for _, n := range []int{0, 1, 511, 512, 513, 1023, 1024, 1025, 300_000} {
		write(fmt.Sprintf("sizes/%d", n), strings.Repeat("data ", n/5+1)[:n], 0o644)
	}
	for _, name := range []string{"with space", "new\nline", "-dash", " blanks ", "back\\slash", "star*?[a]", "'quote\"", ".hidden", "größe", "日本語", "latin\xe9\xff", "\x01\x1b[31m", "~", "a=b", "100%"} {
		write("names/"+name, "of "+name, 0o640)
		write("names/dir "+name+"/file", "in "+name, 0o640)
		must(os.Symlink(name, at("names/link to "+name)))
	}
	for _, n := range []int{90, 98, 99, 100, 101, 102, 154, 155, 156, 254, 255} {
		for _, c := range []string{"n", "\xe9", "ß"} {
			name := strings.Repeat(c, n/len(c))
			write("long/"+name, "x", 0o644)
			must(os.Symlink(name, at(fmt.Sprintf("long/to %d %x", n, c))))
			write(fmt.Sprintf("long/d%d/%s/%s", n, name, name), "y", 0o644)
		}
	}
	must(os.MkdirAll(at("deep/"+strings.TrimSuffix(strings.Repeat(strings.Repeat("d", 249)+"/", 14), "/")), 0o755))
	write("deep/"+strings.Repeat(strings.Repeat("d", 249)+"/", 14)+"bottom", "z", 0o644)
	must(os.MkdirAll(at("empty/dir"), 0o700))
	must(os.Symlink("no/such/target", at("broken")))
	must(os.Symlink("/", at("absolute")))
	must(os.Symlink(strings.Repeat("../", 300)+"far", at("long target")))

	write("hard/a", "shared", 0o644)
	must(os.Link(at("hard/a"), at("hard/b")))
	must(os.Mkdir(at("hard/sub"), 0o755))
	must(os.Link(at("hard/a"), at("hard/sub/c\xe9")))
	write("hard/empty", "", 0o644)
	must(os.Link(at("hard/empty"), at("hard/empty too")))
	must(os.Symlink("a", at("hard/link")))
	must(os.Link(at("hard/link"), at("hard/link too")))

	must(unix.Mkfifo(at("fifo"), 0o620))
	must(unix.Mkfifo(at("fifo too"), 0o600))
	if l, err := net.Listen("unix", at("socket")); err != nil {
		t.Fatal(err)
	} else {
		t.Cleanup(func() { _ = l.Close() })
	}
	write("set/uid", "u", 0o755|fs.ModeSetuid)
	write("set/gid", "g", 0o755|fs.ModeSetgid)
	write("set/none", "n", 0)
	must(os.Mkdir(at("set/sticky"), 0o700))
	must(os.Chmod(at("set/sticky"), 0o777|fs.ModeSticky|fs.ModeSetgid))

	sparse(t, at("sparse/middle"), 10<<20, "begin", 5<<20, "middle")
	sparse(t, at("sparse/end"), 3<<20+7, "begin")
	sparse(t, at("sparse/last"), 1<<20, "", 1<<20-5, "right")
	sparse(t, at("sparse/nothing"), 4<<20)
	sparse(t, at("sparse/häl\xff"), 1<<20, "", 128<<10, "x")
	sparse(t, at("sparse/"+strings.Repeat("ö", 120)), 1<<20, "", 128<<10, "x")

	write("attrs/user", "x", 0o644)
	for name, value := range map[string]string{"user.text": "plain", "user.binary": "\x00\xff\n=", "user.empty": "", "user.long": strings.Repeat("v", 1500), "user.a=b 100%25": "escaped"} {
		must(unix.Setxattr(at("attrs/user"), name, []byte(value), 0))
	}
	must(os.Mkdir(at("attrs/dir"), 0o755))
	must(unix.Setxattr(at("attrs/dir"), "user.dir", []byte("d"), 0))
	write("attrs/empty", "", 0o644)
	must(unix.Setxattr(at("attrs/empty"), "user.e", []byte("e"), 0))
	write("attrs/acl", "x", 0o640)
	must(unix.Setxattr(at("attrs/acl"), "system.posix_acl_access", acl(6, 4, 7), 0))
	must(os.Mkdir(at("attrs/acl dir"), 0o750))
	must(unix.Setxattr(at("attrs/acl dir"), "system.posix_acl_access", acl(7, 5, 5), 0))
	must(unix.Setxattr(at("attrs/acl dir"), "system.posix_acl_default", acl(7, 1, 7), 0))

	if os.Getuid() == 0 {
		must(unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(unix.Mknod(at("loop"), unix.S_IFBLK|0o660, int(unix.Mkdev(7, 300))))
		write("owned/by number", "o", 0o600)
		must(os.Lchown(at("owned/by number"), 1234567, 7654321))
		write("owned/by name", "o", 0o4711&0o777|fs.ModeSetuid)
		must(os.Lchown(at("owned/by name"), 1, 1))
		must(os.Symlink("x", at("owned/link")))
		must(os.Lchown(at("owned/link"), 1, 1))
		must(os.Chmod(at("owned/by name"), 0o711|fs.ModeSetuid))
		must(unix.Setxattr(at("owned/by name"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
		must(unix.Setxattr(at("owned/by name"), "trusted.root", []byte("t"), 0))
	}
	age(t, dir)
}

// acl is the attribute of an ACL that gives user 1001 and group 1002 what is said, beside the owner.
func acl(owner, user, mask byte) []byte {
	return []byte("\x02\x00\x00\x00" +
		"\x01\x00" + string(owner) + "\x00\xff\xff\xff\xff" + "\x02\x00" + string(user) + "\x00\xe9\x03\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x08\x00\x06\x00\xea\x03\x00\x00" +
		"\x10\x00" + string(mask) + "\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")
}

// sparse makes a file of size bytes with holes: pieces are a text at offset 0, an offset, a text there, and so on.
func sparse(t testing.TB, name string, size int64, pieces ...any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	offset := 0
	for _, p := range pieces {
		switch p := p.(type) {
		case int:
			offset = p
		case string:
			if _, err := f.WriteAt([]byte(p), int64(offset)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(f.Truncate(size), f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// age gives every entry a fixed time of its own, children before their directory.
func age(t testing.TB, dir string) {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		all = append(all, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range slices.Backward(all) {
		nsec := int64(i) * 12345678 % 1e9
		if i%5 == 0 {
			nsec = 0
		}
		ts := unix.Timespec{Sec: 1_600_000_000 + int64(i), Nsec: nsec}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			t.Fatal(err)
		}
	}
}

// seen is what a comparison of trees looks at.
type seen struct {
	Mode    fs.FileMode
	UID     uint32
	GID     uint32
	Size    int64
	ModTime time.Time
	Rdev    uint64
	Link    string // target of a symbolic link
	Same    string // the first path of the same inode
	Holes   bool   // takes less room than its size
	Sum     string
	Xattrs  map[string]string
}

// look returns what is below dir, by path; sockets are left out.
func look(t testing.TB, dir string) map[string]seen {
	t.Helper()
	found, first := map[string]seen{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(p)
		if err != nil || info.Mode()&fs.ModeSocket != 0 {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		st := info.Sys().(*unixStat)
		s := seen{Mode: info.Mode(), UID: st.Uid, GID: st.Gid, ModTime: info.ModTime(), Xattrs: xattrsOf(t, p)}
		switch info.Mode().Type() {
		case 0:
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			s.Size, s.Holes, s.Sum = info.Size(), st.Blocks*512 < info.Size(), hex.EncodeToString(sum[:4])
		case fs.ModeSymlink:
			s.Link, err = os.Readlink(p)
		case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
			s.Rdev = st.Rdev
		}
		if !info.IsDir() {
			if _, ok := first[st.Ino]; !ok {
				first[st.Ino] = rel
			}
			s.Same = first[st.Ino]
		}
		found[rel] = s
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func xattrsOf(t testing.TB, p string) map[string]string {
	t.Helper()
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(p, names)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names[:n], []byte{0}), []byte{0}) {
		if len(name) > 0 {
			value := make([]byte, 64<<10)
			n, err := unix.Lgetxattr(p, string(name), value)
			if err != nil {
				t.Fatal(err)
			}
			found[string(name)] = string(value[:n])
		}
	}
	return found
}

// same compares two trees after forgive has taken out of both what a tool is known not to bring back.
func same(t *testing.T, got, want map[string]seen, forgive func(path string, s *seen)) {
	t.Helper()
	if forgive == nil {
		forgive = func(string, *seen) {}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[p]
		if !ok {
			t.Errorf("%q is missing", p)
			continue
		}
		w := want[p]
		forgive(p, &g)
		forgive(p, &w)
		if fmt.Sprintf("%+v", g) != fmt.Sprintf("%+v", w) {
			t.Errorf("%q:\n got %+v\nwant %+v", p, g, w)
		}
	}
	for p := range got {
		if _, ok := want[p]; !ok {
			t.Errorf("%q was not there", p)
		}
	}
}
