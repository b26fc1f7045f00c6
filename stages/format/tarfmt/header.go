package tarfmt

import "time"

// BlockSize is the unit of a tar file in bytes. Headers take one; data is padded to it.
const BlockSize = 512

// The types of member that firn writes (POSIX ustar typeflag).
const (
	TypeReg     = '0' // regular file
	TypeLink    = '1' // hard link to a member that stands before it
	TypeSymlink = '2'
	TypeChar    = '3'
	TypeBlock   = '4'
	TypeDir     = '5'
	TypeFifo    = '6'
)

// MaxRecords bounds an extended header in bytes: Go's archive/tar refuses more.
const MaxRecords = 1 << 20

// MaxSegments bounds the map of a file with holes: Go's archive/tar reads 1 MiB of it.
const MaxSegments = 1 << 14

// Header describes one member.
type Header struct {
	Name         string // raw bytes, no NUL; a directory's trailing slash is added by the encoder
	Type         byte   // one of the Type constants
	Link         string // target of a symbolic link, or the Name of the member that a hard link repeats
	Mode         uint32 // the low twelve bits of st_mode
	UID, GID     uint32
	User, Group  string // names of the ids, "" where unknown
	Size         int64  // of a regular file: its length, holes counted as what they read as
	ModTime      time.Time
	Major, Minor uint32  // device number of TypeChar and TypeBlock
	Xattrs       []Xattr // in the order of their names
	Comment      string  // free text, "" for none
	// Sparse says where a regular file has data; nil: no holes; empty: one hole. At most
	// MaxSegments, in order, not overlapping, none empty, all inside Size.
	Sparse []Segment
}

// Xattr is one extended attribute: its full name ("user.mime_type") and its bytes.
type Xattr struct {
	Name  string
	Value []byte
}

// Segment is a run of data in a file with holes, in bytes.
type Segment struct {
	Offset, Length int64
}

// Stored returns how many bytes of content follow header and map: Size without the holes.
func (h *Header) Stored() int64 {
	switch {
	case h.Type != TypeReg:
		return 0
	case h.Sparse == nil:
		return h.Size
	}
	var n int64
	for _, s := range h.Sparse {
		n += s.Length
	}
	return n
}

// Padding returns how many zeros follow n bytes of data to fill a block.
func Padding(n int64) int64 { return -n & (BlockSize - 1) }

// EndSize is the number of zero bytes that end a tar file: two blocks. POSIX pads no further for
// files; the padding to 10 KiB that tar(1) adds is a tape's record size.
const EndSize = 2 * BlockSize
