package archive

import "strings"

// links holds the name under which an inode with several names was stored. It forgets an inode with
// the last of its names: what it holds is inodes with names still to come, or outside the subtree.
type links struct {
	limit int
	known map[inode]linked
	dir   string // of the name added last: shared with its neighbours, to save memory
}

// identity identifies an entry among the names of one inode.
type identity struct {
	inode
	nlink   uint64
	size    int64
	modTime int64 // ns since the epoch
}

type inode struct{ dev, ino uint64 }

type linked struct {
	dir, base string
	size      int64
	modTime   int64
	left      uint64 // names not seen yet
}

// find returns the member that id is another name of. An inode of another size or time is another
// file of a reused number, or another state of the file, and is stored whole.
func (l *links) find(id identity) (name string, ok bool) {
	known, ok := l.known[id.inode]
	switch {
	case !ok:
		return "", false
	case known.size != id.size || known.modTime != id.modTime:
		delete(l.known, id.inode)
		return "", false
	}
	if known.left--; known.left == 0 {
		delete(l.known, id.inode)
	} else {
		l.known[id.inode] = known
	}
	return known.dir + known.base, true
}

// add remembers name, just stored, for the other names of its inode. It returns false if full.
func (l *links) add(id identity, name string) bool {
	if len(l.known) >= l.limit {
		return false
	}
	if l.known == nil {
		l.known = make(map[inode]linked)
	}
	i := strings.LastIndexByte(name, '/') + 1
	if l.dir != name[:i] {
		l.dir = strings.Clone(name[:i])
	}
	l.known[id.inode] = linked{l.dir, strings.Clone(name[i:]), id.size, id.modTime, id.nlink - 1}
	return true
}
