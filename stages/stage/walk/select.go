package walk

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

const (
	cacheTag = "CACHEDIR.TAG"
	// cacheSignature is how a CACHEDIR.TAG begins (https://bford.info/cachedir/).
	cacheSignature = "Signature: 8a477f597d28d172789f06886806bc55"
)

// enters reports whether an entry is a directory that is opened for what is in it.
func (t *Tree) enters(st *unix.Stat_t, tk take) bool {
	return isDir(st) && tk != takeNone && !t.otherFileSystem(st)
}

// otherFileSystem reports whether what is in an entry is left out because of its file system.
func (t *Tree) otherFileSystem(st *unix.Stat_t) bool {
	return t.o.OneFileSystem && uint64(st.Dev) != t.id.dev && isDir(st)
}

// A Left is a directory whose content is left out, though no pattern says so.
type Left struct {
	Path  string // as a user would write it
	Cache bool   // it has a CACHEDIR.TAG, which is taken; else it is on another file system
}

// maxLeft bounds what a Scan says of what it leaves out.
const maxLeft = 1000

// read lists what is to be taken of a directory, as far as the listing alone decides that. rel is
// the directory's path below the backup path, with a slash at its end unless it is "". With an
// error, the names read so far are returned as well.
func (t *Tree) read(d *dir, rel []byte, tk take) (*names, error) {
	n, err := t.list(d)
	n.tagged = t.o.ExcludeCaches && isCache(d, n)
	if !n.tagged && tk == takeAll && t.o.Exclude.Empty() {
		return n, err
	}
	kept := n.at[:0]
	for _, a := range n.at {
		name := n.raw(a)
		switch {
		case n.tagged && string(name) != cacheTag:
		case tk == takeFiles && a.kind == kindDir:
		case a.kind != kindUnknown && t.excludes(d, rel, name, a.kind == kindDir, tk):
		default:
			kept = append(kept, a)
		}
	}
	n.at = kept
	return n, err
}

// look is lstat of an entry that read has listed. It decides finally whether the entry is taken.
func (t *Tree) look(d *dir, n *names, i int, rel []byte, tk take, st *unix.Stat_t) (taken bool, err error) {
	name := n.name(i)
	if err := fsys.Lstat(d.fd, name, st); err != nil {
		return false, vanished(err)
	}
	isdir := isDir(st)
	if tk == takeFiles && isdir {
		return false, nil
	}
	if n.at[i].kind == kindUnknown && t.excludes(d, rel, []byte(name), isdir, tk) {
		return false, nil
	}
	if isdir && t.leave[idOf(st)] {
		return false, nil
	}
	return len(t.leaveAt) == 0 || !t.leaveAt[string(rel)+name], nil
}

// excludes reports whether a pattern leaves out an entry of d. Who wants to know of such entries is
// told of each once: what is in a directory above the depth is listed by Cut too, not only for its
// shell.
func (t *Tree) excludes(d *dir, rel, name []byte, isdir bool, tk take) bool {
	which := t.o.Exclude.WhichIn(rel, name, isdir)
	if which < 0 {
		return false
	}
	if t.o.Excluded != nil && tk == takeAll {
		var st unix.Stat_t
		var size int64
		if !isdir && fsys.Lstat(d.fd, string(name), &st) == nil && fsys.Type(&st) == unix.S_IFREG {
			size = st.Size
		}
		t.o.Excluded(which, isdir, size)
	}
	return true
}

// isCache reports whether a directory is marked as a cache.
func isCache(d *dir, n *names) bool {
	_, found := slices.BinarySearchFunc(n.at, []byte(cacheTag), func(a nameAt, tag []byte) int { return bytes.Compare(n.raw(a), tag) })
	if !found {
		return false
	}
	fd, err := openQuietly(d.fd, cacheTag, unix.O_NOFOLLOW)
	if err != nil {
		return false
	}
	defer fsys.CloseRead(fd)
	var st unix.Stat_t
	if fsys.Fstat(fd, &st) != nil || fsys.Type(&st) != unix.S_IFREG {
		return false
	}
	buf := make([]byte, len(cacheSignature))
	got, err := unix.Pread(fd, buf, 0)
	return err == nil && bytes.Equal(buf[:got], []byte(cacheSignature))
}
