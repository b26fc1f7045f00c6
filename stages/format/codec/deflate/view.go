package deflate

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A view is the input around a position: as far as a place may be, and a match may go.
type view [1<<16 + maxMatch + 14]byte

// view is that of position p, from windowSize to the end of the block.
func (f *finder) view(p int) *view {
	return (*view)(unsafe.Add(unsafe.Pointer(&f.buf), p-windowSize))
}

// back returns eight bytes from n (at most maxMatch+6) after the place that is d before the view's
// position. It is the innermost step; the types keep it inside the array.
func (w *view) back(d uint16, n int) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(unsafe.Pointer(w), 1<<16-int(d)+n))[:])
}

// tops are the top bits of all bytes, threeTops those of the first three.
const (
	tops      = 0x8080808080808080
	threeTops = tops & 0xffffff
)

// alike has the top bit of each byte before the first that differs in v and w.
func alike(v, w uint64) uint64 {
	x := v ^ w
	return (x - 1) &^ x & tops
}

// nearest is the place of a bucket with the most of eight bytes in common with v, and alike's
// result.
func (w *view) nearest(pos uint16, reach uint, v uint64, b bucket) (common uint64, distance uint) {
	d0, d1, d2, d3 := pos-uint16(b), pos-uint16(b>>16), pos-uint16(b>>32), pos-uint16(b>>48)
	c0, c1, c2, c3 := alike(v, w.back(d0, 0)), alike(v, w.back(d1, 0)), alike(v, w.back(d2, 0)), alike(v, w.back(d3, 0))
	if uint(d0)-1 < reach {
		common, distance = c0, uint(d0)
	}
	if uint(d1)-1 >= reach {
		c1 = 0
	}
	if c1 > common {
		common, distance = c1, uint(d1)
	}
	if uint(d2)-1 >= reach {
		c2 = 0
	}
	if c2 > common {
		common, distance = c2, uint(d2)
	}
	if uint(d3)-1 >= reach {
		c3 = 0
	}
	if c3 > common {
		common, distance = c3, uint(d3)
	}
	return common, distance
}

// three is nearest for a place of three bytes, of which no more are looked at.
func (w *view) three(pos uint16, reach uint, v uint64, place uint16) (common uint64, distance uint) {
	d := pos - place
	if common = alike(v, w.back(d, 0)) & threeTops; uint(d)-1 >= reach {
		common = 0
	}
	return common, uint(d)
}

// whole is all ones if all of eight bytes are alike, given what alike says, and 1.
func whole(common uint64) (mask uint64) {
	if common == tops|1 {
		mask = ^uint64(0)
	}
	return mask
}

// longest is the longest match of more than seven bytes at the places of a bucket, the nearest of
// several. All four are followed at once: a branch could not predict the longest.
func (w *view) longest(pos uint16, reach uint, b bucket, limit int) (length, distance int) {
	d0, d1, d2, d3 := pos-uint16(b), pos-uint16(b>>16), pos-uint16(b>>32), pos-uint16(b>>48)
	var m0, m1, m2, m3 uint64 // all ones while a place is still alike
	if uint(d0)-1 < reach {
		m0 = ^uint64(0)
	}
	if uint(d1)-1 < reach {
		m1 = ^uint64(0)
	}
	if uint(d2)-1 < reach {
		m2 = ^uint64(0)
	}
	if uint(d3)-1 < reach {
		m3 = ^uint64(0)
	}
	for n := 0; ; n += 8 {
		v := w.back(0, n)
		m0 &= alike(v, w.back(d0, n)) | 1
		m1 &= alike(v, w.back(d1, n)) | 1
		m2 &= alike(v, w.back(d2, n)) | 1
		m3 &= alike(v, w.back(d3, n)) | 1
		best, d := m3, d3
		if m2 >= best {
			best, d = m2, d2
		}
		if m1 >= best {
			best, d = m1, d1
		}
		if m0 >= best {
			best, d = m0, d0
		}
		if best != tops|1 || n+8 >= limit {
			return min(n+bits.OnesCount64(best&tops), limit), int(d)
		}
		m0, m1, m2, m3 = whole(m0), whole(m1), whole(m2), whole(m3)
	}
}
