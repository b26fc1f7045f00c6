package sample

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/bits"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"firn/stages/format/tarfmt"
	"firn/stages/stage/walk"
)

// A stratum is the entries of a tree whose contents are probably alike.
type stratum struct {
	suffix string // of the name, with its dot, lower case; "" for none, or a long or a rare one
	class  int    // of the size: the same for sizes within a factor of 16
}

const (
	longestSuffix = 12   // bytes, with the dot: what is longer is no kind of file
	mostStrata    = 4096 // after that, a suffix that was not seen before counts as none
)

// A Census is how many bytes the tar of a tree has, by strata. Its memory does not grow with the
// tree. It is made by [Take], or by Add in somebody else's walk; it is not safe for concurrent use.
type Census struct {
	Entries, Files int64
	Bytes          int64 // of regular files, holes included
	Tar            int64 // bytes of the tar of the whole tree, holes left out
	Faults         int64 // entries that could not be looked at

	// Piece is how many bytes of tar a piece has, unless the tree has fewer; 0 is PieceSize. Small ones
	// take less time, and compress worse than the tree.
	Piece int64

	strata  map[stratum]int64
	encoder tarfmt.Encoder
	header  []byte
}

// Take walks a tree and counts it. An error is one of the tree's own entry, or ctx's cause: then the
// census is of what was walked until then, and its pieces stand for that.
func Take(ctx context.Context, t *walk.Tree) (*Census, error) {
	c := new(Census)
	err := t.Entries(ctx, whole(t), func(e *walk.Entry) error {
		c.Add(t, e)
		return nil
	}, func(string, error) { c.Faults++ })
	if err != nil {
		return c, fmt.Errorf("looking at what is in %s: %w", t.Path(), err)
	}
	return c, nil
}

// whole is a tree in one piece, whatever the depth that it is to be cut at.
func whole(t *walk.Tree) walk.Subtree { return walk.Subtree{Base: path.Base(t.Path())} }

// Add counts one entry of t. All are given in the order of [walk.Tree.Entries].
func (c *Census) Add(t *walk.Tree, e *walk.Entry) {
	if c.strata == nil {
		c.strata = map[stratum]int64{}
	}
	m := c.member(t, e)
	s := m.stratum
	if _, known := c.strata[s]; !known && len(c.strata) >= mostStrata {
		s.suffix = ""
	}
	c.strata[s] += m.size()
	c.Entries++
	c.Tar += m.size()
	if e.Type() == unix.S_IFREG {
		c.Files++
		c.Bytes += e.Size
	}
}

// A member is an entry as the tar has it.
type member struct {
	stratum stratum
	header  []byte // valid until the next
	content int64  // bytes, padded to whole blocks
}

func (m member) size() int64 { return int64(len(m.header)) + m.content }

// member describes an entry. One that no tar can hold has no bytes.
func (c *Census) member(t *walk.Tree, e *walk.Entry) (m member) {
	h := tarfmt.Header{Name: e.Name, Mode: e.Mode, UID: e.UID, GID: e.GID, ModTime: e.ModTime}
	switch e.Type() {
	case unix.S_IFREG:
		h.Type, h.Size = tarfmt.TypeReg, e.Size
		m.content = t.Content(e)
		m.content += tarfmt.Padding(m.content)
	case unix.S_IFDIR:
		h.Type = tarfmt.TypeDir
	case unix.S_IFLNK:
		h.Type, h.Link = tarfmt.TypeSymlink, e.Link
	default:
		h.Type = tarfmt.TypeFifo
	}
	m.stratum = stratum{suffix(e.Name), bits.Len64(uint64(m.content)) / 4}
	var err error
	if c.header, err = c.encoder.Append(c.header[:0], &h); err != nil {
		return member{stratum: m.stratum}
	}
	m.header = c.header
	return m
}

func suffix(name string) string {
	s := path.Ext(name)
	if len(s) > longestSuffix || len(s) == len(path.Base(name)) { // such as .profile
		return ""
	}
	return strings.ToLower(s)
}

// order lists the strata so that those that are alike stand beside each other.
func (c *Census) order() []stratum {
	return slices.SortedFunc(maps.Keys(c.strata), func(a, b stratum) int {
		return cmp.Or(strings.Compare(a.suffix, b.suffix), cmp.Compare(a.class, b.class))
	})
}
