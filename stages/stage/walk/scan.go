package walk

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// A Sum is what entries come to.
type Sum struct {
	// Entries counts all entries, Files the regular files, Bytes their sizes.
	Entries, Files, Bytes int64
	// TarBound is the most bytes that the uncompressed archive takes, unless the tree grows before it
	// is read, or has more than half a KiB of extended attributes an entry.
	TarBound int64
	// Tar estimates the size of the uncompressed archive: extended attributes are not in it, and a file
	// with several names counts at each of them. It, Newest and Days are set with Options.Estimate.
	Tar int64
	// Newest is the newest time of modification.
	Newest time.Time
	// Days has a bit for each of the last Days days on which an entry was modified, by its time of
	// modification: bit 0 for the last 24 hours.
	Days uint32
}

func (s *Sum) add(of *Sum) {
	s.Entries += of.Entries
	s.Files += of.Files
	s.Bytes += of.Bytes
	s.TarBound += of.TarBound
	s.Tar += of.Tar
	s.Days |= of.Days
	if of.Newest.After(s.Newest) {
		s.Newest = of.Newest
	}
}

// Scan is what lstat shows of a subtree or, while it is being made, of what is in a directory.
type Scan struct {
	Sum
	// Fingerprint is a digest of the names, types, modes, owners, sizes, times of modification and of
	// change, inodes, link counts and device numbers of all entries that are taken. It covers where
	// another file system begins, but not st_dev, which depends on the order of mounts.
	Fingerprint [sha256.Size]byte
	// Sound is false when something could not be read, or was changed so recently that a later
	// change might not show: then the fingerprint must not be kept. Of stores through mmap, lstat
	// shows only the first to a page since it was last written back.
	Sound bool
	// Blind says that a directory could not be listed, or an entry not be looked at.
	Blind bool
	// Socket: the subtree is one, and no archive holds it.
	Socket bool
	// Left are the directories whose content is left out, in the order of their paths; LeftMore says
	// that there are more.
	Left     []Left
	LeftMore bool
}

// fingerprintVersion begins every fingerprint: a new version makes all older ones unequal.
const fingerprintVersion = "firn fingerprint 1\n"

// Scan looks at every entry of a subtree, in this goroutine and in those of the tree's workers that
// are idle. It ends with an error when the subtree's own entry can't be read, and when ctx ends.
func (t *Tree) Scan(ctx context.Context, s Subtree) (Scan, error) {
	p, err := t.find(s.Path)
	if err != nil {
		return Scan{}, fmt.Errorf("scanning %s: %w", t.full(s.Path), vanished(err))
	}
	defer p.dir.close()
	r := t.newRecorder(p.dir.fd, t.id.dev)
	r.hash.Write([]byte(fingerprintVersion))
	var st unix.Stat_t
	if err := p.lstat(&st); err != nil {
		return Scan{}, fmt.Errorf("scanning %s: %w", t.full(s.Path), vanished(err))
	}
	r.add(s.Base, len(s.Base), &st)
	if t.otherFileSystem(&st) {
		r.leave(t.full(s.Path), false)
	}
	if tk := t.takes(s); t.enters(&st, tk) {
		w := &scanWalk{t: t, ctx: ctx}
		rel := []byte(s.Path)
		if s.Path != "" {
			rel = append(rel, '/')
		}
		below := w.dir(p, idOf(&st), rel, len(s.Base)+1, tk)
		r.addDigest(&below)
	}
	if ctx.Err() != nil {
		return Scan{}, context.Cause(ctx)
	}
	all := r.result()
	all.TarBound += tarEnd
	all.Tar = tarSize(all.Tar)
	all.Socket = fsys.Type(&st) == unix.S_IFSOCK
	return all, nil
}

// scanWalk is one call of Scan.
type scanWalk struct {
	t   *Tree
	ctx context.Context
}

// dir scans what is in the directory at p. The digest covers all entries in order of their names,
// then the digests of the directories among them; one that can't be read has a zero Scan. rel is as
// in Tree.read; nameLen is the length of what the names in the archive begin with.
func (w *scanWalk) dir(p place, id inode, rel []byte, nameLen int, tk take) Scan {
	d, err := p.dir.openDir(p.name, id)
	if err != nil {
		return Scan{Blind: true}
	}
	p.dir.enter()
	defer func() {
		p.dir.back(d)
		d.close()
	}()
	r := w.t.newRecorder(d.fd, d.id.dev)
	n, err := w.t.read(d, rel, tk)
	defer w.t.done(n)
	if err != nil {
		r.sum.Sound, r.sum.Blind = false, true
	}
	if n.tagged {
		r.leave(w.t.full(strings.TrimSuffix(string(rel), "/")), true)
	}
	subdirs := w.entries(d, n, rel, nameLen, tk, &r)
	w.descend(d, n, subdirs, rel, nameLen)
	for i := range subdirs {
		r.addDigest(&subdirs[i].Scan)
	}
	return r.result()
}

// subdir is a directory in a directory: its place among the names, and what was found in it.
type subdir struct {
	at int
	id inode
	Scan
}

// entries records each entry in d, and returns the directories among them.
func (w *scanWalk) entries(d *dir, n *names, rel []byte, nameLen int, tk take, r *recorder) []subdir {
	var subdirs []subdir
	var st unix.Stat_t
	for i := range n.at {
		if i%1024 == 0 && w.ctx.Err() != nil {
			return nil
		}
		taken, err := w.t.look(d, n, i, rel, tk, &st)
		if err != nil {
			r.sum.Sound, r.sum.Blind = false, true
			continue
		}
		if !taken {
			continue
		}
		name := n.name(i)
		r.add(name, nameLen+len(name), &st)
		switch {
		case w.t.enters(&st, takeAll):
			subdirs = append(subdirs, subdir{at: i, id: idOf(&st)})
		case w.t.otherFileSystem(&st):
			r.leave(w.t.full(string(rel)+name), false)
		}
	}
	return subdirs
}

// descend scans the directories found in d. Idle workers get some of them while d stays open; this
// goroutine scans the rest, so that nothing is queued and no deadlock is possible.
func (w *scanWalk) descend(d *dir, n *names, subdirs []subdir, rel []byte, nameLen int) {
	var others sync.WaitGroup
	defer others.Wait()
	for i := range subdirs {
		s := &subdirs[i]
		p := place{dir: d, name: n.name(s.at)}
		scan := func(rel []byte) {
			rel = append(append(rel, p.name...), '/')
			s.Scan = w.dir(p, s.id, rel, nameLen+len(p.name)+1, takeAll)
		}
		// This goroutine would only wait for the last one, so it takes that itself.
		if i < len(subdirs)-1 && d.level < maxOpen {
			own := slices.Clip(rel)
			others.Add(1)
			if w.t.share.TryGo(func() error { defer others.Done(); scan(own); return nil }) {
				continue
			}
			others.Done()
		}
		scan(rel)
	}
}
