package backup

import (
	"crypto/sha256"
	"errors"
	stdhash "hash"
	"io"
	"math"

	"firn/pipeline"
	"firn/stages/format/encryption"
	"firn/stages/format/record"
)

// ErrChanging: a subtree whose archive is too large for the spool changed between its two readings.
var ErrChanging = errors.New("its archive is larger than the spool, so it was read twice, and it changed in between; nothing was stored in its place")

// A repeat reads an archive that is made a second time. It ends in ErrChanging instead of io.EOF if
// the archive is not the same as the first time.
type repeat struct {
	io.ReadCloser
	again   *subtree      // its record is set at the end
	want    record.Record // of the first reading
	marks   *marks        // of the first reading
	size    int64
	repeats *pipeline.Budget
}

// Close waits until the archive is made, and lets the next repeat begin.
func (r *repeat) Close() error {
	err := r.ReadCloser.Close()
	r.repeats.Release(1)
	return err
}

func (r *repeat) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), r.marks.room())]
	n, err := r.ReadCloser.Read(p)
	if !r.marks.same(p[:n]) {
		return 0, ErrChanging
	}
	r.size += int64(n)
	if r.size > r.want.ArchiveSize {
		return 0, ErrChanging
	}
	if errors.Is(err, io.EOF) && !sameArchive(r.again.record, r.want) {
		return 0, ErrChanging
	}
	return n, err
}

// sameArchive reports whether two records are of the same bytes, under the same passphrase.
func sameArchive(a, b record.Record) bool {
	return a.MD5 == b.MD5 && a.HMAC == b.HMAC && a.KeyID == b.KeyID && a.ArchiveSize == b.ArchiveSize
}

// marked is the sink of an archive: the spool, and the marks of one that may not fit into it.
func (b *backup) marked(s *subtree) io.Writer {
	if s.bound() <= b.Spooled.Size() {
		return s.spool
	}
	size, err := b.Store.Limits().PartSize(encryption.CiphertextSize(s.bound()), b.PartSize, b.Memory.Size())
	if s.begun != nil && b.takesParts(s.begun.PartSize) {
		size, err = s.begun.PartSize, nil
	}
	if err != nil {
		return s.spool // its upload can't be taken up
	}
	s.marks = newMarks(size)
	return io.MultiWriter(s.spool, s.marks)
}

// marks are digests of an archive up to the end of each part of its object, in the order of the parts:
// when the archive is made again, no part is encrypted that is not what it was the first time, so that
// a salt that was used for some parts stays that of one archive. A nil *marks marks nothing.
type marks struct {
	partSize int64 // bytes
	sum      stdhash.Hash
	size     int64 // bytes seen
	digests  [][sha256.Size]byte
	next     int // again: of the digests
}

func newMarks(partSize int64) *marks { return &marks{partSize: partSize, sum: sha256.New()} }

// again returns marks to compare a second reading with.
func (m *marks) again() *marks {
	if m == nil {
		return nil
	}
	return &marks{partSize: m.partSize, sum: sha256.New(), digests: m.digests}
}

// room is how many bytes there are to the end of the part.
func (m *marks) room() int64 {
	if m == nil {
		return math.MaxInt64
	}
	return m.partSize - (m.size+int64(encryption.HeaderSize))%m.partSize
}

// add sees bytes of one part, and returns the digest if the part ends with them.
func (m *marks) add(p []byte) (digest [sha256.Size]byte, ends bool) {
	ends = int64(len(p)) == m.room()
	_, _ = m.sum.Write(p) // a hash.Hash never fails
	m.size += int64(len(p))
	if ends {
		m.sum.Sum(digest[:0])
	}
	return digest, ends
}

// Write sees what is written in the first reading.
func (m *marks) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		some := p[:min(int64(len(p)), m.room())]
		if digest, ends := m.add(some); ends {
			m.digests = append(m.digests, digest)
		}
		p = p[len(some):]
	}
	return n, nil
}

// same sees bytes of the second reading, up to room, and reports whether all parts that have ended are
// what they were.
func (m *marks) same(p []byte) bool {
	if m == nil {
		return true
	}
	digest, ends := m.add(p)
	if !ends {
		return true
	}
	m.next++
	return m.next <= len(m.digests) && m.digests[m.next-1] == digest
}
