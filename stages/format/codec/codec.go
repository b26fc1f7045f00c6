// Package codec compresses archives block by block: gzip, bzip2, xz (lzma) and zstd behind one
// interface.
//
// A [Format] says how large a block is; a [Cut] finds where each one ends; an [Encoder] turns one
// block, and the window before it, into a [Piece]; a [Joiner] writes the pieces, in order, as one
// standard file. So any number of workers can encode blocks at once.
//
// The package promises that a file's bytes depend on its input, the format and the level alone: not
// on workers, write sizes, the machine, or what an encoder was used for before. It starts no
// goroutine while encoding and knows no tar, file or store.
//
// The format's own tool, GNU tar, bsdtar and Python's tarfile read every file. No pieces make a
// valid empty file.
package codec

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"firn/stages/format/codec/xz"
)

// ErrUnknown is wrapped by errors for a format or a level that does not exist.
var ErrUnknown = errors.New("no such compression")

// DefaultLevel asks [New] for a format's default level.
const DefaultLevel = 0

// A Format is one compression format at one level. It is immutable and safe for concurrent use.
type Format interface {
	// Name of the compression: "gzip", "bzip2", "lzma" or "zstd".
	Name() string
	// Ext is the file name extension without a dot: "gz", "bz2", "xz" or "zst".
	Ext() string
	// Level is never [DefaultLevel].
	Level() int
	// BlockSize is the largest input of a block, in bytes.
	BlockSize() int
	// Window is how many bytes before a block its encoder needs; 0 if blocks are independent.
	Window() int
	// BlockMemory bounds an encoder's scratch and one piece, in bytes.
	BlockMemory() int64
	// NewCut makes one archive's cut. The last block ends with the archive.
	NewCut() Cut
	// NewEncoder makes one worker's encoder, to be used for many blocks.
	NewEncoder() Encoder
	// NewJoiner makes one archive's joiner.
	NewJoiner() Joiner
	// NewReader decodes any standard file of the format, also several streams in a row. Truncated
	// or damaged data is an error, never io.EOF. Close does not close r.
	NewReader(r io.Reader) (io.ReadCloser, error)
}

// A Cut finds where the blocks of one archive end. The result depends on the bytes alone, not on
// how they are split between calls. It is not safe for concurrent use.
type Cut interface {
	// Scan takes the next bytes and returns how many belong to the current block, and whether it
	// ends there; the next call begins with the rest of p then. No block is empty or above
	// BlockSize.
	Scan(p []byte) (n int, full bool)
	// Room is how many bytes belong to the block whatever their values; perhaps 0.
	Room() int
}

// An Encoder compresses single blocks. It is one worker's and not safe for concurrent use.
type Encoder interface {
	// Encode appends the encoded block to dst and returns that as Piece.Data. block holds 1 to
	// BlockSize bytes, window the last Window() bytes before it or all there are. Neither is kept
	// or changed. The piece depends on block and window alone.
	Encode(dst, window, block []byte) (Piece, error)
}

// A Piece is one encoded block. Only a Joiner of the same format can read it.
type Piece struct {
	Data     []byte // the encoded block; owned by whoever passed dst to Encode
	Bits     int64  // length in bits, where the format is not byte aligned (bzip2)
	Raw      int    // bytes of input
	Sum      uint64 // check value of the input, where the joiner needs one (gzip, bzip2)
	Count    int    // the format's own blocks in the piece (bzip2)
	Unpadded int64  // size without padding, for the index (xz)
}

// A Joiner writes pieces, given in order, as one standard file. It keeps a few bytes a piece.
type Joiner interface {
	// Join appends to dst the bytes that p adds to the file. dst must not alias p.Data.
	Join(dst []byte, p Piece) []byte
	// Close appends the end of the file. The Joiner must not be used after it.
	Close(dst []byte) []byte
}

// kinds lists the formats in the order in which help and errors show them.
func kinds() [4]kind {
	return [...]kind{
		// Levels up to 5 are the library's, the others those of package deflate.
		{name: "gzip", ext: "gz", min: 1, max: 9, def: 6, make: newGzip},
		{name: "bzip2", ext: "bz2", min: 1, max: 9, def: 9, make: newBzip2},
		{name: "lzma", alias: "xz", ext: "xz", min: xz.MinLevel, max: xz.MaxLevel, def: xz.DefaultLevel, make: newXZ},
		{name: "zstd", ext: "zst", min: 1, max: 19, def: 3, make: newZstd},
	}
}

// A kind describes a format before a level is chosen. make fills in what depends on the level; it
// allocates no encoder, so that a format costs next to nothing until one is asked for.
type kind struct {
	name, alias, ext string
	min, max, def    int
	make             func(p params) Format
}

func (k kind) at(level int) Format {
	return k.make(params{name: k.name, ext: k.ext, level: level})
}

// Names lists the formats that [New] knows, by their main names.
func Names() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// New returns the named format ("xz" means "lzma") at a level, or at its default for
// [DefaultLevel]. Its errors wrap [ErrUnknown] and list the choices.
func New(name string, level int) (Format, error) {
	for _, k := range kinds() {
		if name != k.name && (name != k.alias || name == "") {
			continue
		}
		if level == DefaultLevel {
			level = k.def
		}
		if level < k.min || level > k.max {
			return nil, fmt.Errorf("%w: %s has levels %d to %d (default %d), not %d", ErrUnknown, k.name, k.min, k.max, k.def, level)
		}
		return k.at(level), nil
	}
	return nil, fmt.Errorf("%w: algorithm %q; choose one of %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// HasExt reports whether a format has the extension ext (without a dot). It allocates nothing.
func HasExt(ext string) bool {
	all := kinds()
	return slices.ContainsFunc(all[:], func(k kind) bool { return k.ext == ext })
}

// ByExt returns the format with the extension ext (without a dot), for reading, or [ErrUnknown].
func ByExt(ext string) (Format, error) {
	var exts []string
	for _, k := range kinds() {
		if ext == k.ext {
			return k.at(k.def), nil
		}
		exts = append(exts, k.ext)
	}
	return nil, fmt.Errorf("%w: extension %q; known are %s", ErrUnknown, ext, strings.Join(exts, ", "))
}

// params is the part that is the same for every format.
type params struct {
	name, ext   string
	level       int
	blockSize   int
	window      int
	blockMemory int64
}

func (p *params) Name() string       { return p.name }
func (p *params) Ext() string        { return p.ext }
func (p *params) Level() int         { return p.level }
func (p *params) BlockSize() int     { return p.blockSize }
func (p *params) Window() int        { return p.window }
func (p *params) BlockMemory() int64 { return p.blockMemory }

// NewCut cuts into blocks of BlockSize; bzip2 alone cuts where the content says.
func (p *params) NewCut() Cut { return &equalCut{size: p.blockSize, left: p.blockSize} }

// An equalCut makes blocks of one size.
type equalCut struct{ size, left int }

func (c *equalCut) Room() int { return c.left }

func (c *equalCut) Scan(p []byte) (n int, full bool) {
	if len(p) < c.left {
		c.left -= len(p)
		return len(p), false
	}
	n, c.left = c.left, c.size
	return n, true
}

// room returns dst with space for exactly n more bytes if it must grow: BlockMemory counts on that.
func room(dst []byte, n int64) []byte {
	if int64(cap(dst)-len(dst)) >= n {
		return dst
	}
	return append(make([]byte, 0, int64(len(dst))+n), dst...)
}
