package tree

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
)

// DiffOptions says what two trees may differ in. The zero value compares everything but holes.
type DiffOptions struct {
	// Skip leaves an entry out of both trees, with what is in it; path is relative to the tree, ""
	// the tree's own directory.
	Skip func(path string, mode fs.FileMode) bool
	// LinkScope names the part of the tree within which names of one file must be names of one file
	// in the other; nil makes the whole tree one part. A file that has names in two archives comes
	// back as two.
	LinkScope func(path string) string
	// NoOwners, NoXattrs and NoTimes leave these out.
	NoOwners, NoXattrs, NoTimes bool
	// NoDirTimes leaves out the times of directories.
	NoDirTimes bool
	// Holes demands that no file of b takes more disk than that of a, by more than a sixteenth and
	// 64 KiB.
	Holes bool
	// TimeUnit is what times are rounded down to; 0 is 1 ns.
	TimeUnit time.Duration
}

// entry is what is compared of an entry.
type entry struct {
	mode     fs.FileMode
	uid, gid uint32
	size     int64
	mtime    time.Time
	rdev     uint64
	link     string
	content  [32]byte
	xattrs   map[string]string
	leader   string // the first path, in byte order, that is a name of the same file
	used     int64  // bytes of disk
}

// Diff compares two trees: names, types, contents, modes, owners, times of modification to the
// nanosecond, extended attributes and ACLs, targets of links, device numbers, and which names are
// names of one file. It returns what differs in byte order of the paths, a line each; nothing when
// they are equal.
func Diff(a, b string, o DiffOptions) ([]string, error) {
	in, err := read(a, o)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", a, err)
	}
	out, err := read(b, o)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", b, err)
	}
	var lines []string
	for _, p := range slices.Sorted(maps.Keys(in)) {
		if other, ok := out[p]; !ok {
			lines = append(lines, fmt.Sprintf("%q: missing in %s", p, b))
		} else if what := o.compare(in[p], other); len(what) > 0 {
			lines = append(lines, fmt.Sprintf("%q: %s", p, strings.Join(what, "; ")))
		}
	}
	for p := range out {
		if _, ok := in[p]; !ok {
			lines = append(lines, fmt.Sprintf("%q: missing in %s", p, a))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func (o DiffOptions) compare(a, b *entry) (what []string) {
	differ := func(name string, equal bool, x, y any) {
		if !equal {
			what = append(what, fmt.Sprintf("%s %v and %v", name, x, y))
		}
	}
	differ("mode", a.mode == b.mode, a.mode, b.mode)
	differ("size", a.size == b.size, a.size, b.size)
	differ("target", a.link == b.link, a.link, b.link)
	differ("device", a.rdev == b.rdev, a.rdev, b.rdev)
	differ("name of", a.leader == b.leader, a.leader, b.leader)
	if a.size == b.size {
		differ("content", a.content == b.content, fmt.Sprintf("%.6x", a.content), fmt.Sprintf("%.6x", b.content))
	}
	if !o.NoOwners {
		differ("owner", a.uid == b.uid && a.gid == b.gid, [2]uint32{a.uid, a.gid}, [2]uint32{b.uid, b.gid})
	}
	if !o.NoTimes && !(o.NoDirTimes && a.mode.IsDir()) {
		x, y := a.mtime.Truncate(o.TimeUnit), b.mtime.Truncate(o.TimeUnit)
		differ("time", x.Equal(y), x.UTC(), y.UTC())
	}
	if !o.NoXattrs {
		differ("attributes", maps.Equal(a.xattrs, b.xattrs), fmt.Sprintf("%q", a.xattrs), fmt.Sprintf("%q", b.xattrs))
	}
	if o.Holes && a.mode.IsRegular() {
		differ("disk used", b.used <= a.used+a.used/16+64<<10, a.used, b.used)
	}
	return what
}

// Size counts the entries, the regular files and their bytes in a tree, its own directory included.
func Size(dir string) (entries, files int, bytes int64, err error) {
	r := reader{each: func(_ string, e *entry, _ fileID) {
		entries++
		if e.mode.IsRegular() {
			files++
			bytes += e.size
		}
	}}
	err = r.top(dir)
	return entries, files, bytes, err
}

// List returns the paths of all entries of a tree, relative to it, in byte order; "" is the tree's
// own directory.
func List(dir string) ([]string, error) {
	var paths []string
	r := reader{each: func(path string, _ *entry, _ fileID) { paths = append(paths, path) }}
	err := r.top(dir)
	slices.Sort(paths)
	return paths, err
}

// read reads a whole tree, contents included.
func read(dir string, o DiffOptions) (map[string]*entry, error) {
	type group struct {
		fileID
		scope string
	}
	all, leaders := map[string]*entry{}, map[group]string{}
	groups := map[string]group{}
	r := reader{skip: o.Skip, content: true, each: func(path string, e *entry, id fileID) {
		all[path] = e
		if e.mode.IsDir() {
			return
		}
		g := group{fileID: id}
		if o.LinkScope != nil {
			g.scope = o.LinkScope(path)
		}
		groups[path] = g
		if first, ok := leaders[g]; !ok || path < first {
			leaders[g] = path
		}
	}}
	if err := r.top(dir); err != nil {
		return nil, err
	}
	for path, g := range groups {
		all[path].leader = leaders[g]
	}
	return all, nil
}
