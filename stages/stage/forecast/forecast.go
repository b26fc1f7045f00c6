// Package forecast says what a backup at some depth will come to, from what lstat shows alone: how
// many archives of which sizes, what a night stores again, requests, dollars, hours. It is arithmetic:
// it reads no tree, and asks no store.
//
// What it keeps of a depth does not grow with the tree. Sizes of archives are those of their tars,
// divided by the ratio that is assumed. For that ratio, requests are counted archive by archive, so
// they are exact where the ratio is; sizes are kept in a histogram whose bins are 1.1 % wide.
package forecast

import (
	"math"
	"math/bits"

	"firn/stages/format/encryption"
	"firn/stages/stage/walk"
	"firn/stages/store"
)

// Tiny is the size, in bytes, below which an archive costs more for its requests and overhead than for
// what is in it.
const Tiny = 128 << 10

// Assume is what a forecast takes for given.
type Assume struct {
	Ratio     float64      // bytes of tar for a byte that is stored; 1: nothing compresses
	Rate      float64      // bytes a second of the link
	PartSize  int64        // bytes, of uploads
	Limits    store.Limits // of the store
	KeySpaces int          // prefixes below which keys of the tree are: see backup
	NewKey    bool         // the key file is made by the first run
	Table     bool         // records are kept in a table, too
}

// What becomes of an archive.
type What int

// What a run does with an archive. What is in the store is known only if the store was asked.
const (
	New What = iota
	Changed
	Unchanged
)

// An Archive is one of a depth.
type Archive struct {
	walk.Sum
	Path   []byte // below the backup path
	Shell  bool
	Socket bool // no archive is made
	What   What
}

// A Share is some of the archives of a depth.
type Share struct {
	Archives int64
	Tar      int64 // bytes of their tars
	Uploads
}

func (s *Share) add(tar int64, u Uploads) {
	s.Archives++
	s.Tar += tar
	s.Uploads = s.plus(u)
}

// maxNames bounds how many changed archives a depth names.
const maxNames = 10

// A Depth adds up the archives of one depth. It is not for many goroutines.
type Depth struct {
	Depth                   int
	All                     Share // every archive
	New, Changed, Unchanged Share // by what becomes of them
	Shells                  int64 // of all
	Entries, Files, Bytes   int64
	Largest                 int64            // bytes of the largest tar
	LargestPath             string           // below the backup path
	Nights                  [walk.Days]Share // that have an entry modified in that night
	Names                   []string         // of the first archives that changed, below the backup path
	assume                  *Assume
	sizes                   [bins]bin
}

// NewDepth returns the sums of a depth.
func NewDepth(depth int, a *Assume) *Depth { return &Depth{Depth: depth, assume: a} }

// Add adds an archive.
func (d *Depth) Add(a *Archive) {
	d.Entries += a.Entries
	d.Files += a.Files
	d.Bytes += a.Bytes
	if a.Socket {
		return
	}
	u := d.assume.uploads(d.assume.stored(float64(a.Tar)))
	d.All.add(a.Tar, u)
	switch a.What {
	case New:
		d.New.add(a.Tar, u)
	case Changed:
		d.Changed.add(a.Tar, u)
		if len(d.Names) < maxNames {
			d.Names = append(d.Names, string(a.Path))
		}
	default:
		d.Unchanged.add(a.Tar, u)
	}
	if a.Shell {
		d.Shells++
	}
	if a.Tar > d.Largest || a.Tar == d.Largest && string(a.Path) < d.LargestPath {
		d.Largest, d.LargestPath = a.Tar, string(a.Path)
	}
	for days := a.Days; days != 0; days &= days - 1 {
		d.Nights[bits.TrailingZeros32(days)].add(a.Tar, u)
	}
	d.sizes[binOf(a.Tar)].add(a.Tar)
}

// stored is the size of the object of a tar.
func (a *Assume) stored(tar float64) int64 { return encryption.CiphertextSize(int64(tar / a.Ratio)) }

// Stored is how many bytes the objects of so many archives have, whose tars have so many bytes.
func (a *Assume) Stored(s Share) int64 {
	return int64(float64(s.Tar)/a.Ratio) + s.Archives*encryption.CiphertextSize(0)
}

// A histogram of tars: a bin for each 1/64 of a power of two.
const (
	perDouble = 64
	least     = 10 << 10 // bytes of the smallest tar
	bins      = perDouble * 50
)

type bin struct{ archives, tar int64 }

func (b *bin) add(tar int64) { b.archives, b.tar = b.archives+1, b.tar+tar }

func binOf(tar int64) int {
	return min(max(int(perDouble*math.Log2(float64(tar)/least)), 0), bins-1)
}

// Median is the median of the sizes of the stored archives, from the histogram.
func (d *Depth) Median() int64 {
	left := (d.All.Archives + 1) / 2
	for _, b := range d.sizes {
		if left -= b.archives; left <= 0 && b.archives > 0 {
			return d.assume.stored(float64(b.tar) / float64(b.archives))
		}
	}
	return 0
}

// Mean is the mean size of the stored archives.
func (d *Depth) Mean() int64 { return d.assume.Stored(d.All) / max(d.All.Archives, 1) }

// LargestStored is the size of the largest stored archive.
func (d *Depth) LargestStored() int64 { return d.assume.stored(float64(d.Largest)) }

// Tiny is the share of archives that are stored in fewer than Tiny bytes, from the histogram.
func (d *Depth) Tiny() float64 {
	n := int64(0)
	for _, b := range d.sizes {
		if b.archives > 0 && d.assume.stored(float64(b.tar)/float64(b.archives)) < Tiny {
			n += b.archives
		}
	}
	return float64(n) / float64(max(d.All.Archives, 1))
}

// Night is an average night of the last walk.Days: a file that was modified in more than one of them
// shows the last one only, and what was deleted shows in its directory.
func (d *Depth) Night() (archives, tar float64, u Uploads) {
	for _, n := range d.Nights {
		archives += float64(n.Archives) / walk.Days
		tar += float64(n.Tar) / walk.Days
		u = u.plus(n.Uploads)
	}
	return archives, tar, Uploads{u.Puts / walk.Days, u.Creates / walk.Days, u.Parts / walk.Days}
}

// Burst is the share of all nights' bytes that fell into one night: most of a tree that was copied or
// unpacked in the last walk.Days was modified then.
func (d *Depth) Burst() float64 {
	most, sum := int64(0), int64(0)
	for _, n := range d.Nights {
		most, sum = max(most, n.Tar), sum+n.Tar
	}
	return float64(most) / float64(max(sum, 1))
}

// billed is how many bytes the objects of a depth are billed as, in a class that bills at least so
// many for each.
func (d *Depth) billed(atLeast int64) (sum float64) {
	for _, b := range d.sizes {
		if b.archives > 0 {
			mean := d.assume.stored(float64(b.tar) / float64(b.archives))
			sum += float64(b.archives) * float64(max(mean, atLeast))
		}
	}
	return sum
}

// At returns the depth as it is with another ratio, such as one that was measured after the walk: the
// uploads of archives are counted from the histogram.
func (d *Depth) At(a *Assume) *Depth {
	other := *d
	other.assume = a
	other.All.Uploads = Uploads{}
	for _, b := range d.sizes {
		if b.archives > 0 {
			other.All.Uploads = other.All.plus(a.uploads(a.stored(float64(b.tar) / float64(b.archives))).times(b.archives))
		}
	}
	scale := func(s *Share) {
		s.Uploads = Uploads{}
		if s.Archives > 0 {
			s.Uploads = a.uploads(a.stored(float64(s.Tar) / float64(s.Archives))).times(s.Archives)
		}
	}
	for _, s := range []*Share{&other.New, &other.Changed, &other.Unchanged} {
		scale(s)
	}
	for i := range other.Nights {
		scale(&other.Nights[i])
	}
	return &other
}
