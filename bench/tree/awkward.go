package tree

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of entries that Awkward can leave out.
type Kind int

const (
	// TooDeep are paths of more than 4,096 bytes, which GNU tar and bsdtar pack but can't unpack.
	TooDeep Kind = iota
	// NotUTF8 are names that are not UTF-8.
	NotUTF8
	// Sockets are skipped in every archive.
	Sockets
	// Devices are device nodes, which only root can make.
	Devices
	// Unreadable are a file and a directory of mode 0; root can read them all the same.
	Unreadable
	// Owners are entries that belong to others, which only root can make.
	Owners
	// Attributes are extended attributes and ACLs.
	Attributes
	// FarTimes are times of modification before 1970 and after 2038.
	FarTimes
)

// Awkward fills a directory with what breaks backup programs, in four top-level directories ("a",
// "b", ".hidden", "modes") and beside them: odd names, every type of entry, links of every sort,
// deep paths, holes, odd modes, owners and times, extended attributes. It takes some 2 MiB of disk.
// skipped says what this file system or this user can't have.
func Awkward(dir string, without ...Kind) (skipped []string, err error) {
	m := begin(dir)
	a := awkward{without: without}
	a.names(m)
	a.linksAndTypes(m)
	m.dir("a", a.nested)
	m.dir("b", func(b *maker) { a.other(b, m) })
	m.dir(".hidden", func(h *maker) {
		h.file(".hidden file", "hidden\n")
		h.dir(".deeper", func(d *maker) { d.file("visible", "not so hidden\n") })
		h.dir(".empty", func(*maker) {})
	})
	m.dir("modes", a.modes)
	m.dir("sparse", func(s *maker) { a.sparse(s) })
	m.dir("times", a.times)
	m.dir("deep", func(d *maker) {
		nest(d, "short names", "d", 300)
		nest(d, "long names", strings.Repeat("long name ", 25), 12)
		if a.has(TooDeep) {
			nest(d, "too long", strings.Repeat("too long ", 28), 20)
		}
	})
	err = m.end()
	return m.skipped, err
}

type awkward struct{ without []Kind }

func (a awkward) has(k Kind) bool { return !slices.Contains(a.without, k) }

// names makes a file for each odd name, and some directories.
func (a awkward) names(m *maker) {
	odd := []string{
		"plain.txt", ".hidden.txt", "with space", " leading and trailing ", "new\nline", "tab\there", "\x01control\x1b[31m\x7f", `back\slash`,
		`escape \x41 \n`, `\~0123456789abcdef0123456789abcdef`, "quote'double\"back`tick", "-rf", "--checkpoint-action=exec=false", "*glob?[a-z]{x,y}", "$HOME", "~", "#comment", "!not",
		"...", "..data", "a:b", "100%", "a=b&c+d", "dots.in.name.tar.xz", "UPPER", "upper", "e\u0301 decomposed", "\u00e9 composed", "雪の日", "\u202eright to left", "\ufeffbom",
		"\U0001f9ca", strings.Repeat("n", 255), strings.Repeat("雪", 85), strings.Repeat("x", 100), strings.Repeat("y", 101), strings.Repeat(".", 155),
	}
	if a.has(NotUTF8) {
		odd = append(odd, "latin1 \xe9\xe8", "\xff\xfe", "cut off \xe9\x9b", "surrogate \xed\xa0\x80")
	}
	for i, name := range odd {
		m.file(name, fmt.Sprintf("file %d has an odd name\n", i))
	}
	m.file("empty", "")
	for _, name := range []string{"empty dir", "dir with\nnewline", "\u2028", "dir.tar.xz"} {
		m.dir(name, func(d *maker) {
			if name != "empty dir" {
				d.file(name, "in "+name)
			}
		})
	}
	if a.has(NotUTF8) {
		m.dir("dir \xff", func(d *maker) { d.file("file \xfe", "\xfd") })
	}
}

// linksAndTypes makes links of all sorts, and what is neither file nor directory.
func (a awkward) linksAndTypes(m *maker) {
	m.symlink("a", "link to dir")
	m.symlink("a/file", "link to file")
	m.symlink("nowhere/at all", "link broken")
	m.symlink("link itself", "link itself")
	m.symlink(".", "link to here")
	m.symlink("/etc/hostname", "link absolute")
	m.symlink("../../../../../../etc/passwd", "link out")
	m.symlink("new\nline", "link to newline")
	m.symlink(strings.Repeat("long/", 800), "link long")
	if a.has(NotUTF8) {
		m.symlink("latin1 \xe9\xe8", "link not utf8")
	}
	m.hardlink(m, "link broken", "link broken, hard")
	m.node("fifo", fs.ModeNamedPipe|0o640, 0, 0)
	if a.has(Sockets) {
		m.node("socket", fs.ModeSocket|0o755, 0, 0)
	}
	if a.has(Devices) {
		m.node("null device", fs.ModeDevice|fs.ModeCharDevice|0o666, 1, 3)
		m.node("block device", fs.ModeDevice|0o660, 259, 70000)
	}
}

// nested makes four levels of directories with files and hidden entries at each.
func (a awkward) nested(m *maker) {
	var level func(*maker, int)
	level = func(m *maker, n int) {
		m.file("file", fmt.Sprintf("%d levels down\n", n))
		m.file(".file", "hidden\n")
		m.file("nothing", "")
		m.symlink("file", "link")
		m.symlink("..", "up")
		m.dir("empty", func(*maker) {})
		if n == 4 {
			return
		}
		m.dir("d", func(d *maker) { level(d, n+1) })
		m.dir(".d", func(d *maker) { level(d, n+1) })
	}
	level(m, 1)
	m.file("hard 1", "one file, several names\n")
	m.hardlink(m, "hard 1", "hard 2")
	m.dir("hard", func(d *maker) { d.hardlink(m, "hard 1", "hard 3") })
}

// other makes what lies in more than one subtree: hard links to files in "a", at the same names as
// there.
func (a awkward) other(m, top *maker) {
	m.hardlink(top, "a/hard 1", "hard 1")
	m.hardlink(top, "a/d/file", "linked from below")
	m.hardlink(top, "plain.txt", "linked from above")
	m.file("zz first name last", "z\n")
	m.hardlink(m, "zz first name last", "aa second name first")
	m.dir("d", func(d *maker) {
		d.file("file", "has the name of another\n")
		for i := range 300 {
			d.file(fmt.Sprintf("f%d", i), strings.Repeat("x", i))
		}
	})
	if a.has(Attributes) {
		m.dir("attributes", a.attributes)
	}
}

func (a awkward) modes(m *maker) {
	for _, mode := range []uint32{0o600, 0o755, 0o777, 0o4755, 0o2755, 0o6711, 0o1644, 0o444} {
		name := fmt.Sprintf("file %04o", mode)
		m.file(name, name)
		m.chmod(name, mode)
	}
	for _, mode := range []uint32{0o700, 0o1777, 0o2775, 0o3771} {
		name := fmt.Sprintf("dir %04o", mode)
		m.dir(name, func(d *maker) { d.file("file", name) })
		m.chmod(name, mode)
	}
	if a.has(Unreadable) {
		m.file("unreadable", "nobody may read this")
		m.chmod("unreadable", 0)
		m.dir("unreadable dir", func(*maker) {})
		m.chmod("unreadable dir", 0)
	}
	if a.has(Owners) {
		m.file("owner", "someone else's\n")
		m.chown("owner", 12345, 54321)
		m.file("owner beyond octal", "2097152 and more\n")
		m.chown("owner beyond octal", 2_000_000_000, 2_097_152)
		m.symlink("owner", "owner of link")
		m.chown("owner of link", 12345, 54321)
		m.dir("owner of dir", func(*maker) {})
		m.chown("owner of dir", 1, 2)
	}
}

func (a awkward) times(m *maker) {
	at := map[string]time.Time{
		"epoch": time.Unix(0, 0), "one nanosecond": time.Unix(1_234_567_890, 1), "last nanosecond": time.Unix(1_234_567_890, 999_999_999),
		"tenth": time.Unix(1_234_567_890, 100_000_000), "whole second": time.Unix(1_234_567_890, 0), "2038": time.Unix(1<<31-1, 0),
	}
	if a.has(FarTimes) {
		at["1950"], at["before epoch"], at["2100"] = time.Unix(-631_152_000, 250_000_000), time.Unix(-1, 999_999_999), time.Unix(4_102_444_800, 5)
	}
	for _, name := range sortedKeys(at) {
		m.file(name, name)
		m.touch(name, at[name])
		m.symlink(name, name+" link")
		m.touch(name+" link", at[name])
		m.dir(name+" dir", func(*maker) {})
		m.touch(name+" dir", at[name])
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// attributes makes entries with user attributes, ACLs, and a capability.
func (a awkward) attributes(m *maker) {
	m.file("user", "x")
	m.xattr("user", "user.comment", "a comment")
	m.xattr("user", "user.empty", "")
	m.xattr("user", "user.binary", "\x00\n=\xff\x00")
	m.xattr("user", "user.100% = odd", "v")
	m.file("large", "x")
	m.xattr("large", "user.large", strings.Repeat("0123456789abcdef", 180))
	m.file("acl", "x")
	m.xattr("acl", "system.posix_acl_access", acl)
	m.dir("dir", func(d *maker) { d.file("file", "x") })
	m.xattr("dir", "user.on dir", "yes")
	m.xattr("dir", "system.posix_acl_default", acl)
	m.file("capability", "x")
	m.chmod("capability", 0o755)
	m.xattr("capability", "security.capability", capability)
	for _, name := range []string{"user", "large", "acl", "dir", "capability"} {
		m.touch(name, m.time())
	}
}

const (
	// acl is u::rw-,u:1234:r--,g::r--,g:4321:rwx,m::rwx,o::--- as Linux keeps it: version 2, then
	// tag, permissions and id of each.
	acl = "\x02\x00\x00\x00" +
		"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xd2\x04\x00\x00" +
		"\x04\x00\x04\x00\xff\xff\xff\xff" + "\x08\x00\x07\x00\xe1\x10\x00\x00" +
		"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	// capability is cap_net_bind_service=ep as vfs_cap_data, revision 2.
	capability = "\x01\x00\x00\x02" + "\x00\x04\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
)

// sparse makes files with holes at each place.
func (a awkward) sparse(m *maker) {
	const block, size = 64 << 10, 1 << 20
	write := func(name string, size int64, at ...int64) {
		m.fileWith(name, func(f *os.File) error {
			for _, off := range at {
				if _, err := f.WriteAt([]byte(strings.Repeat("data ", block/5)), off); err != nil {
					return err
				}
			}
			return f.Truncate(size)
		})
	}
	write("all hole", size)
	write("hole first", size, size-block)
	write("hole last", size, 0)
	write("hole last, odd size", size+1, 0)
	write("hole amid", size, 0, size-block)
	write("no hole", block, 0)
	var many []int64
	for off := int64(0); off < 64*block; off += 8 * block {
		many = append(many, off)
	}
	write("many holes", 64*block, many...)
	write("large hole", 32<<20, 0)
}

// nest makes directories in directories, with a file in the last.
func nest(m *maker, top, name string, levels int) {
	m.dir(top, func(d *maker) { nestIn(d, name, levels) })
}

func nestIn(m *maker, name string, levels int) {
	if levels == 0 {
		m.file("bottom", "as deep as it gets\n")
		return
	}
	m.dir(name, func(d *maker) { nestIn(d, name, levels-1) })
}

// Deep makes a chain of directories in dir with a file at its end; each level's name is nameLen
// bytes long.
func Deep(dir string, levels, nameLen int) error {
	m := begin(dir)
	nestIn(m, strings.Repeat("d", nameLen), levels)
	return m.end()
}
