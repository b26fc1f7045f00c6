// Package sample chooses parts of a tree that stand for the whole, reads them, and measures
// compression on them.
//
// A [Census] counts the tree. Its tar is then thought of in another order, by strata: by suffix, and
// by size class within a suffix. A [Piece] is some stretches of it at equal distances, so that each
// stratum has its share of each piece, and pieces differ by chance alone: how much they differ says
// how far what was measured on some of them is from what the whole tree would give. Stretches hold
// whole runs of files of one kind that are neighbours in the tree, and the headers between them.
//
// It promises: the same tree and the same numbers of pieces give the same bytes. Memory holds the
// pieces that are asked for at once. Nothing is written; what can't be read is counted and left out.
package sample

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"firn/stages/stage/walk"
)

const (
	// PieceSize is the size of a piece unless Census.Piece says another.
	PieceSize = 4 << 20
	// stretchSize is how many bytes of it lie beside each other. With shorter ones, pieces differ less,
	// and all compress worse than the tree: with 64 KiB, bzip2 by 16 % on the Go installation.
	stretchSize = 256 << 10
)

// A Piece is a part of the tar of a tree that stands for the whole.
type Piece struct {
	Data   []byte // fewer than Census.Piece bytes if something could not be read
	Source int64  // bytes of regular files in it; the rest is headers and padding
}

// Faults are parts that were chosen and could not be read.
type Faults struct {
	Count int64 // files
	First error // of them, with its path; nil if there are none
}

func (f *Faults) add(err error) {
	f.Count++
	f.First = cmp.Or(f.First, err)
}

// Pieces returns how many pieces make up a share of the tree, from 0 to 1: at least 1, unless the
// tree has nothing, and at most as many as have no byte in common.
func (c *Census) Pieces(share float64) int {
	return int(math.Ceil(float64(c.Tar) * min(share, 1) / float64(c.piece())))
}

func (c *Census) piece() int64 { return max(cmp.Or(c.Piece, PieceSize), stretchSize) }

// A stretch is a range of bytes of one stratum that a piece wants.
type stretch struct {
	from, to int64 // in the stratum
	piece    int
	at       int // its place in the piece
}

// Read walks the tree once more and reads pieces number first to first+n-1. It ends with ctx's
// cause, or an error of the tree's own entry.
func (c *Census) Read(ctx context.Context, t *walk.Tree, first, n int) ([]Piece, Faults, error) {
	r := &reader{c: c, t: t, done: map[stratum]int64{}, pieces: make([]Piece, n)}
	r.wanted, r.parts = c.choose(first, n)
	for _, s := range r.wanted {
		r.open += len(s)
	}
	err := t.Entries(ctx, whole(t), r.entry, func(string, error) {})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, r.faults, fmt.Errorf("reading a sample of %s: %w", t.Path(), err)
	}
	for i, parts := range r.parts {
		for _, p := range parts {
			r.pieces[i].Data = append(r.pieces[i].Data, p...)
		}
	}
	return r.pieces, r.faults, nil
}

// errEnough ends a walk when all is read.
var errEnough = errors.New("enough")

// golden spreads the pieces' beginnings: those of any number of pieces in a row are about equally
// far from each other, and never the same (Weyl's sequence with the golden ratio).
const golden = 0.6180339887498949

// choose returns what pieces want of each stratum, by rising position, and room for the parts of
// each piece.
func (c *Census) choose(first, n int) (map[stratum][]stretch, [][][]byte) {
	count := c.piece() / stretchSize
	step := float64(c.Tar) / float64(count)
	size := min(stretchSize, int64(math.Ceil(step)))
	var all []stretch // in the tar by strata
	parts := make([][][]byte, n)
	for i := range n {
		_, start := math.Modf(golden * float64(first+i+1))
		for k := range count {
			from := min(int64((start+float64(k))*step), max(0, c.Tar-size))
			all = append(all, stretch{from: from, to: min(from+size, c.Tar), piece: i})
		}
	}
	slices.SortFunc(all, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.piece, b.piece)) })
	wanted := map[stratum][]stretch{}
	base := int64(0)
	for _, s := range c.order() {
		end := base + c.strata[s]
		for _, x := range all {
			if from, to := max(x.from, base), min(x.to, end); from < to {
				wanted[s] = append(wanted[s], stretch{from - base, to - base, x.piece, len(parts[x.piece])})
				parts[x.piece] = append(parts[x.piece], nil)
			}
		}
		base = end
	}
	return wanted, parts
}

// A reader is one call of Read.
type reader struct {
	c      *Census
	t      *walk.Tree
	wanted map[stratum][]stretch
	done   map[stratum]int64 // bytes of a stratum that were passed
	open   int               // stretches that are not read whole
	parts  [][][]byte
	pieces []Piece
	faults Faults
}

// entry passes one entry, and reads what stretches want of it.
func (r *reader) entry(e *walk.Entry) error {
	m := r.c.member(r.t, e)
	if _, known := r.c.strata[m.stratum]; !known {
		m.stratum.suffix = ""
	}
	from := r.done[m.stratum]
	to := from + m.size()
	r.done[m.stratum] = to
	wanted := r.wanted[m.stratum]
	var f *os.File
	var failed error
	for _, s := range wanted {
		if s.from >= to {
			break
		}
		a, b := max(s.from, from)-from, min(s.to, to)-from
		if a >= b {
			continue
		}
		if b > int64(len(m.header)) && m.content > 0 && f == nil && failed == nil {
			f, failed = e.Open()
		}
		if failed == nil {
			failed = r.part(f, e, m, s, a, b)
		}
	}
	if f != nil {
		_ = f.Close() // it was only read
	}
	if failed != nil {
		r.faults.add(failed)
	}
	for len(wanted) > 0 && wanted[0].to <= to {
		wanted = wanted[1:]
		r.open--
	}
	r.wanted[m.stratum] = wanted
	if r.open == 0 {
		return errEnough
	}
	return nil
}

// part adds the bytes from a to b of a member to a stretch.
func (r *reader) part(f *os.File, e *walk.Entry, m member, s stretch, a, b int64) error {
	data := r.parts[s.piece][s.at]
	header := int64(len(m.header))
	if a < header {
		data = append(data, m.header[a:min(b, header)]...)
		a = min(b, header)
	}
	if a < b {
		n := len(data)
		data = append(data, make([]byte, b-a)...)
		read, err := content(f, e, m.content, a-header, data[n:])
		if err != nil {
			return err
		}
		r.pieces[s.piece].Source += read
	}
	r.parts[s.piece][s.at] = data
	return nil
}

// content reads into p what is at an offset of a file's content in the tar, and returns how many
// bytes are the file's. What follows is padding: p ends with zeros.
func content(f *os.File, e *walk.Entry, size, at int64, p []byte) (read int64, err error) {
	if size < e.Size {
		return withoutHoles(f, at, p)
	}
	want := min(int64(len(p)), e.Size-at)
	if want <= 0 {
		return 0, nil
	}
	n, err := f.ReadAt(p[:want], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if int64(n) < want {
		return 0, fmt.Errorf("%s: %w", e.Path, errShrank)
	}
	return want, nil
}

var errShrank = errors.New("it shrank while it was read")

// withoutHoles is content of a file with holes: at counts its data alone.
func withoutHoles(f *os.File, at int64, p []byte) (read int64, err error) {
	// lseek(2) of Linux, where walk.Tree.Content knows holes.
	const seekData, seekHole = 3, 4
	for end := int64(0); len(p) > 0; {
		from, err := unix.Seek(int(f.Fd()), end, seekData)
		if err == unix.ENXIO { // no more data
			break
		}
		if err == nil {
			end, err = unix.Seek(int(f.Fd()), from, seekHole)
		}
		if err != nil {
			return 0, os.NewSyscallError("lseek", err)
		}
		skip := min(at, end-from)
		at -= skip
		n, err := f.ReadAt(p[:min(int64(len(p)), end-from-skip)], from+skip)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		p, read = p[n:], read+int64(n)
	}
	return read, nil
}
