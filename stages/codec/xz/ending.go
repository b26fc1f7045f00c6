package xz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// footerSize is the size of what ends every stream: checksum, size of the index, flags, magic bytes.
const footerSize = 12

// An Ending reads through and remembers how its input ends, zeros after a stream's end left out (section 2.2).
// It is for decoders that take a file cut before its first block, or between the blocks and the index, for a whole one.
type Ending struct {
	r     io.Reader
	tail  []byte // the last bytes up to the last that is not zero, footerSize at most
	zeros int    // after them
}

// NewEnding returns an Ending over r.
func NewEnding(r io.Reader) *Ending { return &Ending{r: r} }

func (e *Ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.note(p[:n])
	return n, err
}

func (e *Ending) note(p []byte) {
	body := bytes.TrimRight(p, "\x00")
	if len(body) > 0 {
		e.tail = append(e.tail, make([]byte, min(e.zeros, footerSize))...)
		e.tail = append(e.tail, body[max(0, len(body)-footerSize):]...)
		e.tail = append(e.tail[:0], e.tail[max(0, len(e.tail)-footerSize):]...)
		e.zeros = 0
	}
	e.zeros += len(p) - len(body)
}

// Check says whether what was read so far ends in a stream's footer. Its error wraps io.ErrUnexpectedEOF.
func (e *Ending) Check() error {
	t := e.tail
	if len(t) == footerSize && t[10] == 'Y' && t[11] == 'Z' && crc32.ChecksumIEEE(t[4:10]) == binary.LittleEndian.Uint32(t) {
		return nil
	}
	return fmt.Errorf("the xz data has no end; the file was cut short: %w", io.ErrUnexpectedEOF)
}
