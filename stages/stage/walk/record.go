package walk

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"golang.org/x/sys/unix"

	"firn/stages/service/fsys"
)

// An entry that is younger than a clock tick may change again and look the same. A tick lasts up to
// 10 ms, or 2 s on a file system that keeps no fractions of a second.
const (
	margin       = 50 * time.Millisecond
	coarseMargin = 2 * time.Second
)

// The tar of an entry: two headers, the PAX records (path, link target, and tarRecords bytes for the
// rest), and the content. The archive ends with two blocks of zeros, filled up to twenty.
const (
	tarBlock   = 512
	tarRecords = 1024
	tarEnd     = 20 * tarBlock
)

// recorder adds the entries of one directory to a digest and sums them up.
type recorder struct {
	t    *Tree
	fd   int       // the directory that holds the entries
	dev  uint64    // its device
	now  time.Time // when the entries were looked at, or before
	hash hash.Hash
	buf  []byte
	sum  Scan

	estimates bool // Sum has what a plan needs
}

// newRecorder must be called before the entries are looked at: it reads the clock.
func (t *Tree) newRecorder(fd int, dev uint64) recorder {
	return recorder{t: t, fd: fd, dev: dev, now: t.o.Now(), hash: sha256.New(), sum: Scan{Sound: true}, estimates: t.o.Estimate}
}

// add records an entry; nameLen is the length of its name in the archive. The length of each record
// follows from its first bytes, so that no two lists of entries give the same bytes.
func (r *recorder) add(name string, nameLen int, st *unix.Stat_t) {
	const flush = 8 << 10
	if len(r.buf) > flush {
		r.flush()
	}
	le := binary.LittleEndian
	b := le.AppendUint32(r.buf, uint32(len(name)))
	b = append(b, name...)
	b = le.AppendUint32(b, uint32(st.Mode))
	b = le.AppendUint32(b, st.Uid)
	b = le.AppendUint32(b, st.Gid)
	b = le.AppendUint64(b, uint64(st.Size))
	b = appendTime(b, st.Mtim)
	b = appendTime(b, st.Ctim)
	b = le.AppendUint64(b, uint64(st.Ino))
	b = le.AppendUint64(b, uint64(st.Nlink))
	b = le.AppendUint64(b, uint64(st.Rdev))
	var other byte // on another file system than the directory
	if uint64(st.Dev) != r.dev {
		other = 1
	}
	r.buf = append(b, other)
	r.count(nameLen, st)
}

func appendTime(b []byte, ts unix.Timespec) []byte {
	sec, nsec := ts.Unix()
	b = binary.LittleEndian.AppendUint64(b, uint64(sec))
	return binary.LittleEndian.AppendUint32(b, uint32(nsec))
}

func (r *recorder) count(nameLen int, st *unix.Stat_t) {
	s := &r.sum
	s.Sound = s.Sound && settled(r.now, st)
	s.Entries++
	tar, content := int64(2*tarBlock)+blocks(int64(tarRecords+nameLen)), int64(0)
	switch fsys.Type(st) {
	case unix.S_IFREG:
		s.Files++
		s.Bytes += st.Size
		content = r.content(st)
	case unix.S_IFLNK:
		tar += blocks(st.Size)
	}
	s.TarBound += tar + content
	if r.estimates {
		r.estimate(nameLen, content, st)
	}
}

// Content bounds the bytes that a regular file's content takes in an archive: fewer than Size if it
// has holes, and the file system shows them.
func (t *Tree) Content(e *Entry) int64 {
	return t.content(e.place.dir.fd, e.place.dir.id.dev, e.Dev, e.Size, e.Blocks*512)
}

// Entries whose time of modification is in the last Days days have a bit in Sum.Days.
const Days = 30

// estimate adds what an entry takes in the archive, without attributes and owners' names, which
// need records too, and the day on which it was modified.
func (r *recorder) estimate(nameLen int, content int64, st *unix.Stat_t) {
	const longestName, record = 100, 20 // of ustar; "LENGTH keyword=" and a line break
	tar, records := tarBlock+content, int64(0)
	if _, nsec := st.Mtim.Unix(); nsec != 0 {
		records += record + 20
	}
	if nameLen > longestName {
		records += int64(record + nameLen)
	}
	if fsys.Type(st) == unix.S_IFLNK && st.Size > longestName {
		records += record + st.Size
	}
	if records > 0 {
		tar += tarBlock + blocks(records)
	}
	r.sum.Tar += tar
	modified := time.Unix(st.Mtim.Unix())
	if day := r.now.Sub(modified) / (24 * time.Hour); !modified.After(r.now) && day < Days {
		r.sum.Days |= 1 << day
	}
	if modified.After(r.sum.Newest) {
		r.sum.Newest = modified
	}
}

// tarSize is the size of an archive whose entries take so many bytes.
func tarSize(entries int64) int64 { return (entries + 2*tarBlock + tarEnd - 1) / tarEnd * tarEnd }

// content is Tree.content of an entry of the recorder's directory.
func (r *recorder) content(st *unix.Stat_t) int64 {
	return r.t.content(r.fd, r.dev, uint64(st.Dev), st.Size, int64(st.Blocks)*512)
}

// content bounds the size of a file's content in the archive: with holes, its data and their map,
// which takes some 40 bytes for each piece of data, of 4 KiB at least. fd is its directory, on device
// dirDev; used is what the file takes on device dev, in bytes.
func (t *Tree) content(fd int, dirDev, dev uint64, size, used int64) int64 {
	whole := blocks(size)
	// Small files may be in the inode, which counts no blocks.
	if size <= 4096 || used >= size || dev != dirDev || !t.showsHoles(fd, dev) {
		return whole
	}
	return min(whole, blocks(used)+blocks(used/64)+2*tarBlock)
}

// showsHoles reports whether a device's st_blocks counts what is not a hole, and at once.
func (t *Tree) showsHoles(fd int, dev uint64) bool {
	if v, ok := t.holes.Load(dev); ok {
		return v.(bool)
	}
	shows := blocksShowHoles(fd)
	t.holes.Store(dev, shows)
	return shows
}

// blocks rounds up to whole tar blocks.
func blocks(n int64) int64 {
	return (n + tarBlock - 1) &^ (tarBlock - 1)
}

// settled reports whether an entry changed long enough before now for any later change to show. A
// time of change in the future comes of a clock set back, and may come again; a time of modification
// in the future was set by hand. One close to now counts on file systems without a time of change.
func settled(now time.Time, st *unix.Stat_t) bool {
	changed, modified := time.Unix(st.Ctim.Unix()), time.Unix(st.Mtim.Unix())
	return now.Sub(changed) >= tick(changed) && now.Sub(modified).Abs() >= tick(modified)
}

func tick(t time.Time) time.Duration {
	if t.Nanosecond() == 0 {
		return coarseMargin
	}
	return margin
}

// leave records a directory whose content is left out.
func (r *recorder) leave(path string, cache bool) {
	if len(r.sum.Left) == maxLeft {
		r.sum.LeftMore = true
		return
	}
	r.sum.Left = append(r.sum.Left, Left{path, cache})
}

func (r *recorder) flush() {
	r.hash.Write(r.buf)
	r.buf = r.buf[:0]
}

// addDigest records what is in a directory that has been recorded as an entry.
func (r *recorder) addDigest(s *Scan) {
	r.buf = append(r.buf, s.Fingerprint[:]...)
	r.sum.Sound = r.sum.Sound && s.Sound
	r.sum.Blind = r.sum.Blind || s.Blind
	r.sum.Sum.add(&s.Sum)
	r.sum.LeftMore = r.sum.LeftMore || s.LeftMore
	for _, l := range s.Left {
		r.leave(l.Path, l.Cache)
	}
}

func (r *recorder) result() Scan {
	r.flush()
	r.hash.Sum(r.sum.Fingerprint[:0])
	return r.sum
}
